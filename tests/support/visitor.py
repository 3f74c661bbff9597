"""A person with a browser and a telephone, as far as Django's test client can be one."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

import time_machine
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from identity.models import Installation, User
from mfa import secret_store
from mfa.models import Authenticator
from mfa.models.authenticator import Kind
from tests.support.soft_authenticator import SoftAuthenticator

PASSWORD: Final = "a long and quiet sentence"
NOON: Final = datetime(2026, 6, 1, 12, tzinfo=UTC)
SECRET: Final = b"twenty bytes of test"


def an_account(username: str = "anna", **fields: Any) -> User:
    """An account with PASSWORD and a recorded, unverified address."""
    Installation.objects.get_or_create(pk=1)
    user = User(**{"username": username, "email": f"{username}@mail.example", **fields})
    user.set_password(PASSWORD)
    user.save()
    return user


def an_app(user: User, secret: bytes = SECRET, label: str = "Authenticator app") -> Authenticator:
    """A confirmed authenticator app of the account."""
    now = timezone.now()
    row = Authenticator(
        user=user,
        kind=Kind.APP,
        label=label,
        created_at=now,
        confirmed_at=now,
        is_default=not user.authenticators.exists(),
    )
    row.sealed_secret = secret_store.seal_for(user, secret, table="mfa_authenticator", row=str(row.pk), purpose="totp")
    row.save(force_insert=True)
    return row


def a_mailbox(user: User) -> Authenticator:
    """The account's own address, verified and confirmed as an authenticator."""
    now = timezone.now()
    User.objects.filter(pk=user.pk).update(email_verified_at=now)
    return Authenticator.objects.create(
        user=user, kind=Kind.EMAIL, label="E-mail", destination=user.email, created_at=now, confirmed_at=now
    )


@dataclass
class Visitor:
    """Signs in as a person does. Each code comes from a time step of its own: the clock is moved for it."""

    clock: time_machine.Traveller
    username: str = "anna"
    browser: Client = field(default_factory=Client)
    app: SoftAuthenticator = field(default_factory=lambda: SoftAuthenticator(SECRET, "Stepward", "anna"))

    def get(self, path: str) -> HttpResponse:
        return self.browser.get(path)  # type: ignore[return-value]

    def post(self, path: str, **fields: str) -> HttpResponse:
        return self.browser.post(path, fields)  # type: ignore[return-value]

    def give_password(self, password: str = PASSWORD, query: str = "") -> HttpResponse:
        return self.post(f"/account/sign-in{query}", username=self.username, password=password)

    def fresh_code(self) -> str:
        """A code of a step that nobody has spent yet."""
        self.clock.shift(30)
        return self.app.code(timezone.now().timestamp())

    def sign_in(self, query: str = "") -> HttpResponse:
        """Password and code; the answer that leads on."""
        asked = self.give_password(query=query)
        assert asked.status_code == HTTPStatus.FOUND, asked.content
        assert asked["Location"] == "/account/sign-in/code"
        answer = self.post("/account/sign-in/code", code=self.fresh_code())
        assert answer.status_code in (HTTPStatus.FOUND, HTTPStatus.OK), answer.content
        return answer

    @property
    def is_in(self) -> bool:
        """Whether the account page opens."""
        return self.get("/account/").status_code == HTTPStatus.OK
