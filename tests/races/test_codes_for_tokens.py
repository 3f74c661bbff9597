"""One authorization code brought by several callers in the same instant."""

import base64
import hashlib
import threading
from urllib.parse import parse_qs, urlsplit

import pytest
from django.utils import timezone

from identity.flows import tokens
from identity.flows.tokens import OAuthAnswer
from identity.models import Client, Grant, Session
from identity.oauth import authorization as codes
from identity.oauth.authorization import Asked
from mfa.flows import authorization
from tests.factories import make_client, make_user
from tests.races.test_challenges_at_once import at_once
from tests.support.ceremony import ORIGIN

pytestmark = pytest.mark.django_db(transaction=True)
CALLERS = 4
CALLBACK = "https://app.example/callback"
VERIFIER = "a-verifier-of-forty-three-characters-or-more-it-is"


@pytest.fixture
def client() -> Client:
    return make_client(grant_types=["authorization_code", "refresh_token"])


@pytest.fixture
def given(client: Client) -> dict[str, str]:
    """What brings tokens for a code of the client's: the parameters of the call."""
    now = timezone.now()
    session = Session.objects.create(user=make_user(), auth_time=now, amr="pwd otp mfa", acr="2", last_used_at=now)
    asked = Asked(
        client=client,
        redirect_uri=CALLBACK,
        names_redirect_uri=True,
        scopes=("openid", "offline_access"),
        state="",
        nonce="",
        code_challenge=base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode(),
        prompts=frozenset(),
        max_age=None,
        acr_values=frozenset(),
    )
    location = codes.grant_code(asked, session, now)
    code = parse_qs(urlsplit(location).query)["code"][0]
    return {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}


def bring(client: Client, given: dict[str, str]) -> OAuthAnswer:
    return authorization.exchange(client, given, ORIGIN, timezone.now())


def is_over(answer: OAuthAnswer, client: Client) -> bool:
    """Whether access and refresh token are worth nothing any more."""
    now = timezone.now()
    bearer = tokens.bearer(answer.document["access_token"], now)
    return bearer is None and tokens.refresh_is_live(answer.document["refresh_token"], client, now) is None


def test_a_code_brought_several_times_at_once_gives_nothing_that_lasts(
    client: Client, given: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 6749, 4.1.2: the server cannot tell the thief from the owner, so what the winner got is over as well."""
    together, find = threading.Barrier(CALLERS), codes.find_grant

    def find_it_unspent(code: str) -> Grant | None:
        found = find(code)
        together.wait(timeout=30)  # Nobody goes on before everybody has read the row.
        return found

    monkeypatch.setattr(codes, "find_grant", find_it_unspent)
    answers = at_once(CALLERS, lambda _number: bring(client, given))
    winners = [answer for answer in answers if answer.status == 200]
    assert len(winners) == 1
    assert all(answer.document == {"error": "invalid_grant"} for answer in answers if answer not in winners)
    assert is_over(winners[0], client)


def test_another_client_that_comes_while_the_code_is_being_used_ends_what_it_gives(
    client: Client, given: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    read_before = codes.find_grant(given["code"])
    won = bring(client, given)
    assert won.status == 200
    monkeypatch.setattr(codes, "find_grant", lambda _code: read_before)
    refused = bring(make_client(grant_types=["authorization_code"]), given)
    assert (refused.status, refused.document) == (400, {"error": "invalid_grant"})
    assert is_over(won, client)
