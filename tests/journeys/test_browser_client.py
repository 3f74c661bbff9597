"""A web application signs people in through the hosted pages: authorization code with PKCE, OpenID Connect."""

import base64
import hashlib
import json
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.test import Client as Browser
from django.utils import timezone

from identity.models import Client, Grant, User
from identity.oauth import jwt
from tests.factories import PASSWORD, enrol_app, make_client, make_user
from tests.support.soft_authenticator import SoftAuthenticator

pytestmark = pytest.mark.django_db

CALLBACK = "https://app.example/callback"
VERIFIER = "a-verifier-of-forty-three-characters-or-more-it-is"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


@dataclass
class Application:
    """A client with a callback, a person with a phone, and the browser between them."""

    client: Client
    user: User
    phone: SoftAuthenticator
    browser: Browser = field(default_factory=Browser)
    steps: int = 0

    def ask(self, **changes: str) -> Any:
        wanted = {
            "response_type": "code",
            "client_id": self.client.client_id,
            "redirect_uri": CALLBACK,
            "scope": "openid profile offline_access",
            "state": "s-1",
            "nonce": "n-1",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        } | changes
        return self.browser.get(f"/connect/authorize?{urlencode({k: v for k, v in wanted.items() if v})}")

    def sign_in(self, where: str) -> Any:
        """Password and code on the pages, beginning where the server sent the browser."""
        assert urlsplit(where).path == "/account/sign-in"
        page = self.browser.post(where, {"username": self.user.username, "password": PASSWORD})
        assert page.status_code == 302, page.content.decode()
        self.steps += 1
        code = self.phone.code(time.time() + 30 * (self.steps - 1))
        arrived = self.browser.post(page["Location"], {"code": code})
        # A page goes on by itself: the policy for forms would stop a redirect that leaves this server.
        return self.browser.get(arrived["Refresh"].partition("url=")[2])

    def code(self, **changes: str) -> str:
        """A code, after signing in where that is due."""
        answer = self.ask(**changes)
        if urlsplit(answer["Location"]).path == "/account/sign-in":
            answer = self.sign_in(answer["Location"])
        return str(parse_qs(urlsplit(answer["Location"]).query)["code"][0])

    def redeem(self, code: str, **changes: str) -> Any:
        wanted = {
            "grant_type": "authorization_code",
            "client_id": self.client.client_id,
            "code": code,
            "redirect_uri": CALLBACK,
            "code_verifier": VERIFIER,
        } | changes
        return Browser().post("/connect/token", wanted, content_type="application/json")


@pytest.fixture
def application() -> Application:
    client = make_client(
        grant_types=["authorization_code", "refresh_token"], redirect_uris=CALLBACK, mfa={"mode": "required"}
    )
    user = make_user()
    return Application(client, user, enrol_app(user))


def test_a_person_signs_in_on_our_pages_and_the_client_learns_who_and_how(application: Application) -> None:
    answer = application.ask()
    answer = application.sign_in(answer["Location"])
    back = urlsplit(answer["Location"])
    assert f"{back.scheme}://{back.netloc}{back.path}" == CALLBACK
    facts = parse_qs(back.query)
    assert facts["state"] == ["s-1"]
    assert facts["iss"] == ["http://localhost:5000"]
    tokens = application.redeem(facts["code"][0]).json()
    about = jwt.read(tokens["id_token"], typ="JWT", now=timezone.now())
    assert about is not None
    assert (about["aud"], about["nonce"], about["acr"]) == (application.client.client_id, "n-1", "2")
    assert about["amr"] == ["pwd", "otp", "mfa"]
    assert about["sub"] == str(application.user.subject)
    me = Browser().get("/connect/userinfo", headers={"Authorization": f"Bearer {tokens['access_token']}"})
    assert me.json()["preferred_username"] == application.user.username


def test_who_is_signed_in_already_is_sent_straight_back(application: Application) -> None:
    application.code()
    assert application.ask(state="s-2")["Location"].startswith(CALLBACK)


def test_a_code_is_redeemed_once_and_a_second_use_ends_what_the_first_one_gave(application: Application) -> None:
    code = application.code()
    tokens = application.redeem(code).json()
    assert application.redeem(code).json() == {"error": "invalid_grant"}
    refreshed = Browser().post(
        "/connect/token",
        {
            "grant_type": "refresh_token",
            "client_id": application.client.client_id,
            "refresh_token": tokens["refresh_token"],
        },
        content_type="application/json",
    )
    assert refreshed.json() == {"error": "invalid_grant"}


def test_a_code_in_another_clients_hands_is_refused_and_spent(application: Application) -> None:
    code = application.code()
    other = make_client(grant_types=["authorization_code"], redirect_uris=CALLBACK)
    assert application.redeem(code, client_id=other.client_id).json() == {"error": "invalid_grant"}
    assert application.redeem(code).json() == {"error": "invalid_grant"}


@pytest.mark.parametrize(
    "changes",
    [{"code_verifier": VERIFIER + "x"}, {"code_verifier": ""}, {"redirect_uri": CALLBACK + "/other"}],
    ids=["another verifier", "no verifier", "another address"],
)
def test_a_stolen_code_is_worth_nothing_without_the_verifier_and_the_address(
    application: Application, changes: dict[str, str]
) -> None:
    code = application.code()
    assert application.redeem(code, **changes).json() == {"error": "invalid_grant"}
    assert application.redeem(code).status_code == 200


