"""What OpenAPI says of these calls: the keyword arguments of `extend_schema`."""

from http import HTTPStatus
from typing import Any, Final

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse

from identity.api import schema as common
from mfa.api.visualguard import examples
from mfa.api.visualguard.components import ref
from mfa.api.visualguard.examples import REQUEST_ID

FORM, JSON, PROBLEM = "application/x-www-form-urlencoded", "application/json", "application/problem+json"
ENROLMENT_TAG: Final = "Enrolment"

# Each refusal of section 3: HTTP status, the original's `Status`, the sentence. A promise test holds it to the views.
REFUSALS: Final[dict[str, tuple[int, int | None, str]]] = {
    "no_such_request": (404, None, "No authentication request has this id."),
    "request_over": (410, 4, "The authentication request is over. Sign in again."),
    "transport_not_allowed": (403, 1, "The policy does not allow this transport."),
    "factor_due": (403, 134217729, "An authenticator is enrolled already. Pass it first."),
    "invitation_missing": (403, 1, "The first enrolment needs an administrator's invitation."),
    "already_confirmed": (410, 2, "The enrolment was confirmed before."),
    "not_begun": (409, 1, "No enrolment was begun."),
    "ended": (410, 4, "The enrolment ran out or was ended. Begin again."),
    "wrong_code": (400, 5, "The code is not right."),
    "destination_not_own": (403, 1, "The account has another address or number on record."),
    "destination_taken": (409, 6, "Another account has this address."),
    "destination_malformed": (400, 1, "The destination is no address or number."),
    "not_handed_over": (503, 1, "The message could not be handed over. Try again later."),
    "account_closed": (410, 4, "The account may not sign in any more."),
    "too_many": (409, 1, "The account holds as many authenticators of this kind as it may."),
    "none_due": (409, 1, "No recovery codes are due: they are shown once."),
}
# Likewise for a change of password: the sentences of each status, and what stands beside them.
PASSWORD_REFUSALS: Final[dict[int, list[tuple[str, dict[str, Any]]]]] = {
    400: [
        ("Username, Password and NewPassword are needed.", {}),
        ("The user name or the password is not right.", {}),
        ("The new password is not acceptable.", {"problems": ["It has fewer than 12 characters."]}),
    ],
    401: [("The client is not known or did not show its secret.", {})],
    403: [
        ("The account may not sign in to this application.", {}),
        ("An AuthenticationRequestId whose second factor has passed is needed.", {}),
    ],
    429: [
        ("Too many wrong passwords. Wait, or ask an administrator.", {}),
        ("Too many requests from this address.", {}),
    ],
    503: [("Too many passwords are being checked.", {})],
}
_UNKNOWN_CLIENT: Final[tuple[str, dict[str, Any]]] = ("The client is not known or did not show its secret.", {})
PASSWORD_RESET_REFUSALS: Final[dict[int, list[tuple[str, dict[str, Any]]]]] = {
    400: [("Username is needed.", {})],
    401: [_UNKNOWN_CLIENT],
}
PASSWORD_RESET_CONFIRM_REFUSALS: Final[dict[int, list[tuple[str, dict[str, Any]]]]] = {
    400: [
        ("ResetCode and NewPassword are needed.", {}),
        ("The code is not right, was used, or is older than half an hour.", {}),
        ("The new password is not acceptable.", {"problems": ["It was this account's password before."]}),
    ],
    401: [_UNKNOWN_CLIENT],
    403: [("The password of this account cannot be reset.", {})],
    503: [("Too many passwords are being checked.", {})],
}
_FINDING = ("no_such_request", "request_over")
_ENROLLING = (
    *_FINDING,
    "transport_not_allowed",
    "factor_due",
    "invitation_missing",
    "already_confirmed",
    "ended",
    "too_many",
)


