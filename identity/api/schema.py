"""What OpenAPI says of these calls: the keyword arguments of `extend_schema`, and what every call has in common."""

from http import HTTPStatus
from typing import Any, Final

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse

JSON, FORM, PROBLEM = "application/json", "application/x-www-form-urlencoded", "application/problem+json"
_TAG: Final = "OpenID Connect"
_TEXT: Final = {"type": "string"}


def example(name: str, value: Any) -> OpenApiExample:
    return OpenApiExample(name, value=value)


def problem(status: int, detail: str, **extra: Any) -> dict[str, Any]:
    """An error's document (RFC 9457)."""
    return {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **extra}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _problem(status: int, detail: str) -> OpenApiResponse:
    return OpenApiResponse(_ref("Problem"), HTTPStatus(status).phrase, [example(detail, problem(status, detail))])


# What any call may be answered, before or instead of its own answers.
ANY_CALL: Final[dict[Any, Any]] = {
    (405, PROBLEM): _problem(405, "This method is not offered here."),
    (413, PROBLEM): _problem(413, "The body is larger than 64 KiB."),
    (415, PROBLEM): _problem(415, f"Send the body as {FORM} or {JSON}."),
    (429, PROBLEM): _problem(429, "Too many requests from this address."),
}

COMPONENTS: Final[dict[str, Any]] = {
    "Problem": {
        "type": "object",
        "description": "RFC 9457.",
        "properties": {
            "type": _TEXT,
            "title": _TEXT,
            "status": {"type": "integer"},
            "detail": _TEXT,
            "errors": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"field": _TEXT, "detail": _TEXT},
                    "required": ["field", "detail"],
                },
            },
            "failing": {"type": "array", "items": _TEXT},
        },
        "required": ["type", "title", "status", "detail"],
    },
    "OAuthError": {
        "type": "object",
        "properties": {"error": _TEXT, "error_description": _TEXT},
        "required": ["error"],
    },
    "TokenBody": {
        "type": "object",
        "properties": {"token": _TEXT, "client_id": _TEXT, "client_secret": _TEXT},
        "required": ["token"],
    },
}
SECURITY_SCHEMES: Final[dict[str, Any]] = {
    "client": {
        "type": "http",
        "scheme": "basic",
        "description": "`client_id` and `client_secret` by HTTP Basic. They may stand in the body instead; a public "
        "client sends its `client_id` there alone.",
    },
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "An access token, in the Authorization header only.",
    },
}

_CHALLENGE = OpenApiParameter("WWW-Authenticate", str, OpenApiParameter.HEADER, response=[401, 403])
_INVALID_CLIENT = OpenApiResponse(
    _ref("OAuthError"),
    "The client is unknown or its secret is wrong.",
    [example("Client", {"error": "invalid_client"})],
)
_INVALID_REQUEST = {
    (400, JSON): OpenApiResponse(
        _ref("OAuthError"),
        "`token` is missing, or the parameters cannot be read.",
        [example("No token", {"error": "invalid_request", "error_description": "token is missing."})],
    ),
    (415, JSON): OpenApiResponse(
        _ref("OAuthError"),
        "Another content type.",
        [
            example(
                "Content type",
                {"error": "invalid_request", "error_description": f"Send the body as {FORM} or {JSON}."},
            )
        ],
    ),
}
_OBJECT = {"type": "object"}
_TOKEN_IN = {
    "request": {FORM: _ref("TokenBody"), JSON: _ref("TokenBody")},
    "examples": [
        OpenApiExample("A token", value={"token": "eyJhbGciOiJSUzI1NiI…"}, request_only=True, media_type=media_type)
        for media_type in (FORM, JSON)
    ],
}
_WITHOUT_BODY = {status: answer for status, answer in ANY_CALL.items() if status[0] in (405, 429)}

