"""Accounts, clients and phones that tests begin with, in the test's own database."""

import itertools
from functools import cache
from typing import Any

from django.utils import timezone

from identity.flows import clients, hashing
from identity.models import Client, Installation, User
from identity.models.client import DEFAULT_GRANT_TYPES
from mfa import secret_store
from mfa.models import Authenticator, MfaPolicy
from mfa.models.authenticator import Kind
from mfa.primitives import totp
from mfa.primitives.provisioning_uri import provisioning_uri
from tests.support.soft_authenticator import SoftAuthenticator
from tests.support.visual_guard import VisualGuardClient

PASSWORD = "correct horse battery staple"
_numbers = itertools.count(1)


def make_user(*, password: str = PASSWORD, **fields: Any) -> User:
    """An account with a role in every client; `fields` are its columns."""
    user = User(**{"username": f"person-{next(_numbers)}", "all_clients": True, **fields})
    user.password = _hash(password)
    user.password_changed_at = timezone.now()
    user.save()
    return user


def make_client(*, secret: str = "", mfa: dict[str, Any] | None = None, **fields: Any) -> Client:
    """A client, public unless it has a `secret`; `mfa` are the columns of its policy."""
    Installation.current()
    number = next(_numbers)
    client = Client(**{"client_id": f"client-{number}_Native", "name": f"Client {number}", **fields})
    clients.set_secret(client, secret or None)
    clients.set_grants(client, fields.get("grant_types", DEFAULT_GRANT_TYPES))
    client.save()
    if mfa is not None:
        MfaPolicy.objects.create(client=client, **mfa)
    return client


def enrol_app(user: User, **fields: Any) -> SoftAuthenticator:
    """Give `user` a confirmed authenticator app of which no code is spent yet; returns the phone."""
    now = timezone.now()
    secret = totp.new_secret()
    app = Authenticator(user=user, kind=Kind.APP, label="Phone", created_at=now, confirmed_at=now, **fields)
    app.sealed_secret = secret_store.seal_for(user, secret, table="mfa_authenticator", row=str(app.pk), purpose="totp")
    app.save(force_insert=True)
    return SoftAuthenticator.from_uri(provisioning_uri(secret, issuer="Stepward", account=user.username))


def add_mailbox(user: User, address: str = "") -> Authenticator:
    """Give `user` a confirmed e-mail address."""
    now = timezone.now()
    user.email, user.email_verified_at = address or f"{user.username}@mail.example", now
    user.save(update_fields=["email", "email_verified_at"])
    return Authenticator.objects.create(
        user=user, kind=Kind.EMAIL, destination=user.email, created_at=now, confirmed_at=now
    )


def sign_in_client(
    user: User | None = None, client: Client | None = None, *, password: str = PASSWORD, secret: str = ""
) -> VisualGuardClient:
    """An application of its own through which `user` signs in, inside this process."""
    asking = client or make_client(secret=secret)
    name = user.username if user else "nobody"
    return VisualGuardClient.in_process(asking.client_id, client_secret=secret, username=name, password=password)


@cache
def _hash(password: str) -> str:
    """One hash for all: what is tested is never how two equal passwords are kept."""
    return hashing.make(password)
