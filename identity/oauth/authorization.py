"""The authorization code grant with PKCE (RFC 6749, 4.1; RFC 7636; RFC 9700, 2.1.1), checked by oauthlib.

oauthlib reads and checks the two requests; what is kept, and what a right code gives, is decided by the flows.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from urllib.parse import urlencode

from oauthlib.common import Request, generate_token
from oauthlib.oauth2 import FatalClientError, OAuth2Error
from oauthlib.oauth2.rfc6749.grant_types import AuthorizationCodeGrant

from identity import conf
from identity.models import Client, Grant, Session
from identity.oauth.server import validator
from identity.oauth.validator import checksum

_CODE_CHARACTERS = 43  # 256 bits of 62 letters and digits.
_CODE_LIFETIME = timedelta(seconds=60)
_NOT_SUPPORTED = ("request", "request_uri", "registration")  # OpenID Connect Core, 6.1, 6.2 and 7.2.1.
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")  # RFC 7636, 4.2: the SHA-256 of a verifier, in base64url.


@dataclass(frozen=True, slots=True)
class Asked:
    """An authorization request that may be granted, once somebody has signed in."""

    client: Client
    redirect_uri: str
    names_redirect_uri: bool
    scopes: tuple[str, ...]
    state: str
    nonce: str
    code_challenge: str
    prompts: frozenset[str]
    max_age: int | None
    acr_values: frozenset[str]


@dataclass(frozen=True, slots=True)
class Refused:
    """A request that is refused. `location` sends the browser back to the client; "" when it may not be trusted."""

    error: str
    location: str = ""


def check(query: str) -> Asked | Refused:
    """Read an authorization request from its query string."""
    try:
        request = Request(f"/connect/authorize?{query}")
    except ValueError:
        return Refused("invalid_request")
    try:
        _grant().validate_authorization_request(request)
        max_age = int(request.max_age) if request.max_age else None
        # No parameter may hold a NUL (RFC 6749, appendix A), and PostgreSQL keeps none: a client or an address with
        # one is unknown already, and goes nowhere.
        is_well_formed = "%00" not in query and _CHALLENGE.fullmatch(request.code_challenge)
        if request.code_challenge_method != "S256" or not is_well_formed or request.duplicate_params:
            return back(request.redirect_uri, request.state, "invalid_request")
        given = dict(request.uri_query_params)
        for name in _NOT_SUPPORTED:
            if given.get(name):
                return back(request.redirect_uri, request.state, f"{name}_not_supported")
    except FatalClientError as refusal:
        return Refused(refusal.error or "invalid_request")
    except OAuth2Error as refusal:
        return back(request.redirect_uri, request.state, refusal.error or "invalid_request")
    except ValueError:
        return Refused("invalid_request")
    return Asked(
        client=request.client,
        redirect_uri=request.redirect_uri,
        names_redirect_uri=not request.using_default_redirect_uri,
        scopes=tuple(request.scopes),
        state=request.state or "",
        nonce=(request.nonce or "")[:255],
        code_challenge=request.code_challenge,
        prompts=frozenset((request.prompt or "").split()),
        max_age=max_age,
        acr_values=frozenset((request.acr_values or "").split()),
    )


def back(redirect_uri: str, state: str | None, error: str) -> Refused:
    """An error that the client may be told (RFC 6749, 4.1.2.1), with the issuer beside it (RFC 9207)."""
    facts = {"error": error, "iss": conf.public_url()} | ({"state": state} if state else {})
    return Refused(error, _with(redirect_uri, facts))


def grant_code(asked: Asked, session: Session, now: datetime) -> str:
    """Keep a code for the browser session, and the address that brings it to the client."""
    code = generate_token(_CODE_CHARACTERS)
    Grant.objects.create(
        user=session.user,
        application=asked.client,
        code=checksum(code),
        expires=now + _CODE_LIFETIME,
        redirect_uri=asked.redirect_uri if asked.names_redirect_uri else "",
        scope=" ".join(asked.scopes),
        code_challenge=asked.code_challenge,
        code_challenge_method="S256",
        nonce=asked.nonce,
        session=session,
    )
    facts = {"code": code, "iss": conf.public_url()} | ({"state": asked.state} if asked.state else {})
    return _with(asked.redirect_uri, facts)


def find_grant(code: str) -> Grant | None:
    """The kept grant of a code, spent or not."""
    return Grant.objects.select_related("session__user", "application", "user").filter(code=checksum(code)).first()


def is_redeemable(client: Client, parameters: dict[str, str], found: Grant) -> bool:
    """Whether client, redirect address and PKCE verifier are those of the code (RFC 6749, 4.1.3; RFC 7636, 4.6)."""
    request = Request("/connect/token", http_method="POST", body={**parameters, "client_id": client.client_id})
    request.client, request.found_grant = client, found
    try:
        _grant().validate_token_request(request)
    except OAuth2Error:
        return False
    return True


@cache
def _grant() -> AuthorizationCodeGrant:
    return AuthorizationCodeGrant(validator())


def _with(address: str, facts: dict[str, str]) -> str:
    return f"{address}{'&' if '?' in address else '?'}{urlencode(facts)}"