DISCOVERY: dict[str, Any] = {
    "operation_id": "discovery",
    "tags": [_TAG],
    "summary": "What this server offers",
    "description": "OpenID Connect Discovery 1.0 and RFC 8414.",
    "auth": [{}],
    "responses": {(200, JSON): OpenApiResponse(_OBJECT, "The metadata."), **_WITHOUT_BODY},
}
JWKS: dict[str, Any] = {
    "operation_id": "jwks",
    "tags": [_TAG],
    "summary": "The keys that verify tokens",
    "description": "RFC 7517. A new key is published before it signs; keep what you fetched for at most five minutes.",
    "auth": [{}],
    "responses": {
        (200, JSON): OpenApiResponse(
            {
                "type": "object",
                "properties": {"keys": {"type": "array", "items": _OBJECT}},
                "required": ["keys"],
            },
            "The keys.",
            [
                example(
                    "One key",
                    {"keys": [{"e": "AQAB", "kty": "RSA", "n": "…", "kid": "…", "use": "sig", "alg": "RS256"}]},
                )
            ],
        ),
        **_WITHOUT_BODY,
    },
}
USERINFO: dict[str, Any] = {
    "operation_id": "userinfo",
    "tags": [_TAG],
    "summary": "About the person",
    "description": "The claims that the token's scopes allow (OpenID Connect Core, 5.3).",
    "auth": [{"bearer": []}],
    "parameters": [_CHALLENGE],
    "responses": {
        (200, JSON): OpenApiResponse(
            {"type": "object", "properties": {"sub": _TEXT}, "required": ["sub"]},
            "The claims.",
            [example("With profile", {"sub": "0e8f…", "preferred_username": "tt29", "name": "tt29"})],
        ),
        (401, PROBLEM): _problem(401, "An access token with the scope openid is needed."),
        (403, PROBLEM): _problem(403, "An access token with the scope openid is needed."),
        **_WITHOUT_BODY,
    },
}
USERINFO_POST: dict[str, Any] = {**USERINFO, "operation_id": "userinfo_by_post", "request": None}
INTROSPECTION: dict[str, Any] = {
    "operation_id": "introspect",
    "tags": [_TAG],
    "summary": "Whether a token is good",
    "description": "RFC 7662. Only a confidential client may ask; of refresh tokens only about its own.",
    "auth": [{}, {"client": []}],
    **_TOKEN_IN,
    "parameters": [_CHALLENGE],
    "responses": {
        (200, JSON): OpenApiResponse(
            {"type": "object", "properties": {"active": {"type": "boolean"}}, "required": ["active"]},
            "Its state.",
            [
                example(
                    "A good access token",
                    {
                        "active": True,
                        "token_type": "Bearer",
                        "iss": "https://id.example.com",
                        "aud": "https://id.example.com",
                        "sub": "0e8f…",
                        "client_id": "6f0f3c6e-0000-4000-8000-000000000001_Native",
                        "scope": "openid offline_access",
                        "iat": 1780315200,
                        "exp": 1780315800,
                        "jti": "…",
                        "auth_time": 1780315200,
                        "amr": ["pwd", "otp", "mfa"],
                        "acr": "2",
                        "sid": "…",
                        "username": "tt29",
                    },
                ),
                example("Anything else", {"active": False}),
            ],
        ),
        **_INVALID_REQUEST,
        (401, JSON): _INVALID_CLIENT,
        **_WITHOUT_BODY,
        (413, PROBLEM): ANY_CALL[413, PROBLEM],
    },
}
REVOCATION: dict[str, Any] = {
    "operation_id": "revoke",
    "tags": [_TAG],
    "summary": "End a token's family",
    "description": "RFC 7009. Ends the session of the client's own token; an unknown token is answered alike.",
    "auth": [{}, {"client": []}],
    **_TOKEN_IN,
    "parameters": [_CHALLENGE],
    "responses": {
        (200, JSON): OpenApiResponse(_OBJECT, "Done.", [example("Done", {})]),
        **_INVALID_REQUEST,
        (401, JSON): _INVALID_CLIENT,
        **_WITHOUT_BODY,
        (413, PROBLEM): ANY_CALL[413, PROBLEM],
    },
}


def _plain(name: str, summary: str, responses: dict[str, Any]) -> dict[str, Any]:
    return {
        "get": {
            "operationId": name,
            "tags": ["Operation"],
            "summary": summary,
            "security": [{}],
            "responses": responses,
        }
    }


def _status(word: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"status": _TEXT}, "required": ["status"]}
    return {"description": "Yes.", "content": {JSON: {"schema": schema, "example": {"status": word}}}}


