"""What administrators do to a person's second factor and account, and what ends with it."""

from datetime import datetime

from django.db import transaction

from identity.flows import accounts, audit, tokens
from identity.models import User
from mfa.flows import notices, remembered_devices, requests
from mfa.models import Enrolment, RecoveryCodeSet
from mfa.models.authenticator import EnrolmentState, Kind
from mfa.outcomes import Origin


def reset_mfa(user: User, *, actor: User | None, reason: str, origin: Origin, now: datetime) -> int:
    """Take away every authenticator, recovery code and remembered device; how many authenticators there were.

    Sessions, refresh families and open requests end with them (ATTACKS A60). The person enrols anew at the next
    sign-in; an administrator can never do that for somebody (A64).
    """
    with transaction.atomic():
        user = accounts.lock_row(user.pk)
        notices.tell(user, "mfa_reset", origin, now)
        held = list(user.authenticators.all())
        _end_everything(user, "mfa reset", now)  # Requests before authenticators, as a code's two counts lock them.
        user.authenticators.all().delete()
        Enrolment.objects.filter(user=user, state=EnrolmentState.PENDING).update(
            state=EnrolmentState.CANCELLED, sealed_secret=None, code_digest=""
        )
        RecoveryCodeSet.objects.filter(user=user).delete()
        _unverify(user, {Kind(authenticator.kind) for authenticator in held})
        audit.record(
            "mfa.reset",
            user=user,
            actor=actor,
            address=origin.address,
            detail={"reason": reason, "authenticators": len(held)},
        )
    return len(held)


def lock_account(user: User, *, actor: User | None, reason: str, origin: Origin, now: datetime) -> None:
    """An administrator's lock: nobody signs in, and whoever is in is out."""
    with transaction.atomic():
        user = accounts.lock_row(user.pk)
        User.objects.filter(pk=user.pk).update(locked_by_administrator_at=now)
        _end_everything(user, "locked by an administrator", now)
        notices.tell(user, "account_locked", origin, now)
        audit.record("account.locked", user=user, actor=actor, address=origin.address, detail={"reason": reason})


def after_password_change(user: User, origin: Origin, now: datetime, *, actor: User | None = None) -> None:
    """What every change of a password ends, in the transaction that made it. A factor stays due (ATTACKS A33)."""
    _end_everything(user, "password changed", now)
    notices.tell(user, "password_changed", origin, now)
    audit.record("password.changed", user=user, actor=actor, address=origin.address)


def _end_everything(user: User, reason: str, now: datetime) -> None:
    requests.end_all(user, reason[:32], now)
    tokens.end_sessions(user, reason, now)
    remembered_devices.forget_all(user, now)


def _unverify(user: User, kinds: set[Kind]) -> None:
    """An address that is no authenticator any more must be shown anew before it is one again."""
    if Kind.EMAIL in kinds:
        User.objects.filter(pk=user.pk).update(email_verified_at=None)
    if Kind.SMS in kinds:
        User.objects.filter(pk=user.pk).update(mobile_verified_at=None)
