"""A web application signs people in through the hosted pages: authorization code with PKCE, OpenID Connect."""

import base64
import hashlib
import json
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import time_machine
from django.test import Client as Browser
from django.utils import timezone

from identity.models import Client, Grant, User
from identity.oauth import jwt
from tests.factories import PASSWORD, enrol_app, make_client, make_user
from tests.support.soft_authenticator import SoftAuthenticator

pytestmark = pytest.mark.django_db

FORM = "application/x-www-form-urlencoded"
CALLBACK = "https://app.example/callback"
VERIFIER = "a-verifier-of-forty-three-characters-or-more-it-is"
START = 1_790_000_010  # The first second of a time step.
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


@dataclass
class Application:
    """A client with a callback, a person with a phone, and the browser between them."""

    client: Client
    user: User
    phone: SoftAuthenticator
    browser: Browser = field(default_factory=Browser)
    steps: int = 0

    def wanted(self, **changes: str) -> dict[str, str]:
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
        return {name: value for name, value in wanted.items() if value}

    def ask(self, **changes: str) -> Any:
        return self.browser.get(f"/connect/authorize?{urlencode(self.wanted(**changes))}")

    def post(self, path: str, fields: dict[str, str]) -> Any:
        return self.browser.post(path, urlencode(fields), content_type=FORM)

    def sign_in(self, where: str) -> Any:
        """Password and code on the pages, beginning where the server sent the browser."""
        assert urlsplit(where).path == "/account/sign-in"
        page = self.browser.post(where, {"username": self.user.username, "password": PASSWORD})
        assert page.status_code == 302, page.content.decode()
        self.steps += 1
        code = self.phone.code(time.time() + 30 * (self.steps - 1))
        arrived = self.browser.post(page["Location"], {"code": code})
        # A page goes on by itself: the policy for forms would stop a redirect that leaves this server.
        return self.browser.get(
            arrived["Refresh"].partition("url=")[2] if "Refresh" in arrived else arrived["Location"]
        )

    def code(self, **changes: str) -> str:
        """A code, after signing in where that is due."""
        answer = self.ask(**changes)
        if urlsplit(answer["Location"]).path == "/account/sign-in":
            answer = self.sign_in(answer["Location"])
        return str(parse_qs(urlsplit(answer["Location"]).query)["code"][0])

    def redeem(self, code: str, **changes: str | None) -> Any:
        wanted = {
            "grant_type": "authorization_code",
            "client_id": self.client.client_id,
            "code": code,
            "redirect_uri": CALLBACK,
            "code_verifier": VERIFIER,
        } | changes
        sent = {name: value for name, value in wanted.items() if value is not None}
        return Browser().post("/connect/token", sent, content_type="application/json")


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
    [
        {"code_verifier": VERIFIER + "x"},
        {"code_verifier": ""},
        {"code_verifier": None},
        {"redirect_uri": CALLBACK + "/other"},
        {"redirect_uri": ""},
        {"redirect_uri": None},
    ],
    ids=["another verifier", "empty verifier", "no verifier", "another address", "empty address", "no address"],
)
def test_a_stolen_code_is_worth_nothing_without_the_verifier_and_the_address(
    application: Application, changes: dict[str, str | None]
) -> None:
    code = application.code()
    assert application.redeem(code, **changes).json() == {"error": "invalid_grant"}
    assert application.redeem(code).status_code == 200


@pytest.mark.parametrize("given", [None, "", CALLBACK], ids=["left out", "empty", "named"])
def test_an_address_that_was_not_named_need_not_be_named_for_the_tokens(
    application: Application, given: str | None
) -> None:
    """RFC 6749, 4.1.3: only what stood in the authorization request has to be repeated."""
    code = application.code(redirect_uri="")
    for wrong in ({"redirect_uri": f"{CALLBACK}/other"}, {"code_verifier": None}, {"code_verifier": ""}):
        assert application.redeem(code, **{"redirect_uri": given, **wrong}).json() == {"error": "invalid_grant"}
    assert application.redeem(code, redirect_uri=given).status_code == 200


