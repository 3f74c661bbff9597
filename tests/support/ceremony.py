"""Rows that tests of the second factor begin with, at an instant that the test names."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Final

from identity.models import Client, Installation, User
from mfa.models import AuthenticationRequest, Authenticator, Enrolment
from mfa.models.authenticator import Kind
from mfa.outcomes import Origin

NOON: Final = datetime(2026, 6, 1, 12, tzinfo=UTC)
ORIGIN: Final = Origin(address="198.51.100.7", user_agent="a test", language="en")

_numbers = itertools.count(1)


def a_user(**fields: object) -> User:
    """An account with a verified address of its own, unless `fields` say otherwise."""
    number = next(_numbers)
    user = User(
        **{
            "username": f"person{number}",
            "email": f"person{number}@mail.example",
            "email_verified_at": NOON,
            "password": "!",
            **fields,
        }
    )
    user.save()
    return user


def a_client(name: str = "Payroll") -> Client:
    """A public client."""
    Installation.objects.get_or_create(pk=1)  # A flush between tests removes what the migrations made.
    client = Client(
        name=name,
        client_id=f"client{next(_numbers)}_Native",
        client_type=Client.CLIENT_PUBLIC,
        authorization_grant_type=Client.GRANT_PASSWORD,
        client_secret="",
    )
    client.save()
    return client


def a_request(user: User, now: datetime = NOON, client: Client | None = None) -> AuthenticationRequest:
    """A passed password step of `user`."""
    return AuthenticationRequest.objects.create(
        digest=next(_numbers).to_bytes(32, "big"),
        user=user,
        client=client,
        typed_name=user.username,
        address=ORIGIN.address,
        created_at=now,
        expires_at=now + timedelta(seconds=600),
    )


def by_email(user: User, destination: str = "") -> Authenticator:
    """A confirmed mailbox."""
    return Authenticator.objects.create(
        user=user, kind=Kind.EMAIL, destination=destination or user.email, created_at=NOON, confirmed_at=NOON
    )


def by_sms(user: User, destination: str = "+33612345678") -> Authenticator:
    """A confirmed mobile number."""
    return Authenticator.objects.create(
        user=user, kind=Kind.SMS, destination=destination, created_at=NOON, confirmed_at=NOON
    )


def an_enrolment(request: AuthenticationRequest, kind: Kind, destination: str, now: datetime = NOON) -> Enrolment:
    """A pending enrolment of an address or number."""
    return Enrolment.objects.create(
        user=request.user,
        request=request,
        kind=kind,
        destination=destination,
        begun_at=now,
        expires_at=now + timedelta(seconds=600),
    )
