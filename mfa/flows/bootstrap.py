"""The first administrator: made by whoever runs the server, by a link that works once (no default credentials)."""

import secrets
from datetime import datetime, timedelta

from django.contrib.auth.hashers import make_password
from django.db import transaction

from identity import secret_store
from identity.flows import audit, passwords
from identity.models import Installation, User
from identity.models.user import AdminRole
from identity.primitives import login_names
from mfa import conf
from mfa.models.invitation import Invitation

LINK_LIFETIME = timedelta(hours=24)
_PURPOSE = "bootstrap"
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
        Invitation.objects.filter(user=user, spent_at__isnull=True).update(spent_at=now)
        Invitation.objects.create(user=user, digest=_digest(token), created_at=now, expires_at=now + LINK_LIFETIME)
        audit.record("administrator.invited", user=user, detail={"by": "bootstrap_admin", "forced": force})
    return f"{conf.public_url()}/account/bootstrap/{token}"


def open_link(token: str, now: datetime) -> User | None:
    """Whose password the link may set at `now`; None for every other token. Opening it spends nothing."""
    invitation = _invitation(token, now)
    return invitation.user if invitation else None


def set_first_password(token: str, password: str, now: datetime) -> list[str]:
    """Set the password and spend the link, once. Returns what keeps the password from being set: empty, it was."""
    invitation = _invitation(token, now)
    if invitation is None:
        return ["The link is over. Ask for a new one."]
    installation = Installation.current()
    found = passwords.problems(password, invitation.user, installation)
    if found:
        return found
    with transaction.atomic():
        unspent = Invitation.objects.filter(pk=invitation.pk, spent_at__isnull=True, expires_at__gt=now)
        if unspent.update(spent_at=now) != 1:
            return ["The link is over. Ask for a new one."]
        passwords.set_password(invitation.user, password, installation, now)
        audit.record("password.set", user=invitation.user, detail={"by": "bootstrap link"})
    return []


def _invitation(token: str, now: datetime) -> Invitation | None:
    if not 0 < len(token) <= _LONGEST_TOKEN:
        return None
    found = (
        Invitation.objects.filter(digest=_digest(token), spent_at__isnull=True, expires_at__gt=now)
        .select_related("user")
        .first()
    )
    # A password that was set on another way, or a role that was taken back, ends the link.
    if found is None or found.user.has_usable_password() or found.user.admin_role != AdminRole.OWNER:
        return None
    return found if found.user.is_active else None


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


def _digest(token: str) -> str:
    return secret_store.digest(_PURPOSE, token)