LOOPBACK = "http://127.0.0.1/callback http://[::1]:5001/callback?app=7 http://localhost:5002/callback"


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1/callback",
        "http://127.0.0.1:49152/callback",
        "http://[::1]/callback?app=7",
        "http://[::1]:49152/callback?app=7",
        "http://localhost:5002/callback",
    ],
)
def test_an_application_on_the_persons_own_machine_listens_on_any_port(application: Application, address: str) -> None:
    """RFC 8252, 7.3. Tokens are asked for with the very address that the code was asked for with."""
    application.client.redirect_uris = LOOPBACK
    application.client.save()
    answer = application.sign_in(application.ask(redirect_uri=address)["Location"])
    assert answer["Location"].startswith(address)
    code = parse_qs(urlsplit(answer["Location"]).query)["code"][0]
    for registered in (*LOOPBACK.split(), "http://127.0.0.1:49153/callback"):
        if registered != address:
            assert application.redeem(code, redirect_uri=registered).json() == {"error": "invalid_grant"}
    assert application.redeem(code, redirect_uri=address).status_code == 200


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:49152/other",
        "http://127.0.0.1:49152/callback?more=1",
        "http://127.0.0.1:49152/callback/",
        "http://127.0.0.1:49152",
        "https://127.0.0.1:49152/callback",
        "http://127.0.0.2:49152/callback",
        "http://127.0.0.1:49152@evil.example/callback",
        "http://127.0.0.1:@evil.example/callback",
        "http://127.0.0.1:1:2/callback",
        "http://127.0.0.1.evil.example/callback",
        "http://127.0.0.1:123456/callback",
        "http://[::1]:49152/callback",
        "http://[::2]:49152/callback?app=7",
        "http://localhost:49152/callback",
        "http://evil.example:49152/callback",
    ],
)
def test_but_for_the_port_on_loopback_an_address_is_the_registered_one(application: Application, address: str) -> None:
    application.client.redirect_uris = LOOPBACK
    application.client.save()
    answer = application.ask(redirect_uri=address)
    assert answer.status_code == 400
    assert "Location" not in answer


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


def test_a_request_too_long_to_come_back_to_is_told_to_the_client(application: Application) -> None:
    """The sign-in page would forget the way back, and the person would end where no client waits."""
    answer = application.ask(state="s" * 2000)
    assert answer["Location"].startswith(f"{CALLBACK}?")
    assert parse_qs(urlsplit(answer["Location"]).query)["error"] == ["invalid_request"]
    application.code()
    answer = application.ask(state="s" * 2000)
    assert parse_qs(urlsplit(answer["Location"]).query)["code"]  # Whoever is signed in need not come back.


@pytest.mark.parametrize("is_signed_in", [False, True], ids=["signed out", "signed in"])
def test_a_posted_authorization_request_goes_on_as_the_same_one_by_get(
    application: Application, is_signed_in: bool
) -> None:
    """OpenID Connect Core, 3.1.2.1. Another site's form brings no token of ours, and changes nothing by itself."""
    if is_signed_in:
        application.code()
    application.browser.handler.enforce_csrf_checks = True
    before = dict(application.browser.session)
    answer = application.post("/connect/authorize", application.wanted(state='a "state" & more', prompt=""))
    assert answer.status_code == 303
    assert Grant.objects.count() == is_signed_in
    assert dict(application.browser.session) == before
    address, _, query = answer["Location"].partition("?")
    assert (address, parse_qs(query)) == (
        "/connect/authorize",
        {name: [value] for name, value in application.wanted(state='a "state" & more').items()},
    )
    application.browser.handler.enforce_csrf_checks = False
    arrived = application.browser.get(answer["Location"])
    if not is_signed_in:
        arrived = application.sign_in(arrived["Location"])
    assert parse_qs(urlsplit(arrived["Location"]).query)["state"] == ['a "state" & more']
    code = parse_qs(urlsplit(arrived["Location"]).query)["code"][0]
    assert application.redeem(code).status_code == 200


@pytest.mark.parametrize("path", ["/connect/authorize", "/connect/endsession"])
@pytest.mark.parametrize(
    ("sent", "kind", "status"),
    [
        ("state=a&state=b", FORM, 400),
        ("state=a%00", FORM, 400),
        ("state=%FF", FORM, 400),
        ("state=a", "text/plain", 415),
        ("state=" + "a" * 70_000, FORM, 413),
        (r'{"\ud800": "x"}', "application/json", 400),
    ],
    ids=["twice", "nul", "no text", "no form", "too long", "half a pair"],
)
def test_a_posted_request_that_cannot_be_read_goes_nowhere(
    application: Application, path: str, sent: str, kind: str, status: int
) -> None:
    answer = application.browser.post(path, sent, content_type=kind)
    assert answer.status_code == status
    assert "Location" not in answer


