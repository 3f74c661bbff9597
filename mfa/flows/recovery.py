"""Recovery codes: made ten at a time, shown once, replaced as a set."""

from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction

from identity.flows import audit
from identity.models import User
from mfa.flows import notices, own_sessions
from mfa.models.recovery_code import RecoveryCode, RecoveryCodeSet
from mfa.outcomes import Origin
from mfa.primitives import recovery_codes
from mfa.verifiers import recovery_code

CODES: Final = 10
WARN_AT: Final = 3


def make_codes(user: User, now: datetime, origin: Origin) -> list[str]:
    """Ten new codes, in the form that people read; every earlier one stops being good. They can never be shown again.

    The caller has seen a fresh factor. Its transaction, if it has one, makes codes and cause one.
    """
    codes = [recovery_codes.new_code() for _ in range(CODES)]
    with transaction.atomic():
        generation = _next_set(user, now)
        RecoveryCode.objects.bulk_create(
            RecoveryCode(set_id=user.pk, generation=generation, digest=recovery_code.digest(user, code))
            for code in codes
        )
        replaced = generation > 1
        audit.record(
            "recovery_codes.replaced" if replaced else "recovery_codes.made", user=user, address=origin.address
        )
        if replaced:
            notices.tell(user, "recovery_codes_replaced", origin, now)
    return [recovery_codes.shown(code) for code in codes]


def make_codes_signed_in(user: User, session_id: UUID | str, now: datetime, origin: Origin) -> list[str] | None:
    """The same for who has just shown a second factor; None once that session is over."""
    with transaction.atomic():
        return make_codes(user, now, origin) if own_sessions.lock_while_on(user, session_id) else None


def codes_left(user: User) -> int:
    """How many codes of the set in force are unspent; 0 without a set."""
    return RecoveryCode.objects.filter(set_id=user.pk, spent_at__isnull=True).count()


def tell_of_use(user: User, origin: Origin | None, now: datetime) -> None:
    """Tell the user that a code was spent, and when few are left. Call it in the transaction that spent it."""
    left = codes_left(user)
    notices.tell(user, "recovery_code_used", origin, now, left=left)
    if left == WARN_AT:
        notices.tell(user, "recovery_codes_low", origin, now, left=left)


def _next_set(user: User, now: datetime) -> int:
    """The number of a set that begins now. Whoever replaces the set at the same time waits here."""
    _, made = RecoveryCodeSet.objects.get_or_create(user=user, defaults={"created_at": now})
    if made:
        return 1
    in_force = RecoveryCodeSet.objects.select_for_update().get(pk=user.pk)
    RecoveryCode.objects.filter(set=in_force).delete()
    in_force.generation += 1
    in_force.created_at = now
    in_force.failures, in_force.rest_until, in_force.disabled_at = 0, None, None
    in_force.save()
    return in_force.generation
