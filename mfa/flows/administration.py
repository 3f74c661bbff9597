"""What administrators do to an account, and what ends with it."""

from datetime import datetime, timedelta

from django.db import transaction

from identity.flows import audit, tokens
from identity.models import User
from mfa.flows import notices, remembered_devices, requests
from mfa.models.authenticator import Authenticator, Kind
from mfa.outcomes import Origin

INVITATION_LIFETIME = timedelta(days=3)
_MARKS = {Kind.EMAIL: "email_verified_at", Kind.SMS: "mobile_verified_at"}


def end_what_rests_on_it(user: User, why: str, now: datetime) -> None:
    """Sessions, tokens, remembered devices and open requests end: none outlives a change of factors (A60)."""
    tokens.end_sessions(user, why, now)
    remembered_devices.forget_all(user, now)
    requests.end_all(user, why, now)


def drop_address(user: User, kind: Kind, old: str, *, actor: User, address: str, now: datetime) -> None:
    """The account's e-mail address or number is another now: the old one proves nothing any more (A65)."""
    mark = _MARKS[kind]
    was_verified = getattr(user, mark) is not None
    User.objects.filter(pk=user.pk).update(**{mark: None})
    setattr(user, mark, None)
    held = list(Authenticator.objects.filter(user=user, kind=kind, destination=old))
    if held or was_verified:
        notices.tell(user, "authenticator_removed", Origin(address), now, also_to=[old], label=kind.label)
    for row in held:
        audit.record("authenticator.removed", user=user, actor=actor, authenticator=row.pk, address=address)
        row.delete()
    if held:
        end_what_rests_on_it(user, "authenticator removed", now)


def sign_out(user: User, *, actor: User, reason: str, address: str, now: datetime) -> None:
    """End every session, token, remembered device and open request of the account."""
    with transaction.atomic():
        end_what_rests_on_it(user, "ended by an administrator", now)
        audit.record("session.all_ended", user=user, actor=actor, address=address, detail={"reason": reason})


def invite(user: User, *, actor: User, reason: str, address: str, now: datetime) -> str:
    """A code with which the person may enrol a first authenticator; older ones are over."""
    with transaction.atomic():
        remembered_devices.spend_invitations(user, now)
        code = remembered_devices.invite(user, actor=actor, now=now, lifetime=INVITATION_LIFETIME)
        audit.record("account.invited", user=user, actor=actor, address=address, detail={"reason": reason})
    return code
