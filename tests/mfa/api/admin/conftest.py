"""People of every role, and programs that come with a token of a sign-in just now, long ago, or of none at all."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client as Http
from django.utils import timezone

from identity.models import Client, Session, User
from identity.models.user import AdminRole
from identity.oauth import claims
from tests.factories import make_client
from tests.mfa.admin.conftest import MakeUser, make_user


@dataclass
class Program:
    """What calls the API with one token; `answer` holds what was said last."""

    token: str

    def call(self, method: str, path: str, given: Any = None, **query: Any) -> tuple[int, Any]:
        """Status and document of `/api/admin/{path}`."""
        sent = {"data": query} if method == "get" else {"data": json.dumps(given), "content_type": "application/json"}
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        sent = {} if given is None and method != "get" else sent
        self.answer = getattr(Http(), method)(f"/api/admin/{path}", **sent, headers=headers)
        body = self.answer.content
        return self.answer.status_code, json.loads(body) if body else None

    def get(self, path: str = "", **query: Any) -> Any:
        status, document = self.call("get", path, **query)
        assert status == 200, document
        return document

    def post(self, path: str, given: Any = None) -> tuple[int, Any]:
        return self.call("post", path, given)

    def patch(self, path: str, given: Any = None) -> tuple[int, Any]:
        return self.call("patch", path, given)

    def delete(self, path: str) -> int:
        return self.call("delete", path)[0]

    def every(self, path: str, **query: Any) -> list[Any]:
        """All rows of a list, page after page."""
        found, cursor = [], ""
        while True:
            document = self.get(path, **query, **({"cursor": cursor} if cursor else {}))
            found += document["results"]
            cursor = document["next_cursor"]
            if cursor is None:
                return found


SignIn = Callable[..., Program]
__all__ = ["MakeUser", "Program", "SignIn", "make_user"]  # The panel's fixture serves here too.


@pytest.fixture
def console(db: None) -> Client:
    """The application that administrators use; it lists the scope."""
    return make_client(client_id="console", scopes=["openid", "admin", "VGToken"])


@pytest.fixture
def sign_in(console: Client) -> SignIn:
    """`sign_in(user)`: a program with the token of a sign-in with password and second factor."""

    def signed_in(
        user: User,
        *,
        minutes_ago: float = 0,
        amr: str = "pwd otp mfa",
        acr: str = "2",
        scopes: str = "openid admin",
        client: Client = console,
    ) -> Program:
        now = timezone.now()
        when = now - timedelta(minutes=minutes_ago)
        session = Session.objects.create(user=user, client=client, auth_time=when, amr=amr, acr=acr, last_used_at=now)
        token, _ = claims.access_token(client=client, scopes=scopes.split(), session=session, user=user, now=now)
        return Program(token)

    return signed_in


@pytest.fixture
def owner(make_user: MakeUser, sign_in: SignIn) -> Program:
    """An owner's program."""
    return sign_in(make_user("owner", AdminRole.OWNER))
