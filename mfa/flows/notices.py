"""Notices: what happened to an account is told to its owner, wherever the owner can be reached (OWASP ASVS 5.0, 6.3.7).

They go to addresses that were verified before, never to one that is only claimed.
"""

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from django.db.models import Q

from identity.models import User
from mfa.delivery import budget, messages, outbox
from mfa.flows import deliveries
from mfa.models.authenticator import Authenticator, Kind
from mfa.outcomes import Origin

NOTICES: Final = MappingProxyType(
    {
        "authenticator_added": {"label"},
        "authenticator_removed": {"label"},
        "authenticator_disabled": {"label"},
        "recovery_code_used": {"left"},
        "recovery_codes_low": {"left"},
        "recovery_codes_replaced": set(),
        "password_changed": set(),
        "account_locked": set(),
        "wrong_codes": set(),
        "mfa_reset": set(),
    }
)
"""Each notice, and the facts that it needs beside when, where from and whose account. `application` may be added."""


def tell(
    user: User,
    template: str,
    origin: Origin | None,
    now: datetime,
    *,
    also_to: Iterable[str] = (),
    delivered: Iterable[tuple[Kind, str]] | None = None,
    **facts: Any,
) -> None:
    """Write the notice for every verified address of `user`, in the caller's transaction; it goes when that commits.

    `also_to` names e-mail addresses that were verified until just now, such as that of a removed authenticator. An
    account without a verified e-mail address is told by SMS. `delivered` are the account's authenticators of these two
    kinds, oldest first, for a caller that has just read them. What cannot be sealed is not told: an account with a
    damaged data key can be locked and reset all the same. Raises ValueError for an unknown notice, a missing fact.
    """
    if template not in NOTICES or not NOTICES[template] <= facts.keys():
        raise ValueError(f"{template} is no notice, or needs {NOTICES.get(template)}")
    addresses = list(dict.fromkeys([*_verified_addresses(user, delivered), *also_to]))
    if not addresses or not budget.spend_for_notice(user.pk, template, now):
        return
    told = {
        **facts,
        "username": user.username,
        "address": origin.address if origin else "",
        "at": now.isoformat(),
    }
    with suppress(outbox.CannotSeal):  # The log says so.
        for destination in addresses:
            deliveries.enqueue(
                user,
                template=template,
                kind=Kind.EMAIL if "@" in destination else Kind.SMS,
                destination=destination,
                facts=told,
                language=messages.supported(user.language, origin.language if origin else ""),
                now=now,
            )


def _verified_addresses(user: User, delivered: Iterable[tuple[Kind, str]] | None) -> list[str]:
    """Every verified e-mail address, or, where there is none, every verified number."""
    if delivered is None:
        own = Authenticator.objects.filter(Q(kind=Kind.EMAIL) | Q(kind=Kind.SMS), user=user).order_by("created_at")
        delivered = [(Kind(kind), destination) for kind, destination in own.values_list("kind", "destination")]
    found = list(delivered)
    if user.email and user.email_verified_at:
        found.insert(0, (Kind.EMAIL, user.email))
    if user.mobile_phone and user.mobile_verified_at:
        found.insert(0, (Kind.SMS, user.mobile_phone))
    by_email = [destination for kind, destination in found if kind == Kind.EMAIL]
    return by_email or [destination for _kind, destination in found]
