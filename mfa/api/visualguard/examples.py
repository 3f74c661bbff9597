"""One example of every answer of `/connect/token`, each made by the code that makes the real ones.

So the keys, their order, and the flags as number, text and booleans cannot differ from what is served.
"""

from typing import Any, Final
from uuid import UUID

from drf_spectacular.utils import OpenApiExample

from identity.outcomes import IssuedTokens
from mfa.api.visualguard import documents, flags
from mfa.flows.answers import EnrolmentOffer, SignInAnswer, refused
from mfa.models.authenticator import Kind
from mfa.models.challenge import ChallengeMode
from mfa.outcomes import AvailableFactor, Finding

CLIENT_ID: Final = "6f0f3c6e-0000-4000-8000-000000000001_Native"
REQUEST_ID: Final = "de908cdd-1e9f-47f4-a857-1737eb6912b4"
LINK_ID: Final = "3e6fe21b-6985-4938-b89d-5af6a98339ef"
OTP_ID: Final = "dee54c8b-9191-4bfd-9ca2-bddc76a30b5b"
WHO: Final = "tt29"
TOKENS: Final = IssuedTokens(
    access_token="eyJhbGciOiJSUzI1NiIsInR5cCI6ImF0K2p3dCJ9…",
    expires_in=600,
    scope="openid offline_access",
    refresh_token="wGQ0kM3yKcJ6r2o1uT8zXh5vNfPqLbA9sDeRiYtWm4C",
    id_token="eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9…",
    session_id="",
)

_OFFER = EnrolmentOffer((Kind.SMS, Kind.APP), "")
_EVERYTHING = EnrolmentOffer((Kind.SMS, Kind.EMAIL, Kind.APP), "")
_MAILBOX = UUID("b7c1b1d2-6a2e-4a38-9a55-0f4f4f1c2a11")
_MASKED = "m****************s@g****.com"
_AVAILABLE = (
    AvailableFactor(UUID(LINK_ID), _MAILBOX, Kind.EMAIL, ChallengeMode.LINK, _MASKED, 90),
    AvailableFactor(UUID(OTP_ID), _MAILBOX, Kind.EMAIL, ChallengeMode.OTP, _MASKED, 60),
)


def _asked(*findings: Finding, **more: Any) -> SignInAnswer:
    """An answer about a request that goes on, of somebody with a mailbox."""
    given = {"offer": _OFFER, "available": _AVAILABLE, **more}
    return SignInAnswer(
        frozenset({Finding.FAILURE, *findings}), name=WHO, password_was_right=True, request_id=REQUEST_ID, **given
    )


def _first(*findings: Finding, **more: Any) -> SignInAnswer:
    """Likewise, of somebody who has no authenticator yet."""
    return _asked(Finding.ENROLMENT_REQUIRED, *findings, **{"offer": _EVERYTHING, "available": (), **more})


def _closed(*findings: Finding) -> SignInAnswer:
    return refused(*findings, name=WHO, password_was_right=True)


def _signed_in(*findings: Finding, method: str = "None", **more: Any) -> SignInAnswer:
    return SignInAnswer(
        frozenset({Finding.SUCCESS, *findings}), name=WHO, password_was_right=True, method=method, tokens=TOKENS, **more
    )


_REFUSED: Final[list[tuple[str, SignInAnswer]]] = [
    # The password step, as the contract lists it.
    ("Wrong password, or unknown user", refused(Finding.PASSWORD_WRONG, name=WHO)),
    ("Wrong password, one try left", refused(Finding.PASSWORD_WRONG, Finding.LAST_TRY, name=WHO)),
    ("Locked out, whatever the password", refused(Finding.LOCKED_OUT, name=WHO)),
    ("Account not approved", _closed(Finding.NOT_APPROVED)),
    ("Account disabled", _closed(Finding.DISABLED)),
    ("Account locked by an administrator", _closed(Finding.LOCKED_BY_ADMINISTRATOR)),
    ("Account before its start date", _closed(Finding.NOT_YET_AVAILABLE)),
    ("Account after its end date", _closed(Finding.EXPIRED)),
    ("No role in this client", _closed(Finding.NOT_AUTHORIZED)),
    ("Two account states at once", _closed(Finding.NOT_APPROVED, Finding.EXPIRED)),
    ("Must change the password", _closed(Finding.MUST_CHANGE_PASSWORD)),
    ("Password too weak by now", _closed(Finding.MUST_CHANGE_PASSWORD, Finding.PASSWORD_TOO_WEAK)),
    ("Password expired, no grace left", _closed(Finding.MUST_CHANGE_PASSWORD, Finding.PASSWORD_EXPIRED)),
    ("Must change the password, second factor first", _asked(Finding.MUST_CHANGE_PASSWORD, offer=None)),
    ("Second factor required", _asked(Finding.FACTOR_REQUIRED)),
    ("Second factor required, password expired", _asked(Finding.FACTOR_REQUIRED, Finding.PASSWORD_EXPIRED)),
    (
        "Second factor required, last sign-in with this password",
        _asked(Finding.FACTOR_REQUIRED, Finding.PASSWORD_EXPIRED, Finding.LAST_GRACE_LOGIN),
    ),
    ("Enrolment required", _first()),
    ("Enrolment required, invitation missing", _first(offer=None)),
    (
        "Enrolment required, no e-mail address on record",
        _first(Finding.EMAIL_MISSING, offer=EnrolmentOffer((Kind.EMAIL,), "")),
    ),
    (
        "Enrolment required, no mobile number on record",
        _first(Finding.MOBILE_MISSING, offer=EnrolmentOffer((Kind.SMS,), "")),
    ),
    # The second-factor step.
    ("Code or link sent", _asked(Finding.WAITING)),
    ("Code or link could not be handed over", _asked(Finding.SENDING_FAILED)),
    ("Wrong code", _asked(Finding.CODE_WRONG)),
    ("Fifth wrong code: the request is over", _closed(Finding.CANCELLED, Finding.CODE_WRONG)),
    ("Cancelled, or the link was refused", _closed(Finding.CANCELLED)),
    ("Link ran out", _asked(Finding.LINK_TIMED_OUT)),
    ("Unknown, foreign, expired or spent request", refused(Finding.CANCELLED, name=WHO)),
]

