"""The JSON of `/connect/token`: every key, in the order of the sample that Visual Guard publishes."""

from enum import IntFlag
from typing import Any

from mfa import conf
from mfa.api.visualguard import flags
from mfa.flows.answers import EnrolmentOffer, SignInAnswer
from mfa.models.authenticator import Kind
from mfa.models.challenge import ChallengeMode
from mfa.outcomes import AvailableFactor, Finding

EMPTY_GUID = "00000000-0000-0000-0000-000000000000"
# The states of a second factor are `invalid_request` (so the original does); a refused account is RFC 6749's word.
_MFA_STATES = frozenset(
    {
        Finding.FACTOR_REQUIRED,
        Finding.ENROLMENT_REQUIRED,
        Finding.WAITING,
        Finding.SENDING_FAILED,
        Finding.CODE_WRONG,
        Finding.LINK_TIMED_OUT,
    }
)


class AuthorizationStatus(IntFlag):
    """The original's `AuthorizationStatus`, as far as it is ever sent."""

    Failure = 1
    UserNotAuthorized = 4
    ProcessCanceled = 8
    Success = 16


def refusal(answer: SignInAnswer) -> dict[str, Any]:
    """A failed step, with these keys in this order."""
    text = flags.names(flags.status_of(answer.findings))
    return {
        "error": _error(answer),
        "error_description": text,
        "VGAuthenticationStatus": text,
        "AuthenticationMethod": answer.method,
        "VGResponse": vg_response(answer, token=""),
    }


def success(answer: SignInAnswer) -> dict[str, Any]:
    """Tokens, and `VGResponse` beside them."""
    issued = answer.tokens
    assert issued is not None  # noqa: S101  The view asks only when there are tokens.
    document: dict[str, Any] = {
        "access_token": issued.access_token,
        "token_type": "Bearer",
        "expires_in": issued.expires_in,
        "scope": issued.scope,
    }
    if issued.refresh_token is not None:
        document["refresh_token"] = issued.refresh_token
    if issued.id_token is not None:
        document["id_token"] = issued.id_token
    if answer.remembered_device_token is not None:
        document["RememberedDeviceToken"] = answer.remembered_device_token
    text = flags.names(flags.status_of(answer.findings))
    document["VGAuthenticationStatus"] = text
    document["AuthenticationMethod"] = answer.method
    document["VGResponse"] = vg_response(answer, token=issued.access_token)
    return document


def vg_response(answer: SignInAnswer, *, token: str) -> dict[str, Any]:
    status = flags.status_of(answer.findings)
    booleans = flags.booleans(status)
    authorization = _authorization(answer.findings)
    request_id = answer.request_id or EMPTY_GUID
    return {
        "RequestId": request_id,
        "AuthenticationState": {"Status": int(status), **booleans},
        "AuthorizationState": {
            "Status": int(authorization),
            "IsFailed": AuthorizationStatus.Failure in authorization,
            "IsCanceled": AuthorizationStatus.ProcessCanceled in authorization,
            "IsUserNotFound": False,
            "IsUserNotAuthorized": AuthorizationStatus.UserNotAuthorized in authorization,
            "IsVersionNotCompatible": False,
        },
        "AuthenticationResponse": {
            "RequestId": request_id,
            "Identity": {
                "Name": answer.name,
                "AuthenticationType": "VGUSER",
                "IsAuthenticated": answer.password_was_right,
            },
            "AuthenticationEnrollmentRequest": _enrolment(answer.request_id, answer.offer),
            "MFAAvailables": [_available(request_id, factor) for factor in answer.available],
            "Status": int(status),
            **booleans,
        },
        "Error": {"Message": "", "StackTrace": ""},
        "AuthorizationStatus": ", ".join(flag.name or "" for flag in AuthorizationStatus if flag in authorization),
        "AuthenticationStatus": flags.names(status),
        "VGToken": token,
    }


def enrolment_url(request_id: str, offer: EnrolmentOffer) -> str:
    """The policy's own address, or the hosted page."""
    return offer.url or f"{conf.public_url()}/mfa/enroll/{request_id}"


def _error(answer: SignInAnswer) -> str:
    return "invalid_request" if answer.findings & _MFA_STATES else "invalid_grant"


def _authorization(findings: frozenset[Finding]) -> AuthorizationStatus:
    if Finding.SUCCESS in findings:
        return AuthorizationStatus.Success
    status = AuthorizationStatus.Failure
    if Finding.NOT_AUTHORIZED in findings:
        status |= AuthorizationStatus.UserNotAuthorized
    if Finding.CANCELLED in findings:
        status |= AuthorizationStatus.ProcessCanceled
    return status


def _enrolment(request_id: str | None, offer: EnrolmentOffer | None) -> dict[str, Any] | None:
    if request_id is None or offer is None:
        return None
    return {
        "Id": request_id,
        "EnrollmentUrl": enrolment_url(request_id, offer),
        "TransportModes": [int(kind) for kind in offer.kinds],
        "DisplayTransportModes": [Kind(kind).label for kind in offer.kinds],
    }


def _available(request_id: str, factor: AvailableFactor) -> dict[str, Any]:
    return {
        "RequestId": request_id,
        "TransportMode": factor.kind,
        "AuthenticationMode": factor.mode,
        "DestinationDisplay": factor.display,
        "ExpirationTime": factor.lifetime,
        "AuthenticationModeDisplay": ChallengeMode(factor.mode).label,
        "TransportModeDisplay": Kind(factor.kind).label,
        "Id": str(factor.id),
    }
