"""The schemas that these calls' documents share, as OpenAPI 3.1 names them."""

from typing import Any, Final

from drf_spectacular.utils import OpenApiExample

from identity.api.schema import FORM, JSON
from mfa.api.visualguard import flags
from mfa.models.authenticator import Kind
from mfa.models.challenge import ChallengeMode

Schema = dict[str, Any]
_GUID: Final[Schema] = {"type": "string", "format": "uuid"}
_TEXT: Final[Schema] = {"type": "string"}
_WHETHER: Final[Any] = {"type": "boolean"}


def ref(name: str) -> Schema:
    """A component by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def record(described: str, *, optional: tuple[str, ...] = (), **properties: Schema) -> Schema:
    """An object whose members are all there but the optional ones."""
    return {
        "type": "object",
        "description": described,
        "properties": properties,
        "required": [name for name in properties if name not in optional],
    }


def body(described: str, required: tuple[str, ...], **properties: Schema) -> Schema:
    """What a call takes, in a form or in JSON."""
    return {"type": "object", "description": described, "properties": properties, "required": list(required)}


def taken(component: str, *given: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """The body as a form and as JSON, with its examples."""
    return {
        "request": {FORM: ref(component), JSON: ref(component)},
        "examples": [
            OpenApiExample(name, value=value, request_only=True, media_type=media_type)
            for media_type in (FORM, JSON)
            for name, value in given
        ],
    }


def _flag_table() -> str:
    rows = "\n".join(f"| {int(flag)} | {flag.name} |" for flag in flags.Status)
    return f"The sum of the flags that are set.\n\n| value | flag |\n|---|---|\n{rows}"


_STATUS: Final[Schema] = {"type": "integer", "description": _flag_table()}
_BOOLEANS: Final[dict[str, Any]] = dict.fromkeys(flags.booleans(flags.Status(0)), _WHETHER)
_KINDS: Final[Schema] = {"type": "integer", "enum": [int(kind) for kind in Kind]}
_KIND_NAMES: Final[Schema] = {"type": "string", "enum": [kind.label for kind in Kind]}
_MODES: Final[Schema] = {"type": "integer", "enum": [int(mode) for mode in ChallengeMode]}
_ENROLMENT_STATUS: Final = "1 Failure, 2 Completed, 3 Success, 4 OTPExpired, 5 InvalidOTP, 6 DuplicateEmail"
_OAUTH: Final[dict[str, Any]] = {
    "access_token": {"type": "string", "description": "A JWT (RFC 9068), signed with RS256; the JWKS verifies it."},
    "token_type": {"type": "string", "const": "Bearer"},
    "expires_in": {"type": "integer", "description": "Seconds."},
    "scope": _TEXT,
    "refresh_token": {"type": "string", "description": "With the scope offline_access. It serves once."},
    "id_token": {"type": "string", "description": "With the scope openid, when somebody signs in."},
}

COMPONENTS: Final[dict[str, Schema]] = {
    "AuthenticationState": record(
        "`AuthenticationStatus` as a number and as 22 booleans.", Status=_STATUS, **_BOOLEANS
    ),
    "AuthorizationState": record(
        "Failure 1, UserNotAuthorized 4, ProcessCanceled 8, Success 16.",
        Status={"type": "integer"},
        **dict.fromkeys(
            ("IsFailed", "IsCanceled", "IsUserNotFound", "IsUserNotAuthorized", "IsVersionNotCompatible"), _WHETHER
        ),
    ),
    "EnrollmentOffer": record(
        "What may still be enrolled, and where a person can be sent to do so.",
        Id=_GUID,
        EnrollmentUrl={"type": "string", "format": "uri"},
        TransportModes={"type": "array", "items": _KINDS},
        DisplayTransportModes={"type": "array", "items": _KIND_NAMES},
    ),
    "MFAAvailable": record(
        "One way to pass the second factor: an authenticator and a mode.",
        RequestId=_GUID,
        TransportMode=_KINDS,
        AuthenticationMode=_MODES,
        DestinationDisplay={"type": "string", "description": "Masked address or number; an app's label."},
        ExpirationTime={"type": "integer", "description": "Seconds that its code or link is good for."},
        AuthenticationModeDisplay={"type": "string", "enum": [mode.label for mode in ChallengeMode]},
        TransportModeDisplay=_KIND_NAMES,
        Id={**_GUID, "description": "What to send as `MFAAvailableId`."},
    ),
    "AuthenticationResponse": record(
        "Who is asked, for what, and by what it may be answered.",
        RequestId=_GUID,
        Identity=record(
            "`IsAuthenticated` says whether the password was right.",
            Name={"type": "string", "description": "The name as it was typed."},
            AuthenticationType={"type": "string", "const": "VGUSER"},
            IsAuthenticated=_WHETHER,
        ),
        AuthenticationEnrollmentRequest={"oneOf": [ref("EnrollmentOffer"), {"type": "null"}]},
        MFAAvailables={"type": "array", "items": ref("MFAAvailable")},
        Status=_STATUS,
        **_BOOLEANS,
    ),
    "VGResponse": record(
        "Visual Guard's answer. Every RequestId is the empty GUID where no request was opened.",
        RequestId=_GUID,
        AuthenticationState=ref("AuthenticationState"),
        AuthorizationState=ref("AuthorizationState"),
        AuthenticationResponse=ref("AuthenticationResponse"),
        Error=record("Always empty: no stack trace leaves the server.", Message=_TEXT, StackTrace=_TEXT),
        AuthorizationStatus=_TEXT,
        AuthenticationStatus={"type": "string", "description": "The names of the set flags, ascending."},
        VGToken={"type": "string", "description": "The access token; empty in a refusal."},
    ),
    "TokenAnswer": record(
        "Tokens. The last three members come with `VGAuthenticator` and `password` only.",
        optional=(
            "refresh_token",
            "id_token",
            "RememberedDeviceToken",
            "VGAuthenticationStatus",
            "AuthenticationMethod",
            "VGResponse",
        ),
        **_OAUTH,
        RememberedDeviceToken={"type": "string", "description": "To be sent with the next password step. It rotates."},
        VGAuthenticationStatus=_TEXT,
        AuthenticationMethod={"type": "string", "enum": ["None", "Link", "OTP"]},
        VGResponse=ref("VGResponse"),
    ),
    "TokenRefusal": record(
        "A refused step. An error of OAuth itself (RFC 6749, 5.2) has `error` and perhaps `error_description` alone.",
        optional=("error_description", "VGAuthenticationStatus", "AuthenticationMethod", "VGResponse"),
        error=_TEXT,
        error_description=_TEXT,
        VGAuthenticationStatus=_TEXT,
        AuthenticationMethod={"type": "string", "enum": ["None", "Link", "OTP"]},
        VGResponse=ref("VGResponse"),
    ),
    "TokenRequest": body(
        "One call for every step. Names are compared without case; each may be given once, in the body only.",
        ("grant_type",),
        grant_type={
            "type": "string",
            "enum": ["VGAuthenticator", "password", "refresh_token", "client_credentials", "authorization_code"],
            "description": "`VGAuthenticator` and `password` behave alike.",
        },
        client_id={"type": "string", "maxLength": 255, "description": "Left out with HTTP Basic."},
        client_secret={"type": "string", "description": "Of a confidential client, unless HTTP Basic carries it."},
        scope={
            "type": "string",
            "description": "Separated by spaces. Without one: all the client may have, but offline_access.",
        },
        Username={"type": "string", "maxLength": 64},
        Password={"type": "string", "maxLength": 1024, "format": "password"},
        VGAuthenticationModule={"type": "string", "description": "`VGUser`, in any case; optional."},
        RememberedDeviceToken={"type": "string", "maxLength": 128},
        InvitationCode={"type": "string", "maxLength": 128},
        AuthenticationRequestId={
            **_GUID,
            "description": "The RequestId of the first answer: makes this a second step.",
        },
        MFAAvailableId={**_GUID, "description": "The Id of an entry of MFAAvailables."},
        MFAAction={
            "oneOf": [
                {"type": "integer", "minimum": 0, "maximum": 5},
                {
                    "type": "string",
                    "enum": [
                        "0",
                        "1",
                        "2",
                        "3",
                        "4",
                        "5",
                        "SendOTP",
                        "SendLink",
                        "AuthenticateOTP",
                        "CancelOTP",
                        "CancelLink",
                    ],
                },
            ],
            "description": "SendOTP 1, SendLink 2, AuthenticateOTP 3, CancelOTP 4, CancelLink 5; 0 asks for the state.",
        },
        MFASecureCode={"type": "string", "description": "Six digits, or a recovery code."},
        RememberDevice={"type": ["boolean", "string"], "description": "true: ask for a RememberedDeviceToken."},
        refresh_token=_TEXT,
        code={"type": "string", "description": "What /connect/authorize sent the browser back with."},
        redirect_uri={"type": "string", "description": "The address it was sent back to."},
        code_verifier={"type": "string", "description": "PKCE (RFC 7636, S256)."},
    ),
    "EnrollmentDone": record("Success.", Status={"type": "integer", "const": 3}, RequestId=_GUID),
    "RecoveryCodes": record(
        "Shown once.",
        Status={"type": "integer", "const": 3},
        RequestId=_GUID,
        RecoveryCodes={"type": "array", "items": _TEXT},
    ),
    "EnrollmentInformation": record(
        "Whose enrolment it is; the last two only while an app enrolment is pending.",
        optional=("ManualEntryKey", "OtpAuthUri"),
        RequestId=_GUID,
        UserName=_TEXT,
        Expiration={"type": "string", "format": "date-time"},
        TransportModes={"type": "array", "items": _KINDS},
        DisplayTransportModes={"type": "array", "items": _KIND_NAMES},
        ManualEntryKey={"type": "string", "description": "Base32, upper case, no padding."},
        OtpAuthUri={"type": "string", "description": "What the QR code says."},
    ),
    "EnrollmentProblem": record(
        "RFC 9457. `status` is left out where `Status` is there: .NET clients bind names without case.",
        optional=("status", "Status", "RequestId"),
        type=_TEXT,
        title=_TEXT,
        status={"type": "integer"},
        detail=_TEXT,
        Status={"type": "integer", "description": f"{_ENROLMENT_STATUS}; 134217729 where a factor is due first."},
        RequestId=_TEXT,
    ),
    "PasswordBody": body(
        "Who, the old password and the new one.",
        ("Username", "Password", "NewPassword"),
        client_id={"type": "string", "maxLength": 255},
        client_secret=_TEXT,
        Username={"type": "string", "maxLength": 64},
        Password={"type": "string", "maxLength": 1024, "format": "password"},
        NewPassword={"type": "string", "maxLength": 1024, "format": "password"},
        AuthenticationRequestId=_GUID,
    ),
    "PasswordResetBody": body(
        "Whose password.",
        ("Username",),
        client_id={"type": "string", "maxLength": 255},
        client_secret=_TEXT,
        Username={"type": "string", "maxLength": 64},
    ),
    "PasswordResetConfirmBody": body(
        "The code and the new password.",
        ("ResetCode", "NewPassword"),
        client_id={"type": "string", "maxLength": 255},
        client_secret=_TEXT,
        ResetCode={"type": "string", "maxLength": 128},
        NewPassword={"type": "string", "maxLength": 1024, "format": "password"},
    ),
    "PasswordProblem": record(
        "RFC 9457, with what is to be mended in the new password.",
        optional=("problems",),
        type=_TEXT,
        title=_TEXT,
        status={"type": "integer"},
        detail=_TEXT,
        problems={"type": "array", "items": _TEXT},
    ),
    "RequestIdBody": body("The request, out of the URL.", ("requestId",), requestId=_GUID),
    "QrBody": body(
        "The request, out of the URL.",
        ("requestId",),
        requestId=_GUID,
        size={"type": ["integer", "string"], "description": "Edge in pixels, 100 to 1000; 300 without it."},
    ),
    "ConfirmBody": body(
        "The request and the six digits.", ("requestId", "secureCode"), requestId=_GUID, secureCode=_TEXT
    ),
    "SendBody": body(
        "The request and where the code shall go.",
        ("requestId", "destination"),
        requestId=_GUID,
        destination={
            "type": "string",
            "maxLength": 254,
            "description": "An e-mail address, or a number with its country code.",
        },
    ),
}