_GRANTED: Final[list[tuple[str, SignInAnswer]]] = [
    ("MFA off for the application", _signed_in()),
    ("Remembered device", _signed_in(remembered_device_token="Yb3…")),
    ("Grace login before enrolment", _signed_in(Finding.MFA_GRACE_LOGIN, request_id=REQUEST_ID, offer=_EVERYTHING)),
    ("Enrolment offered, not required", _signed_in(request_id=REQUEST_ID, offer=_EVERYTHING)),
    ("Password expired, grace left", _signed_in(Finding.PASSWORD_EXPIRED)),
    ("Second factor passed by code, or enrolment redeemed", _signed_in(method="OTP")),
    ("Second factor passed by link", _signed_in(method="Link")),
    ("Second factor passed, device remembered", _signed_in(method="OTP", remembered_device_token="Yb3…")),
]

_OAUTH_REFUSED: Final[list[tuple[str, dict[str, str]]]] = [
    (
        "OAuth: parameter missing or given twice",
        {"error": "invalid_request", "error_description": "grant_type is missing."},
    ),
    ("OAuth: grant not allowed for this client", {"error": "unauthorized_client"}),
    ("OAuth: grant not known", {"error": "unsupported_grant_type"}),
    ("OAuth: scope unknown or not this client's", {"error": "invalid_scope"}),
    ("OAuth: refresh token or code spent, expired or another client's", {"error": "invalid_grant"}),
]


def refusals() -> list[OpenApiExample]:
    """Every answer with 400."""
    made = [(f"{_number(answer)}: {name}", documents.refusal(answer)) for name, answer in _REFUSED]
    return [OpenApiExample(name, value=value) for name, value in made + _OAUTH_REFUSED]


def successes() -> list[OpenApiExample]:
    """Every answer with 200."""
    made = [(f"{_number(answer)}: {name}", documents.success(answer)) for name, answer in _GRANTED]
    plain = {
        "access_token": TOKENS.access_token,
        "expires_in": 600,
        "token_type": "Bearer",
        "scope": "openid offline_access",
    }
    made += [
        ("refresh_token: rotated", {**plain, "refresh_token": TOKENS.refresh_token}),
        ("client_credentials", {**plain, "scope": "IdentityServerApi"}),
        (
            "authorization_code",
            {**plain, "refresh_token": TOKENS.refresh_token, "id_token": TOKENS.id_token},
        ),
    ]
    return [OpenApiExample(name, value=value) for name, value in made]


_CLIENT = {"grant_type": "VGAuthenticator", "client_id": CLIENT_ID}
_REQUEST = {**_CLIENT, "AuthenticationRequestId": REQUEST_ID}
_REQUESTS: Final[dict[str, dict[str, Any]]] = {
    "Password step": {
        **_CLIENT,
        "scope": "openid offline_access",
        "Username": WHO,
        "Password": "a long passphrase",
        "VGAuthenticationModule": "VGUser",
    },
    "Send a code": {**_REQUEST, "MFAAvailableId": OTP_ID, "MFAAction": "SendOTP"},
    "Send a link": {**_REQUEST, "MFAAvailableId": LINK_ID, "MFAAction": "SendLink"},
    "Ask how the link stands": {**_REQUEST, "MFAAction": "0"},
    "Give the code": {**_REQUEST, "MFAAvailableId": OTP_ID, "MFAAction": "AuthenticateOTP", "MFASecureCode": "755224"},
    "Cancel": {**_REQUEST, "MFAAction": "CancelOTP"},
    "Redeem after enrolment": _REQUEST,
    "Refresh": {**_CLIENT, "grant_type": "refresh_token", "refresh_token": TOKENS.refresh_token},
    "Client credentials": {
        **_CLIENT,
        "grant_type": "client_credentials",
        "client_secret": "…",
        "scope": "IdentityServerApi",
    },
    "Authorization code": {
        **_CLIENT,
        "grant_type": "authorization_code",
        "code": "…",
        "redirect_uri": "http://127.0.0.1:7001/signed-in",
        "code_verifier": "…",
    },
}


def requests() -> list[OpenApiExample]:
    """Each step, as a form and as JSON."""
    return [
        OpenApiExample(name, value=value, request_only=True, media_type=media_type)
        for media_type in ("application/x-www-form-urlencoded", "application/json")
        for name, value in _REQUESTS.items()
    ]


def _number(answer: SignInAnswer) -> int:
    return int(flags.status_of(answer.findings))
