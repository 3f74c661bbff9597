"""django-oauth-toolkit's grants with our validator, made once a process."""

import json
import secrets
from dataclasses import dataclass
from functools import cache
from typing import Any

from oauthlib.common import Request
from oauthlib.oauth2 import OAuth2Error
from oauthlib.oauth2.rfc6749.grant_types import ClientCredentialsGrant, RefreshTokenGrant
from oauthlib.oauth2.rfc6749.tokens import BearerToken

from identity import conf
from identity.models import Client, RefreshToken, Session
from identity.oauth.validator import StepwardValidator


@dataclass(frozen=True, slots=True)
class Exchanged:
    """What a grant of the library came to. `reused` asks the caller to end the session of the token."""

    status: int
    document: dict[str, Any]
    session: Session | None
    reused: bool


def new_refresh_token() -> str:
    """256 bits from the operating system."""
    return secrets.token_urlsafe(32)


@cache
def validator() -> StepwardValidator:
    return StepwardValidator()


def exchange(client: Client, parameters: dict[str, str], found: RefreshToken | None) -> Exchanged:
    """The grants that need no ceremony; `parameters` as on the wire, with `grant_type` among them."""
    request = Request("/connect/token", http_method="POST", body={**parameters, "client_id": client.client_id})
    request.client, request.found_refresh_token = client, found
    try:
        _headers, body, status = _grants()[parameters["grant_type"]].create_token_response(request, _bearer())
        document = json.loads(body)
    except OAuth2Error as refusal:
        status, document = refusal.status_code, json.loads(refusal.json)
    return Exchanged(status, document, found.session if found else None, getattr(request, "reused", False))


@cache
def _bearer() -> BearerToken:
    return BearerToken(
        validator(),
        token_generator=validator().access_token,
        refresh_token_generator=lambda request: new_refresh_token(),
        expires_in=conf.access_token_lifetime(),
    )


@cache
def _grants() -> dict[str, RefreshTokenGrant | ClientCredentialsGrant]:
    return {
        "refresh_token": RefreshTokenGrant(validator()),
        "client_credentials": ClientCredentialsGrant(validator()),
    }
