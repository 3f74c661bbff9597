"""Introspection and revocation: what cannot be read is no wrong secret. And what discovery says."""

import base64
import json
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client as Browser

from tests.factories import make_client, make_user, sign_in_client
from tests.support.visual_guard import Answer, VisualGuardClient

pytestmark = pytest.mark.django_db
SECRET = "a secret of twenty chars"
FORM, JSON = "application/x-www-form-urlencoded", "application/json"
PATHS = ["/connect/introspect", "/connect/revocation"]


@pytest.fixture
def client() -> VisualGuardClient:
    asking = make_client(secret=SECRET, mfa={"mode": "off"})
    return sign_in_client(make_user(), asking, secret=SECRET)


def basic(client: VisualGuardClient, secret: str = SECRET) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{client.client_id}:{secret}".encode()).decode()}


def refusal(answer: Answer) -> tuple[int, Any]:
    assert answer.headers["content-type"] == JSON
    return answer.http_status, answer.document["error"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        (FORM, b"token=a&token=b", 400),
        (FORM, b"token=a&Token=b", 400),
        (FORM, b"token=a%00b", 400),
        (FORM, b"token=%FF", 400),
        (FORM, b"token=" + b"x" * 8193, 400),
        (JSON, b'{"token": ', 400),
        (JSON, b'{"token": 7}', 400),
        ("text/plain", b"token=a", 415),
    ],
)
def test_what_cannot_be_read_is_an_invalid_request_and_no_wrong_secret(
    client: VisualGuardClient, path: str, kind: str, body: bytes, status: int
) -> None:
    answer = client.send("POST", path, content=body, headers={"content-type": kind, **basic(client)})
    assert refusal(answer) == (status, "invalid_request")
    assert "www-authenticate" not in answer.headers


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("sent", [{}, {"token": ""}, {"token_type_hint": "access_token"}])
def test_a_token_must_be_named(client: VisualGuardClient, path: str, sent: dict[str, str]) -> None:
    answer = client.send("POST", path, data=sent, headers=basic(client))
    assert refusal(answer) == (400, "invalid_request")


@pytest.mark.parametrize("path", PATHS)
def test_who_shows_a_secret_in_two_ways_is_told_so(client: VisualGuardClient, path: str) -> None:
    sent = {"token": "a", "client_id": client.client_id, "client_secret": SECRET}
    assert refusal(client.send("POST", path, data=sent, headers=basic(client))) == (400, "invalid_request")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("sent", [{}, {"token": "a"}])
def test_a_wrong_secret_is_refused_first(client: VisualGuardClient, path: str, sent: dict[str, str]) -> None:
    answer = client.send("POST", path, data=sent, headers=basic(client, "another one of twenty chars"))
    assert refusal(answer) == (401, "invalid_client")
    assert answer.headers["www-authenticate"].startswith("Basic")


def test_a_public_client_may_revoke_and_not_introspect() -> None:
    public = sign_in_client(make_user())
    sent = {"client_id": public.client_id, "token": "a"}
    assert refusal(public.send("POST", "/connect/introspect", data=sent)) == (401, "invalid_client")
    assert public.send("POST", "/connect/revocation", data=sent).http_status == 200


def test_a_good_token_is_told_of_and_revoked(client: VisualGuardClient) -> None:
    token = client.password_step(scope="openid").document["access_token"]
    sent = urlencode({"token": token}).encode()

    def call(path: str) -> Any:
        return client.send("POST", path, content=sent, headers={"content-type": FORM, **basic(client)}).document

    assert call("/connect/introspect")["active"] is True
    assert call("/connect/revocation") == {}
    assert call("/connect/introspect") == {"active": False}


def test_discovery_denies_what_would_be_taken_for_granted() -> None:
    """OpenID Connect Discovery, 3: left out, `request_uri_parameter_supported` is true; the others are false."""
    document = json.loads(Browser().get("/.well-known/openid-configuration").content)
    assert document["request_uri_parameter_supported"] is False
    for name in ("request_parameter_supported", "claims_parameter_supported"):
        assert document.get(name, False) is False