@pytest.mark.parametrize(
    "changes",
    [{"redirect_uri": "https://evil.example/"}, {"redirect_uri": ""}, {"client_id": "nobody"}],
    ids=["foreign address", "no address", "unknown client"],
)
def test_a_browser_is_never_sent_where_nobody_registered(application: Application, changes: dict[str, str]) -> None:
    if changes == {"redirect_uri": ""}:
        application.client.redirect_uris = f"{CALLBACK} {CALLBACK}/2"
        application.client.save()
    answer = application.ask(**changes)
    assert answer.status_code == 400
    assert "Location" not in answer


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge_method": "plain", "code_challenge": VERIFIER}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "openid everything"}, "invalid_scope"),
        ({"prompt": "none"}, "login_required"),
    ],
)
def test_the_client_is_told_what_is_wrong_with_its_request(
    application: Application, changes: dict[str, str], error: str
) -> None:
    answer = application.ask(**changes)
    assert parse_qs(urlsplit(answer["Location"]).query)["error"] == [error]
    assert answer["Location"].startswith(CALLBACK)


@pytest.mark.parametrize("is_signed_in", [False, True], ids=["signed out", "signed in"])
@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
def test_a_client_or_an_address_with_a_nul_is_unknown(application: Application, name: str, is_signed_in: bool) -> None:
    if is_signed_in:
        application.code()
    wanted = {"client_id": application.client.client_id, "redirect_uri": CALLBACK}[name]
    for value in (f"{wanted}\x00", f"\x00{wanted}", "\x00"):
        answer = application.ask(**{name: value})
        assert answer.status_code == 400
        assert "Location" not in answer


@pytest.mark.parametrize("is_signed_in", [False, True], ids=["signed out", "signed in"])
@pytest.mark.parametrize(
    ("name", "error"),
    [
        *((name, "invalid_request") for name in ("state", "nonce", "code_challenge", "code_challenge_method")),
        *((name, "invalid_request") for name in ("prompt", "acr_values", "login_hint", "of nobody's")),
        ("scope", "invalid_scope"),
        ("response_type", "unauthorized_client"),
    ],
)
def test_a_nul_in_what_else_is_asked_is_told_to_the_client(
    application: Application, name: str, error: str, is_signed_in: bool
) -> None:
    if is_signed_in:
        application.code()
    own = {"response_type": "code", "scope": "openid", "code_challenge": CHALLENGE, "code_challenge_method": "S256"}
    for value in (f"{own.get(name, '')}\x00", f"\x00{own.get(name, '')}", f"a\x00b{own.get(name, '')}"):
        answer = application.ask(**{name: value})
        assert answer.status_code == 302
        assert answer["Location"].startswith(f"{CALLBACK}?")
        told = parse_qs(urlsplit(answer["Location"]).query)
        assert told["error"] == [error]
        assert "code" not in told
    assert Grant.objects.count() == is_signed_in  # The one of the sign-in before.


def test_a_maximal_age_that_is_no_number_goes_nowhere(application: Application) -> None:
    for value in ("\x00", "1\x00", "x", "9" * 5000):
        answer = application.ask(max_age=value)
        assert answer.status_code == 400
        assert "Location" not in answer


@pytest.mark.parametrize("challenge", ["x" * 42, "x" * 44, "x" * 200, f"{CHALLENGE}=", "é" * 43])
def test_a_challenge_that_is_no_digest_is_refused_before_anybody_signs_in(
    application: Application, challenge: str
) -> None:
    answer = application.ask(code_challenge=challenge)
    assert parse_qs(urlsplit(answer["Location"]).query)["error"] == ["invalid_request"]
    assert answer["Location"].startswith(f"{CALLBACK}?")


def test_an_authorization_request_is_not_posted(application: Application) -> None:
    for name in ("client_id", "redirect_uri", "state", "nonce", "code_challenge"):
        assert application.browser.post("/connect/authorize", {name: "\x00"}).status_code == 405


def test_an_account_without_a_role_in_the_client_gets_no_code(application: Application) -> None:
    application.code()
    User.objects.filter(pk=application.user.pk).update(all_clients=False)
    answer = application.ask()
    assert parse_qs(urlsplit(answer["Location"]).query)["error"] == ["access_denied"]


def test_an_account_that_was_disabled_between_code_and_token_gets_no_token(application: Application) -> None:
    code = application.code()
    User.objects.filter(pk=application.user.pk).update(is_active=False)
    assert application.redeem(code).json() == {"error": "invalid_grant"}


def test_max_age_asks_for_both_factors_again(application: Application) -> None:
    application.code()
    assert urlsplit(application.ask(max_age="0")["Location"]).path == "/account/sign-in"


def test_discovery_names_what_is_served(application: Application) -> None:
    document = json.loads(Browser().get("/.well-known/openid-configuration").content)
    for name in ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri", "end_session_endpoint"):
        path = urlsplit(document[name]).path
        assert Browser().get(path).status_code != 404, name


def test_signing_out_at_the_client_ends_its_session_and_the_browsers(application: Application) -> None:
    tokens = application.redeem(application.code()).json()
    away = application.browser.get(
        "/connect/endsession",
        {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": CALLBACK, "state": "bye"},
    )
    assert away["Location"] == f"{CALLBACK}?state=bye"
    assert urlsplit(application.ask()["Location"]).path == "/account/sign-in"
    me = Browser().get("/connect/userinfo", headers={"Authorization": f"Bearer {tokens['access_token']}"})
    assert me.status_code == 401


def test_a_mere_link_signs_nobody_out(application: Application) -> None:
    application.code()
    away = application.browser.get("/connect/endsession", {"post_logout_redirect_uri": "https://evil.example/"})
    assert away["Location"] == "/account/sign-out"
    assert application.ask()["Location"].startswith(CALLBACK)
