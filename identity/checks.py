"""System checks of identity: what `manage.py check` says, and `serve` before it starts."""

import time
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import DatabaseError, connections

# A code is good for a step of 30 s and its neighbours; servers whose clocks differ by more than this lose part of that.
LARGEST_CLOCK_DIFFERENCE = 5.0  # seconds
# OWASP Password Storage: m=19456 KiB, t=2, p=1, or more.
LEAST_MEMORY_KIB, LEAST_ROUNDS = 19456, 2


@register(Tags.security, deploy=True)
def passwords_are_hashed_slowly(app_configs: object, **_kwargs: Any) -> list[CheckMessage]:
    given = settings.PASSWORD_ARGON2
    if given["memory_cost"] >= LEAST_MEMORY_KIB and given["time_cost"] >= LEAST_ROUNDS:
        return []
    return [
        Error(
            "PASSWORD_ARGON2 is below what OWASP asks for.",
            hint=f"Set memory_cost to {LEAST_MEMORY_KIB} and time_cost to {LEAST_ROUNDS} or more.",
            id="identity.E001",
        )
    ]


@register(Tags.database)
def clock_agrees_with_the_database(
    app_configs: object, databases: Sequence[str] | None = None, **_kwargs: Any
) -> list[CheckMessage]:
    """Codes are checked by this machine's clock; other machines write by theirs, the database stands for them all."""
    if "default" not in (databases or ()) or connections["default"].vendor != "postgresql":
        return []
    try:
        with connections["default"].cursor() as cursor:
            asked = time.time()
            cursor.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
            difference = abs(float(cursor.fetchone()[0]) - (asked + time.time()) / 2)
    except DatabaseError:
        return [
            Error("The database does not answer.", hint="Start it, or mend DATABASE_URL.", id="identity.E002"),
        ]
    if difference <= LARGEST_CLOCK_DIFFERENCE:
        return []
    return [
        Error(
            f"This machine's clock and the database's differ by {difference:.0f} s.",
            hint="Let both follow a time server (chrony or systemd-timesyncd), then start again.",
            id="identity.E003",
        )
    ]


@register(Tags.database)
def own_keys_can_be_opened(
    app_configs: object, databases: Sequence[str] | None = None, **_kwargs: Any
) -> list[CheckMessage]:
    """The keys that sign tokens and key the digests were sealed under a key that is still configured."""
    if "default" not in (databases or ()):
        return []
    from identity.models import SealedKey
    from identity.primitives.sealing import CannotOpen, key_id

    try:
        kids = {key_id(bytes(sealed)) for sealed in SealedKey.objects.values_list("sealed", flat=True)}
    except (DatabaseError, CannotOpen):
        return []  # Not migrated yet, or away, which the clock's check says.
    lost = sorted(kids - set(settings.MFA_SECRET_KEYS))
    return [missing_key(kid, "The installation's own keys are", "identity.E004") for kid in lost]


def missing_key(kid: str, what: str, check_id: str) -> Error:
    """That `what` is sealed under a key which is not configured any more."""
    return Error(
        f"{what} sealed under {kid!r}, which is not in MFA_SECRET_KEYS.",
        hint=f"Put {kid!r} back behind the first key, run `manage.py rotate_keys`, and only then take it away.",
        id=check_id,
    )
