"""What people do with their own authenticators. Whoever calls `remove` has seen a fresh second factor."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from django.db import transaction

from identity.flows import accounts, audit, tokens
from identity.models import Client, User
from mfa.flows import notices, policy, remembered_devices, requests
from mfa.models import Authenticator
from mfa.models.authenticator import Kind
from mfa.models.policy import Mode
from mfa.outcomes import Origin

LONGEST_LABEL = 64


class RemovalRefusal(StrEnum):
    NOT_YOURS = "not_yours"
    LAST_ONE = "last_one"


def of(user: User) -> list[Authenticator]:
    """The account's authenticators, the default one first, then the oldest."""
    return list(user.authenticators.order_by("-is_default", "confirmed_at", "pk"))


def find(user: User, authenticator_id: UUID) -> Authenticator | None:
    """The account's own authenticator of this id; another's is as unknown as one that never was (ATTACKS A40)."""
    return user.authenticators.filter(pk=authenticator_id).first()


def rename(authenticator: Authenticator, label: str, origin: Origin) -> None:
    """Give it another label, without blanks around and control characters in it; an empty one changes nothing."""
    clean = "".join(character for character in label if character.isprintable()).strip()[:LONGEST_LABEL]
    if not clean:
        return
    with transaction.atomic():
        Authenticator.objects.filter(pk=authenticator.pk).update(label=clean)
        _record(authenticator, "authenticator.renamed", origin)


def make_default(authenticator: Authenticator, origin: Origin) -> None:
    """Ask for this one first from now on."""
    with transaction.atomic():
        accounts.lock_row(authenticator.user_id)
        Authenticator.objects.filter(user_id=authenticator.user_id, is_default=True).update(is_default=False)
        Authenticator.objects.filter(pk=authenticator.pk).update(is_default=True)
        _record(authenticator, "authenticator.made_default", origin)


def may_be_last(user: User) -> bool:
    """Whether the account may be left without an authenticator: no policy that reaches it requires one."""
    if policy.effective(user, None).mode == Mode.REQUIRED:
        return False
    asking = Client.objects.filter(mfa_policy__mode=Mode.REQUIRED).select_related("installation", "mfa_policy")
    return not any(accounts.has_role_in(user, client) for client in asking)


def remove(user: User, authenticator_id: UUID, origin: Origin, now: datetime) -> RemovalRefusal | None:
    """Take the authenticator away; None when it is gone.

    All that was opened with it ends: every session, refresh family, remembered device and open request (ATTACKS A60).
    """
    with transaction.atomic():
        user = accounts.lock_row(user.pk)
        authenticator = find(user, authenticator_id)
        if authenticator is None:
            return RemovalRefusal.NOT_YOURS
        if user.authenticators.count() == 1 and not may_be_last(user):
            _record(authenticator, "authenticator.removed", origin, outcome="refused", reason="last_one")
            return RemovalRefusal.LAST_ONE
        _record(authenticator, "authenticator.removed", origin)
        notices.tell(user, "authenticator_removed", origin, now, label=authenticator.label)
        requests.end_all(user, "authenticator removed", now)  # First, as a code's two counts lock them.
        authenticator.delete()
        _choose_default(user)
        tokens.end_sessions(user, "authenticator removed", now)
        remembered_devices.forget_all(user, now)
    return None


def _choose_default(user: User) -> None:
    """When the default one went, the oldest of the others takes its place."""
    if user.authenticators.filter(is_default=True).exists():
        return
    oldest = user.authenticators.order_by("confirmed_at", "pk").first()
    if oldest is not None:
        Authenticator.objects.filter(pk=oldest.pk).update(is_default=True)


def _record(
    authenticator: Authenticator, event: str, origin: Origin, *, outcome: str = "success", reason: str = ""
) -> None:
    audit.record(
        event,
        outcome=outcome,
        reason=reason,
        user=authenticator.user,
        authenticator=authenticator.pk,
        address=origin.address,
        detail={"kind": Kind(authenticator.kind).label},
    )