@pytest.mark.parametrize("name", ["client_id", "redirect_uri", "state", "nonce", "prompt", "max_age", "code_challenge"])
def test_a_parameter_of_an_authorization_request_is_given_once(application: Application, name: str) -> None:
    """RFC 6749, 3.1."""
    application.code()
    query = urlencode([*application.wanted(prompt="none", max_age="300").items(), (name, "another")])
    answer = application.browser.get(f"/connect/authorize?{query}")
    if answer.status_code == 302:
        assert parse_qs(urlsplit(answer["Location"]).query)["error"] == ["invalid_request"]
    else:
        assert answer.status_code == 400


@pytest.mark.parametrize("name", ["request", "request_uri", "registration"])
def test_a_request_that_is_put_another_way_is_not_taken_for_the_plain_one(application: Application, name: str) -> None:
    """OpenID Connect Core, 3.1.2.6, 6.1 and 6.2."""
    application.code()
    answer = application.ask(**{name: "https://app.example/request.jwt"})
    assert answer["Location"].startswith(f"{CALLBACK}?")
    assert parse_qs(urlsplit(answer["Location"]).query)["error"] == [f"{name}_not_supported"]


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


@pytest.mark.parametrize("again", [{"prompt": "login"}, {"max_age": "0"}])
def test_a_sign_in_that_a_request_asked_for_serves_that_request(
    application: Application, again: dict[str, str]
) -> None:
    with time_machine.travel(START, tick=False) as clock:
        application.code()
        clock.shift(1)
        answer = application.ask(**again)
        assert urlsplit(answer["Location"]).path == "/account/sign-in"
        assert application.sign_in(answer["Location"])["Location"].startswith(f"{CALLBACK}?code=")
        clock.shift(1)
        assert urlsplit(application.ask(**again)["Location"]).path == "/account/sign-in", "said once"


@pytest.mark.parametrize("again", [{"prompt": "login"}, {"max_age": "0"}])
@pytest.mark.parametrize("whose", ["another client's", "another one of the client's own"])
def test_a_sign_in_that_one_request_asked_for_serves_no_other(
    application: Application, whose: str, again: dict[str, str]
) -> None:
    """ATTACKS A36: the first request was left alone, and the sign-in that came after it was for something else."""
    other = make_client(grant_types=["authorization_code"], redirect_uris=CALLBACK)
    application.ask(state="the first", **again)
    application.sign_in("/account/sign-in")
    asks = {"client_id": other.client_id} if whose == "another client's" else {}
    assert urlsplit(application.ask(state="the second", **asks, **again)["Location"]).path == "/account/sign-in"
    assert Grant.objects.count() == 0


def test_a_sign_in_of_long_ago_does_not_count_as_the_one_that_was_asked_for(application: Application) -> None:
    with time_machine.travel(START, tick=False) as clock:
        application.ask(prompt="login")
        application.sign_in("/account/sign-in")
        clock.shift(601)
        assert urlsplit(application.ask(prompt="login")["Location"]).path == "/account/sign-in"
        assert application.ask()["Location"].startswith(CALLBACK)


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


def test_a_form_of_the_clients_signs_out_as_a_link_does(application: Application) -> None:
    """RP-Initiated Logout, 2."""
    tokens = application.redeem(application.code()).json()
    sent = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": CALLBACK, "state": "bye"}
    application.browser.handler.enforce_csrf_checks = True
    answer = application.post("/connect/endsession", sent)
    assert (answer.status_code, urlsplit(answer["Location"]).path) == (303, "/connect/endsession")
    assert application.ask()["Location"].startswith(CALLBACK), "the form alone has ended nothing"
    assert application.browser.get(answer["Location"])["Location"] == f"{CALLBACK}?state=bye"
    assert urlsplit(application.ask()["Location"]).path == "/account/sign-in"


def test_a_mere_link_signs_nobody_out(application: Application) -> None:
    application.code()
    away = application.browser.get("/connect/endsession", {"post_logout_redirect_uri": "https://evil.example/"})
    assert away["Location"] == "/account/sign-out"
    assert application.ask()["Location"].startswith(CALLBACK)
