"""The rest of OAuth 2 and OpenID Connect that needs no page: discovery, keys, userinfo, introspection, revocation."""

import json
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema

from identity import conf, secret_store
from identity.api import parameters as reading
from identity.api import schema
from identity.api.problems import problem
from identity.api.views import ApiView
from identity.errors import InvalidParameters
from identity.flows import tokens
from identity.models import Client
from identity.models.client import GrantType
from identity.oauth import claims, client_authentication
from identity.oauth.scopes import SCOPES

_PUBLIC_FOR_AN_HOUR = "public, max-age=3600"


class DiscoveryView(ApiView):
    """OpenID Connect Discovery 1.0 and RFC 8414: what this server offers, and nothing that it does not."""

    @extend_schema(**schema.DISCOVERY)
    def get(self, request: HttpRequest) -> HttpResponse:
        url = conf.public_url()
        return _json(
            {
                "issuer": url,
                "authorization_endpoint": f"{url}/connect/authorize",
                "token_endpoint": f"{url}/connect/token",
                "userinfo_endpoint": f"{url}/connect/userinfo",
                "introspection_endpoint": f"{url}/connect/introspect",
                "revocation_endpoint": f"{url}/connect/revocation",
                "end_session_endpoint": f"{url}/connect/endsession",
                "jwks_uri": f"{url}/.well-known/jwks.json",
                "scopes_supported": list(SCOPES),
                "grant_types_supported": [grant.value for grant in GrantType],
                "response_types_supported": ["code"],
                "response_modes_supported": ["query"],
                "request_uri_parameter_supported": False,
                "code_challenge_methods_supported": ["S256"],
                "authorization_response_iss_parameter_supported": True,
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
                "acr_values_supported": ["1", "2"],
                "claims_supported": ["sub", "auth_time", "amr", "acr", "sid", "preferred_username", "name"],
            },
            cache=_PUBLIC_FOR_AN_HOUR,
        )


class JwksView(ApiView):
    """The public keys that verify our tokens (RFC 7517)."""

    @extend_schema(**schema.JWKS)
    def get(self, request: HttpRequest) -> HttpResponse:
        return _json(secret_store.jwks(timezone.now()), cache="public, max-age=300")


class UserinfoView(ApiView):
    """What the access token's scopes tell about its person (OpenID Connect Core, 5.3)."""

    @extend_schema(**schema.USERINFO)
    def get(self, request: HttpRequest) -> HttpResponse:
        bearer = tokens.bearer(bearer_token(request), timezone.now())
        if bearer is None or bearer.user is None or "openid" not in bearer.scopes:
            response = problem(401 if bearer is None else 403, "An access token with the scope openid is needed.")
            error = "invalid_token" if bearer is None else "insufficient_scope"
            response["WWW-Authenticate"] = f'Bearer error="{error}"' if bearer_token(request) else "Bearer"
            return response
        return _json(claims.about(bearer.user, bearer.scopes))

    @extend_schema(**schema.USERINFO_POST)
    def post(self, request: HttpRequest) -> HttpResponse:
        return self.get(request)


class IntrospectionView(ApiView):
    """Whether a token is good (RFC 7662); only an authenticated, confidential client may ask."""

    @extend_schema(**schema.INTROSPECTION)
    def post(self, request: HttpRequest) -> HttpResponse:
        asked = _asked(request, confidential=True)
        if isinstance(asked, HttpResponse):
            return asked
        client, token = asked
        now = timezone.now()
        bearer = tokens.bearer(token, now)
        if bearer is not None:
            username = {"username": bearer.user.username} if bearer.user else {}
            return _json({"active": True, "token_type": "Bearer", **bearer.claims, **username})
        refresh = tokens.refresh_is_live(token, client, now)
        if refresh is not None:
            return _json(
                {
                    "active": True,
                    "token_type": "refresh_token",
                    "client_id": client.client_id,
                    "scope": refresh.scope,
                    "sub": str(refresh.user.subject),
                    "exp": int(refresh.expires.timestamp()),
                }
            )
        return _json({"active": False})


class RevocationView(ApiView):
    """End the family of the client's own token (RFC 7009); an unknown token is answered alike."""

    @extend_schema(**schema.REVOCATION)
    def post(self, request: HttpRequest) -> HttpResponse:
        asked = _asked(request)
        if isinstance(asked, HttpResponse):
            return asked
        tokens.revoke(*asked, timezone.now())
        return _json({})


def bearer_token(request: HttpRequest) -> str:
    """The token of the Authorization header, "" without one (RFC 6750, 2.1; never from query or body)."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _asked(request: HttpRequest, *, confidential: bool = False) -> tuple[Client, str] | HttpResponse:
    """Who asks and about which token; or the refusal. What cannot be read says nothing about the client's secret."""
    try:
        given = reading.read(getattr(request, "_request", request))
        shown = client_authentication.credentials(
            request.headers.get("Authorization", ""), given.text("client_id", limit=255), given.text("client_secret")
        )
        token = given.text("token", limit=8192)
        if shown is None:
            raise InvalidParameters("The client shows its credentials in two ways.")
    except InvalidParameters as refusal:
        return _invalid_request(refusal.detail, status=refusal.status)
    client = client_authentication.find(shown)
    if client is None or (confidential and client.is_public):
        return _invalid_client(request)
    return (client, token) if token else _invalid_request("token is missing.")


def _invalid_request(description: str, *, status: int = 400) -> HttpResponse:
    return _json({"error": "invalid_request", "error_description": description}, status=status)


def _invalid_client(request: HttpRequest) -> HttpResponse:
    response = _json({"error": "invalid_client"}, status=401)
    if "Authorization" in request.headers:
        response["WWW-Authenticate"] = 'Basic realm="Stepward"'
    return response


def _json(document: Any, *, status: int = 200, cache: str = "") -> HttpResponse:
    response = HttpResponse(json.dumps(document), status=status, content_type="application/json")
    if cache:
        response["Cache-Control"] = cache
        response["Pragma"] = "cache"
    return response