def _query(name: str, described: str, *, required: bool = False, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": required, "description": described, "schema": {**_TEXT, **schema}}


def _redirect(described: str) -> dict[str, Any]:
    return {"description": described, "headers": {"Location": {"schema": _TEXT}}}


_AUTHORIZE: Final[list[dict[str, Any]]] = [
    _query("response_type", "`code`.", required=True, const="code"),
    _query("client_id", "The client.", required=True),
    _query(
        "redirect_uri",
        "One of the addresses that the client registered; may be left out where there is one alone. Of "
        "`http://127.0.0.1` and `http://[::1]` any port will do.",
    ),
    _query("scope", "Separated by spaces."),
    _query("state", "Comes back as it is."),
    _query("nonce", "Stands in the ID token."),
    _query("code_challenge", "PKCE (RFC 7636).", required=True),
    _query("code_challenge_method", "`S256`.", required=True, const="S256"),
    _query("prompt", "`none`: do not ask the person. `login`: ask for both factors again."),
    _query("max_age", "Seconds since both factors were passed, at most."),
    _query("acr_values", "`2`: with a second factor."),
]
_END_SESSION: Final[list[dict[str, Any]]] = [
    _query("id_token_hint", "An ID token of the session that shall end; without one the person is asked."),
    _query("post_logout_redirect_uri", "One of the addresses that the client registered."),
    _query("state", "Comes back as it is."),
]


def _for_browsers(
    name: str, summary: str, parameters: list[dict[str, Any]], responses: dict[str, Any]
) -> dict[str, Any]:
    """By GET; and by POST, whose form is sent on to the same by GET."""
    refused = {
        str(status): {"description": HTTPStatus(status).phrase, "content": {PROBLEM: {"schema": _ref("Problem")}}}
        for status in (400, 413, 415, 429)
    }
    unread = refused.pop("415")
    got = {**_plain(name, summary, {**refused, **responses})["get"], "tags": [_TAG]}
    properties = {each["name"]: {**each["schema"], "description": each["description"]} for each in parameters}
    required = [each["name"] for each in parameters if each["required"]]
    form = {"type": "object", "properties": properties, **({"required": required} if required else {})}
    onwards = {"303": _redirect("Here again by GET, with the form as the query."), "415": unread}
    posted = {
        **got,
        "operationId": f"{name}_by_post",
        "requestBody": {"content": {FORM: {"schema": form}}},
        "responses": {**refused, **onwards},
    }
    return {"get": {**got, "parameters": parameters}, "post": posted}


# Plain Django views, which REST framework does not see.
PATHS: Final[dict[str, Any]] = {
    "/connect/authorize": _for_browsers(
        "authorize",
        "Browser sign-in for a client: send the person's browser here",
        _AUTHORIZE,
        {"302": _redirect("Back to the client, with a code or an error; or to the sign-in.")},
    ),
    "/connect/endsession": _for_browsers(
        "end_session",
        "Sign out: send the person's browser here",
        _END_SESSION,
        {"302": _redirect("Back to the client, or to the page that asks or says it.")},
    ),
    "/healthz": _plain("healthz", "Whether the process answers", {"200": _status("ok")}),
    "/readyz": {
        "get": {
            **_plain(
                "readyz",
                "Whether what it leans on answers too",
                {
                    "200": _status("ready"),
                    "400": {
                        "description": "`need` names a part that there is not.",
                        "content": {PROBLEM: {"schema": _ref("Problem")}},
                    },
                    "503": {
                        "description": "No; `failing` names the parts.",
                        "headers": {"Retry-After": {"schema": {"type": "integer"}}},
                        "content": {
                            PROBLEM: {
                                "schema": _ref("Problem"),
                                "example": problem(503, "Not ready.", failing=["database"]),
                            }
                        },
                    },
                },
            )["get"],
            "parameters": [
                _query(
                    "need",
                    "The parts that count, separated by commas: some of `database`, `migrations`, `cache`, `broker` "
                    "and `keys`. The others are not asked. Without it all count.",
                )
            ],
        }
    },
    "/metrics": _plain(
        "metrics",
        "How it fares, for Prometheus",
        {
            "200": {"description": "Text exposition format.", "content": {"text/plain": {"schema": _TEXT}}},
            "401": {
                "description": "METRICS_TOKEN is set, and the request does not bring it as a bearer token.",
                "content": {PROBLEM: {"schema": _ref("Problem"), "example": problem(401, "Bring the metrics token.")}},
            },
        },
    ),
}
