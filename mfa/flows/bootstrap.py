"""Links that work once: for the first administrator (no default credentials), and for who needs a new password."""

import secrets
from datetime import datetime, timedelta

from django.contrib.auth.hashers import make_password
from django.db import transaction

from identity import secret_store
from identity.flows import accounts, audit, passwords
from identity.models import Installation, User
from identity.models.user import AdminRole
from identity.primitives import login_names
from mfa import conf
from mfa.flows import reset
from mfa.models.invitation import Invitation, InvitationPurpose
from mfa.outcomes import Origin

LINK_LIFETIME = timedelta(hours=24)
_FIRST_OWNER = "bootstrap"
_PASSWORD_LINK = "password-link"
_OVER = "The link is over. Ask for a new one."
_LONGEST_TOKEN = 100


class BootstrapRefused(Exception):
    """Why no link was made, in a sentence for the operator."""


def make_link(username: str, now: datetime, *, force: bool = False) -> str:
    """Make the account `username` an owner without a password, and a link with which its holder sets one.

    A link made before for the same account is over. Raises BootstrapRefused when an owner already has a
    password and `force` is not given, or when the account exists and somebody signs in to it.
    """
    if not login_names.is_acceptable(username):
        raise BootstrapRefused("That is not a user name: 1 to 64 characters, none of them a control character.")
    token = secrets.token_urlsafe(32)
    with transaction.atomic():
        Installation.current()
        Installation.objects.select_for_update().get(pk=1)
        if not force and any(owner.has_usable_password() for owner in _owners()):
            raise BootstrapRefused("An owner already exists. With --force a further one is made.")
        user = _owner_without_password(username)
        Invitation.objects.spend_all(user, InvitationPurpose.PASSWORD, now)
        Invitation.objects.create(
            user=user,
            purpose=InvitationPurpose.PASSWORD,
            digest=_digest(token, _FIRST_OWNER),
            created_at=now,
            expires_at=now + LINK_LIFETIME,
        )
        audit.record("administrator.invited", user=user, detail={"by": "bootstrap_admin", "forced": force})
    return f"{conf.public_url()}/account/bootstrap/{token}"


def make_password_link(user: User, *, actor: User, reason: str, address: str, now: datetime) -> str:
    """A link with which `user` chooses a password, handed over by an administrator. No factor is touched (A33)."""
    token = secrets.token_urlsafe(32)
    with transaction.atomic():
        Invitation.objects.create(
            user=user,
            purpose=InvitationPurpose.PASSWORD,
            digest=_digest(token, _PASSWORD_LINK),
            created_at=now,
            created_by=actor,
            expires_at=now + LINK_LIFETIME,
        )
        audit.record("password.link_made", user=user, actor=actor, address=address, detail={"reason": reason})
    return f"{conf.public_url()}/account/bootstrap/{token}"


def open_link(token: str, now: datetime) -> User | None:
    """Whose password the link may set at `now`; None for every other token. Opening it spends nothing."""
    invitation = _invitation(token, now)
    return invitation.user if invitation else None


def set_first_password(token: str, password: str, now: datetime, *, origin: Origin | None = None) -> list[str]:
    """Set the password and spend the link, once. Returns what keeps the password from being set: empty, it was."""
    invitation = _invitation(token, now)
    if invitation is None:
        return [_OVER]
    user, installation = invitation.user, Installation.current()
    found = passwords.problems(password, user, installation)
    if not found and passwords.was_used_before(password, user, installation):
        found = ["It was used before."]
    if found:
        return found
    with transaction.atomic():
        had_one = accounts.lock_row(user.pk).has_usable_password()
        unspent = Invitation.objects.filter(pk=invitation.pk, spent_at__isnull=True, expires_at__gt=now)
        if unspent.update(spent_at=now) != 1:
            return [_OVER]
        passwords.set_password(user, password, installation, now)
        audit.record("password.set", user=user, detail={"by": "link"})
        if had_one:
            reset.after_password_change(user, origin or Origin(""), now)
    return []


def _invitation(token: str, now: datetime) -> Invitation | None:
    if not 0 < len(token) <= _LONGEST_TOKEN:
        return None
    first = _digest(token, _FIRST_OWNER)
    found = (
        Invitation.objects.filter(
            digest__in=[first, _digest(token, _PASSWORD_LINK)], spent_at__isnull=True, expires_at__gt=now
        )
        .select_related("user")
        .first()
    )
    if found is None or not found.user.is_active or _is_overtaken(found, of_first_owner=found.digest == first):
        return None
    return found


def _is_overtaken(invitation: Invitation, *, of_first_owner: bool) -> bool:
    """A password that was set in another way ends every link; a role that was taken back ends an owner's."""
    user = invitation.user
    if user.password_changed_at is not None and user.password_changed_at >= invitation.created_at:
        return True
    return of_first_owner and (user.has_usable_password() or user.admin_role != AdminRole.OWNER)


def _owners() -> list[User]:
    return list(User.objects.filter(admin_role=AdminRole.OWNER, is_active=True))


def _owner_without_password(username: str) -> User:
    user = User.objects.named(username)
    if user is None:
        user = User(username=username, password=make_password(None))
    elif user.has_usable_password():
        raise BootstrapRefused(f"The account {user.username} is in use. Choose another --username.")
    user.admin_role = AdminRole.OWNER
    user.save()
    return user


def _digest(token: str, purpose: str) -> str:
    return secret_store.digest(purpose, token)
