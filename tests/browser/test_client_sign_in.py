"""A browser sent here by a client: it signs in on the hosted pages and comes back with a code for tokens."""

import base64
import hashlib
import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import scanned
from tests.support.server import Server

pytestmark = pytest.mark.timeout(240)

PASSWORD: Final = "a long and quiet sentence"
CLIENT: Final = "6f0f3c6e-0000-4000-8000-000000000002_SPA"

# It brings its own icon: else Chromium asks for one, and may still wait for it when this server ends.
_BACK: Final = b"""<!doctype html><html lang=en><title>Back</title><link rel=icon href="data:,">
<h1>Back in the application</h1>"""

# What a page of the client's does to send its request by a form.
_SEND: Final = """([address, fields]) => {
  const form = Object.assign(document.createElement("form"), {method: "post", action: address});
  for (const [name, value] of Object.entries(fields))
    form.append(Object.assign(document.createElement("input"), {type: "hidden", name, value}));
  document.body.append(form);
  form.submit();
}"""


@dataclass
class Application:
    """A client's own web server, which takes the answer of the authorization request."""

    port: int = 0
    answers: list[dict[str, str]] = field(default_factory=list)

    @property
    def callback(self) -> str:
        return f"http://127.0.0.1:{self.port}/callback"


@pytest.fixture
def application() -> Iterator[Application]:
    found = Application()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path == "/callback":
                found.answers.append({name: values[0] for name, values in parse_qs(parts.query).items()})
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(_BACK)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  The name is the base class's.
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.port = server.server_port
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield found
    server.shutdown()
    server.server_close()


@pytest.fixture
def server(start_server: Callable[..., Server], application: Application) -> Server:
    provisioned = {
        "clients": [
            {
                "client_id": CLIENT,
                "name": "Web shop",
                "grant_types": ["authorization_code", "refresh_token"],
                "redirect_uris": [application.callback],
            }
        ],
        "users": [{"username": "ben", "password": PASSWORD, "clients": ["*"]}],
    }
    return start_server(provisioned, environment={"REDIS_URL": ""})


def test_a_client_gets_tokens_for_who_signed_in_here(page: Page, server: Server, application: Application) -> None:
    verifier = secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    asked = {
        "response_type": "code",
        "client_id": CLIENT,
        "redirect_uri": application.callback,
        "scope": "openid profile",
        "state": 'a "state" & more',
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    page.goto(f"{server.url}/connect/authorize?{urlencode(asked)}")
    page.get_by_label("User name").fill("ben")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Continue").click()
    app = scanned(page)
    page.get_by_label("Six-digit code").fill(app.code())
    page.get_by_role("button", name="Confirm").click()
    page.get_by_role("button", name="I have kept them").click()
    expect(page.get_by_role("heading", name="Back in the application")).to_be_visible()
    answer = application.answers[0]
    assert answer["state"] == asked["state"]
    assert answer["iss"] == server.url
    form = {
        "grant_type": "authorization_code",
        "client_id": CLIENT,
        "code": answer["code"],
        "redirect_uri": application.callback,
        "code_verifier": verifier,
    }
    given = httpx.post(f"{server.url}/connect/token", data=form, timeout=30)
    assert given.status_code == 200, given.text
    claims = httpx.get(
        f"{server.url}/connect/userinfo",
        headers={"Authorization": f"Bearer {given.json()['access_token']}"},
        timeout=30,
    ).json()
    assert claims["preferred_username"] == "ben"
    page.goto(f"{server.url}/connect/authorize?{urlencode(asked)}")
    expect(page.get_by_role("heading", name="Back in the application")).to_be_visible()
    assert len(application.answers) == 2, "who is signed in is not asked again"
    with page.expect_navigation(url=f"{application.callback}?*"):
        page.evaluate(_SEND, [f"{server.url}/connect/authorize", asked])
    assert len(application.answers) == 3, "nor by a form of another site, with which no cookie of ours is sent"
