"""What OpenAPI says of `/api/MFAEnrollment/*`: the keyword arguments of `extend_schema`."""

from http import HTTPStatus
from typing import Any, Final

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse

from identity.api import schema as common
from identity.api.schema import JSON, PROBLEM
from mfa.api.visualguard.components import ref, taken
from mfa.api.visualguard.examples import REQUEST_ID

ENROLMENT_TAG: Final = "Enrolment"
# Where one view serves several calls, what each of them is for.
SUMMARIES: Final = {
    "ValidateMicrosoftTOTP": "Confirm an authenticator app with a code",
    "ValidateEmail": "Confirm an e-mail address with a code",
    "ValidateMobileNumber": "Confirm a mobile number with a code",
    "SendEmailVerification": "Send the code that proves an e-mail address",
    "SendMobileNumberVerification": "Send the code that proves a mobile number",
}

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
    "too_many": (409, 1, "The account holds as many authenticators of this kind as it may."),
    "none_due": (409, 1, "No recovery codes are due: they are shown once."),
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


def _done(**more: Any) -> list[OpenApiExample]:
    return [common.example("Done", {"Status": 3, "RequestId": REQUEST_ID, **more})]


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
    **taken("QrBody", _OF_REQUEST),
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
    **taken("ConfirmBody", ("A code", {"requestId": REQUEST_ID, "secureCode": "755224"})),
    "responses": _responses(
        {(200, JSON): OpenApiResponse(ref("EnrollmentDone"), "Confirmed.", _done())},
        ("wrong_code", "not_begun", "destination_not_own", "destination_taken", *_ENROLLING),
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
    **taken("SendBody", ("An address", {"requestId": REQUEST_ID, "destination": "m.m@gmail.com"})),
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
    **taken("RequestIdBody", _OF_REQUEST),
    "responses": _responses({(200, JSON): OpenApiResponse(ref("EnrollmentDone"), "Ended.", _done())}, _FINDING),
}
RECOVERY_CODES: dict[str, Any] = {
    "tags": [ENROLMENT_TAG],
    "summary": "Ten recovery codes, once",
    "description": "After the first confirmed enrolment, also when the request has given its tokens.",
    "auth": [{}],
    **taken("RequestIdBody", _OF_REQUEST),
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
