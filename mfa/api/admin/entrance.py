"""Who may come in: a person with a role in the panel, whose token says `admin` and tells of a second factor."""

from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse

from identity.api.addresses import client_address
from identity.api.oauth_views import bearer_token
from identity.api.problems import problem
from identity.conf import browser_session_lifetime
from identity.flows import tokens
from identity.flows.administration import Editor
from identity.flows.tokens import Bearer
from identity.models import Client, User
from identity.oauth.scopes import allowed_for
from identity.web.freshness import FRESH_SECONDS, SECOND_FACTOR
from identity.web.rights import Right, may
from mfa.outcomes import Origin

SCOPE = "admin"
_NO_ROLE = "The account has no role that allows this."


class Refused(Exception):
    """The call ends here; carries its answer."""

    def __init__(self, response: HttpResponse) -> None:
        super().__init__()
        self.response = response


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks, from where, and how long ago the second factor was passed."""

    actor: User
    origin: Origin
    age: int

    @property
    def editor(self) -> Editor:
        return Editor(self.actor, self.origin.address, "api")

    def require(self, right: Right, target: User | None = None) -> None:
        """Refuse who does not hold the right on this very person, then whose second factor is not fresh."""
        if not may(self.actor, right, target):
            raise Refused(problem(403, _NO_ROLE))
        if self.age > FRESH_SECONDS:
            raise Refused(step_up("A second factor within the last ten minutes is needed.", FRESH_SECONDS))


def enter(request: HttpRequest, now: datetime) -> Asking:
    """Whoever asks, or Refused: 401 without a good token (RFC 6750, 3), 403 where the token is good and not enough.

    As in the panel nothing comes from what the token's first sign-in was allowed to: account, role, session and
    client are read anew.
    """
    token = bearer_token(request)
    bearer = tokens.bearer(token, now) if token else None
    if bearer is None:
        raise Refused(_unauthorized('Bearer error="invalid_token"' if token else "Bearer"))
    if bearer.user is None:
        raise Refused(_insufficient_scope("A client's own token is not enough: a person has to sign in."))
    if SCOPE not in bearer.scopes or not _client_lists_the_scope(bearer):
        raise Refused(_insufficient_scope("The token lacks the scope admin, or its client does."))
    lifetime = int(browser_session_lifetime().total_seconds())
    age = int(now.timestamp()) - int(bearer.claims["auth_time"])
    if bearer.claims["acr"] != SECOND_FACTOR or "mfa" not in bearer.claims["amr"] or not 0 <= age <= lifetime:
        raise Refused(step_up("A second factor within the lifetime of a session is needed.", lifetime))
    if not may(bearer.user, Right.READ):
        raise Refused(problem(403, _NO_ROLE))
    agent = request.headers.get("User-Agent", "")[:200]
    return Asking(bearer.user, Origin(client_address(request), agent), age)


def step_up(sentence: str, max_age: int) -> HttpResponse:
    """403, with what to ask the authorization server for (RFC 9470)."""
    response = problem(HTTPStatus.FORBIDDEN, sentence)
    response["WWW-Authenticate"] = (
        f'Bearer error="insufficient_user_authentication", acr_values="{SECOND_FACTOR}", max_age="{max_age}"'
    )
    return response


def _client_lists_the_scope(bearer: Bearer) -> bool:
    client = Client.objects.filter(client_id=bearer.claims["client_id"]).first()
    return client is not None and SCOPE in allowed_for(client)


def _unauthorized(challenge: str) -> HttpResponse:
    response = problem(HTTPStatus.UNAUTHORIZED, "A person's access token with the scope admin is needed.")
    response["WWW-Authenticate"] = challenge
    return response


def _insufficient_scope(sentence: str) -> HttpResponse:
    response = problem(HTTPStatus.FORBIDDEN, sentence)
    response["WWW-Authenticate"] = f'Bearer error="insufficient_scope", scope="{SCOPE}"'
    return response
