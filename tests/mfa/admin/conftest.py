"""People of every role, and browsers that passed the second factor just now, long ago, or not at all."""

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client as Browser
from django.utils import timezone

from identity.models import Session, User
from identity.models.user import AdminRole
from mfa.models.authenticator import Authenticator, Kind

MakeUser = Callable[..., User]
SignIn = Callable[..., Browser]


@pytest.fixture
def make_user(db: None) -> MakeUser:
    """`make_user("anna", AdminRole.HELPDESK)`: an open account, without a password."""

    def make(username: str, role: AdminRole = AdminRole.NONE, **columns: Any) -> User:
        return User.objects.create(username=username, admin_role=role, **columns)

    return make


@pytest.fixture
def sign_in() -> SignIn:
    """`sign_in(user)`: a browser after password and second factor, as the hosted sign-in leaves it."""

    def signed_in(user: User, *, acr: str = "2", minutes_ago: int = 0, enforce_csrf_checks: bool = False) -> Browser:
        browser, when = (
            Browser(enforce_csrf_checks=enforce_csrf_checks),
            timezone.now() - timedelta(minutes=minutes_ago),
        )
        browser.force_login(user)
        amr = "pwd otp mfa" if acr == "2" else "pwd"
        opened = Session.objects.create(user=user, auth_time=when, amr=amr, acr=acr, last_used_at=when)
        kept = browser.session
        kept.update({"amr": amr.split(), "acr": acr, "auth_time": int(when.timestamp()), "sid": str(opened.pk)})
        kept.save()
        return browser

    return signed_in


@pytest.fixture
def enrol() -> Callable[..., Authenticator]:
    """`enrol(user)`: an authenticator app, with a secret that must be seen nowhere."""

    def enrolled(user: User, label: str = "Phone") -> Authenticator:
        now: datetime = timezone.now()
        return Authenticator.objects.create(
            user=user,
            kind=Kind.APP,
            label=label,
            sealed_secret=secrets.token_bytes(40),
            created_at=now,
            confirmed_at=now,
        )

    return enrolled
