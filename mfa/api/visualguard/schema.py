"""What OpenAPI says of `/connect/token`: the keyword arguments of `extend_schema`."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse

from identity.api import schema as common
from identity.api.schema import FORM, JSON
from mfa.api.visualguard import examples
from mfa.api.visualguard.components import ref

TOKEN: dict[str, Any] = {
    "operation_id": "token",
    "tags": ["Sign-in"],
    "summary": "Sign in, pass the second factor, refresh",
    "description": (
        "**Password step**: `Username` and `Password`. The answer is tokens, or 400 with `VGResponse`: its "
        "`AuthenticationState.Status` says what is due, its `RequestId` is a bearer secret for the next calls.\n\n"
        "**Second-factor step**: the same call with `AuthenticationRequestId` and `MFAAction`; `Password` is ignored. "
        "After an enrolment `AuthenticationRequestId` alone gives the tokens, once.\n\n"
        "**`refresh_token`** rotates; a token used twice ends its whole family. **`client_credentials`** is for "
        "confidential clients. **`authorization_code`**, with PKCE, exchanges what `/connect/authorize` gave.\n\n"
        "Five wrong codes end a request. The count that protects the account is kept on the authenticator: after five "
        "wrong codes in a row it rests for 30 s, doubled by each further one up to 900 s, and 100 disable it."
    ),
    "auth": [{}, {"client": []}],
    "parameters": [
        OpenApiParameter(
            "Prefer",
            OpenApiTypes.STR,
            OpenApiParameter.HEADER,
            description="RFC 7240. `respond-async`: SendLink answers at once. `wait=N`: hold this call N seconds.",
        ),
        OpenApiParameter(
            "Retry-After", OpenApiTypes.INT, OpenApiParameter.HEADER, response=[429, 503], description="Seconds."
        ),
    ],
    "request": {FORM: ref("TokenRequest"), JSON: ref("TokenRequest")},
    "examples": examples.requests(),
    "responses": {
        (200, JSON): OpenApiResponse(ref("TokenAnswer"), "Tokens.", examples.successes()),
        (400, JSON): OpenApiResponse(ref("TokenRefusal"), "What is due, or why not.", examples.refusals()),
        (401, JSON): OpenApiResponse(
            ref("TokenRefusal"),
            "The client is unknown or its secret is wrong.",
            [common.example("Client unknown", {"error": "invalid_client"})],
        ),
        **common.ANY_CALL,
        (415, JSON): OpenApiResponse(
            ref("TokenRefusal"),
            "Another content type.",
            [
                common.example(
                    "Content type",
                    {"error": "invalid_request", "error_description": f"Send the body as {FORM} or {JSON}."},
                )
            ],
        ),
        (503, JSON): OpenApiResponse(
            ref("TokenRefusal"),
            "Too many wait for the password hash.",
            [
                common.example(
                    "Overloaded",
                    {"error": "temporarily_unavailable", "error_description": "Too many sign-ins at once."},
                )
            ],
        ),
    },
}