def refusal(name: str) -> dict[str, Any]:
    """The problem document of a refusal."""
    status, member, sentence = REFUSALS[name]
    head: dict[str, Any] = {"type": "about:blank", "title": HTTPStatus(status).phrase}
    if member is None:
        return {**head, "status": status, "detail": sentence}
    return {**head, "detail": sentence, "Status": member, "RequestId": REQUEST_ID}


def _responses(
    good: dict[Any, Any], names: tuple[str, ...], *, unread: str = "requestId is missing."
) -> dict[Any, Any]:
    """The good answers, the refusals that the call may give, and what any call may be answered."""
    by_status: dict[int, list[OpenApiExample]] = {
        400: [common.example("Parameter missing", common.problem(400, unread))]
    }
    for name in names:
        by_status.setdefault(REFUSALS[name][0], []).append(common.example(REFUSALS[name][2], refusal(name)))
    refused = {
        (status, PROBLEM): OpenApiResponse(ref("EnrollmentProblem"), HTTPStatus(status).phrase, found)
        for status, found in sorted(by_status.items())
    }
    return {**good, **refused, **common.ANY_CALL}


def _in(component: str, *given: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """The body as a form and as JSON, with its examples."""
    return {
        "request": {FORM: ref(component), JSON: ref(component)},
        "examples": [
            OpenApiExample(name, value=value, request_only=True, media_type=media_type)
            for media_type in (FORM, JSON)
            for name, value in given
        ],
    }


def _done(**more: Any) -> list[OpenApiExample]:
    return [common.example("Done", {"Status": 3, "RequestId": REQUEST_ID, **more})]


def _account_refusals(by_status: dict[int, list[tuple[str, dict[str, Any]]]]) -> dict[Any, Any]:
    """The problems of the calls about passwords."""
    return {
        (status, PROBLEM): OpenApiResponse(
            ref("PasswordProblem"),
            HTTPStatus(status).phrase,
            [common.example(sentence, common.problem(status, sentence, **more)) for sentence, more in found],
        )
        for status, found in by_status.items()
    }


_STATUS_ALONE = {"type": "object", "properties": {"Status": {"type": "integer", "const": 3}}, "required": ["Status"]}
_REQUEST_ID = OpenApiParameter(
    "requestId", OpenApiTypes.UUID, required=True, description="The RequestId of the sign-in."
)
_SIZE = OpenApiParameter(
    "size", {"type": "integer", "minimum": 100, "maximum": 1000, "default": 300}, description="Edge in pixels."
)
_OF_REQUEST = ("The id", {"requestId": REQUEST_ID})
_IMAGES = {
    (200, "image/png"): OpenApiResponse(OpenApiTypes.BINARY, "The QR code, exactly as large as asked for."),
    (200, "image/svg+xml"): OpenApiResponse(OpenApiTypes.STR, "The same as SVG, where `Accept` prefers it."),
}
_BYTES = {
    (200, JSON): OpenApiResponse(
        OpenApiTypes.STR, "The PNG in Base64, as ASP.NET sends `byte[]`.", [common.example("PNG", "iVBORw0KGgo…")]
    ),
    (200, "application/octet-stream"): OpenApiResponse(
        OpenApiTypes.BINARY, "The PNG itself, where `Accept` prefers it."
    ),
}
_BEGINS = (
    "Begins the enrolment of an authenticator app at the first call and draws the same QR code at every further one, "
    "until it is confirmed: from then on the secret is never shown again. "
)

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
        "confidential clients.\n\n"
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
QR_IMAGE: dict[str, Any] = {
    "tags": [ENROLMENT_TAG],
    "summary": "QR code as a picture",
    "description": _BEGINS,
    "auth": [{}],
    "parameters": [_REQUEST_ID, _SIZE],
    "responses": _responses(_IMAGES, _ENROLLING),
}
QR_IMAGE_POST: dict[str, Any] = {
    **QR_IMAGE,
    **_in("QrBody", _OF_REQUEST),
    "parameters": [],
    "description": f"{_BEGINS}With the id in the body, for callers that keep ids out of URLs.",
}
QR_BYTES: dict[str, Any] = {**QR_IMAGE, "summary": "QR code as bytes", "responses": _responses(_BYTES, _ENROLLING)}
QR_BYTES_POST: dict[str, Any] = {
    **QR_IMAGE_POST,
    "summary": "QR code as bytes",
    "responses": _responses(_BYTES, _ENROLLING),
}
CONFIRM: dict[str, Any] = {
    "tags": [ENROLMENT_TAG],
    "summary": "Confirm the enrolment with a code",
    "description": (
        "The code that the app shows, or that was sent. The fifth wrong one ends the enrolment. Afterwards redeem the "
        "id at `/connect/token`. The code is spent: it signs nobody in."
    ),
    "auth": [{}],
    **_in("ConfirmBody", ("A code", {"requestId": REQUEST_ID, "secureCode": "755224"})),
    "responses": _responses(
        {(200, JSON): OpenApiResponse(ref("EnrollmentDone"), "Confirmed.", _done())},
        ("wrong_code", "not_begun", "destination_taken", *_ENROLLING),
    ),
}
SEND: dict[str, Any] = {
    "tags": [ENROLMENT_TAG],
    "summary": "Send the code that proves an address or number",
    "description": (
        "Where the account has an address or number on record, it is the only one taken. A further call sends a "
        "new code; the older one is good no more."
    ),
    "auth": [{}],
    **_in("SendBody", ("An address", {"requestId": REQUEST_ID, "destination": "m.m@gmail.com"})),
    "responses": _responses(
        {(200, JSON): OpenApiResponse(ref("EnrollmentDone"), "On its way.", _done())},
        ("destination_malformed", "destination_not_own", "not_handed_over", *_ENROLLING),
    ),
}
CANCEL: dict[str, Any] = {
    "tags": [ENROLMENT_TAG],
    "summary": "End the pending enrolment",
    "description": "Ends the pending enrolment and not the request; the same where none is pending.",
    "auth": [{}],
    **_in("RequestIdBody", _OF_REQUEST),
    "responses": _responses({(200, JSON): OpenApiResponse(ref("EnrollmentDone"), "Ended.", _done())}, _FINDING),
}
RECOVERY_CODES: dict[str, Any] = {
    "tags": [ENROLMENT_TAG],
    "summary": "Ten recovery codes, once",
    "description": "After the first confirmed enrolment, also when the request has given its tokens.",
    "auth": [{}],
    **_in("RequestIdBody", _OF_REQUEST),
    "responses": _responses(
        {(200, JSON): OpenApiResponse(ref("RecoveryCodes"), "The codes.", _done(RecoveryCodes=["…"] * 10))},
        (*_FINDING, "none_due"),
    ),
}
INFORMATION: dict[str, Any] = {
    "tags": [ENROLMENT_TAG],
    "summary": "What a page of your own needs to show",
    "description": "The key in Base32 and the otpauth URI are there only while an app enrolment is pending.",
    "auth": [{}],
    "parameters": [_REQUEST_ID],
    "responses": _responses(
        {
            (200, JSON): OpenApiResponse(
                ref("EnrollmentInformation"),
                "The enrolment.",
                [
                    common.example(
                        "App enrolment pending",
                        {
                            "RequestId": REQUEST_ID,
                            "UserName": "tt29",
                            "Expiration": "2026-06-01T12:10:00Z",
                            "TransportModes": [1, 4],
                            "DisplayTransportModes": ["SMS", "MicrosoftAuthenticator"],
                            "ManualEntryKey": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
                            "OtpAuthUri": (
                                "otpauth://totp/Stepward:tt29?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
                                "&issuer=Stepward&algorithm=SHA1&digits=6&period=30"
                            ),
                        },
                    )
                ],
            )
        },
        _FINDING,
    ),
}
PASSWORD: dict[str, Any] = {
    "operation_id": "change_password",
    "tags": ["Sign-in"],
    "summary": "Change the own password",
    "description": (
        "What a person does whose answer was 513, or at any time. With a confirmed authenticator an "
        "`AuthenticationRequestId` whose code or link step has passed is needed. Every session, open request and "
        "remembered device of the account ends with it. The sign-in's lockout covers the old password."
    ),
    "auth": [{}, {"client": []}],
    **_in(
        "PasswordBody",
        (
            "With a second factor",
            {
                "client_id": examples.CLIENT_ID,
                "Username": "tt29",
                "Password": "the old passphrase",
                "NewPassword": "a longer new passphrase",
                "AuthenticationRequestId": REQUEST_ID,
            },
        ),
    ),
    "responses": {
        (200, JSON): OpenApiResponse(_STATUS_ALONE, "Changed.", [common.example("Done", {"Status": 3})]),
        **_account_refusals(PASSWORD_REFUSALS),
        **{key: answer for key, answer in common.ANY_CALL.items() if key[0] != 429},
    },
}
START: dict[str, Any] = {
    "tags": [ENROLMENT_TAG],
    "summary": "Add an authenticator while signed in",
    "description": (
        "A fresh id that serves only an enrolment. The access token needs the scope `IdentityServerApi`, `mfa` in its "
        "`amr`, and an `auth_time` at most 600 s ago."
    ),
    "auth": [{"bearer": []}],
    "request": None,
    "responses": {
        (200, JSON): OpenApiResponse(ref("EnrollmentDone"), "The id.", _done()),
        (401, PROBLEM): OpenApiResponse(
            ref("Problem"),
            "No good token.",
            [common.example("No token", common.problem(401, "A bearer access token is needed."))],
        ),
        (403, PROBLEM): OpenApiResponse(
            ref("Problem"),
            "`WWW-Authenticate` says what to ask for (RFC 9470).",
            [
                common.example("Scope", common.problem(403, "The token lacks the scope IdentityServerApi.")),
                common.example(
                    "Too old", common.problem(403, "A second factor within the last ten minutes is needed.")
                ),
            ],
        ),
        **common.ANY_CALL,
    },
}
PASSWORD_RESET: dict[str, Any] = {
    "operation_id": "ask_for_password_reset",
    "tags": ["Sign-in"],
    "summary": "Ask for a code that resets a forgotten password",
    "description": (
        "The code goes to the account's verified e-mail address and is good for half an hour. The answer is the same "
        "whether the name exists or not. An account whose e-mail address is its second factor is told by e-mail that "
        "an administrator has to help."
    ),
    "auth": [{}, {"client": []}],
    **_in("PasswordResetBody", ("A name", {"client_id": examples.CLIENT_ID, "Username": "tt29"})),
    "responses": {
        (202, JSON): OpenApiResponse(_STATUS_ALONE, "Noted.", [common.example("Noted", {"Status": 3})]),
        **_account_refusals(PASSWORD_RESET_REFUSALS),
        **common.ANY_CALL,
    },
}
PASSWORD_RESET_CONFIRM: dict[str, Any] = {
    "operation_id": "reset_password",
    "tags": ["Sign-in"],
    "summary": "Set a new password with the code that was sent",
    "description": "It signs nobody in, and a second factor stays due.",
    "auth": [{}, {"client": []}],
    **_in(
        "PasswordResetConfirmBody",
        (
            "The code",
            {"client_id": examples.CLIENT_ID, "ResetCode": "…", "NewPassword": "a longer new passphrase"},
        ),
    ),
    "responses": {
        (200, JSON): OpenApiResponse(_STATUS_ALONE, "Set.", [common.example("Done", {"Status": 3})]),
        **_account_refusals(PASSWORD_RESET_CONFIRM_REFUSALS),
        **common.ANY_CALL,
    },
}
