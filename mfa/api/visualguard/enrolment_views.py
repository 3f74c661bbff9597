"""`/api/MFAEnrollment/*`: the contract's section 3. Each view reads, calls one flow, and answers."""

import base64
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema

from identity.api import parameters as reading
from identity.api.parameters import Parameters
from identity.api.problems import problem
from identity.api.views import CallView
from identity.errors import InvalidParameters
from identity.flows import tokens
from mfa import conf
from mfa.api.visualguard import enrolment_schema as schema
from mfa.api.visualguard.token_view import origin_of
from mfa.flows import enrolment
from mfa.models import AuthenticationRequest, Enrolment
from mfa.models.authenticator import Kind
from mfa.outcomes import EnrolmentRefusal
from mfa.primitives import provisioning_uri, qr_code, totp
from mfa.verifiers.totp import enrolment_secret

_SMALLEST, _LARGEST, _USUAL = 100, 1000, 300
_FRESH_SECONDS = 600
_CUT_NAME = 16  # Even of characters that a URI writes as twelve, these have room at 100 pixels.

_Picture = TypeVar("_Picture", bytes, str)

# The original's enrolment status of each refusal, its HTTP status, and a sentence for the developer who reads it.
_REFUSALS: dict[EnrolmentRefusal, tuple[int, int | None, str]] = {
    EnrolmentRefusal.NO_SUCH_REQUEST: (404, None, "No authentication request has this id."),
    EnrolmentRefusal.REQUEST_OVER: (410, 4, "The authentication request is over. Sign in again."),
    EnrolmentRefusal.TRANSPORT_NOT_ALLOWED: (403, 1, "The policy does not allow this transport."),
    EnrolmentRefusal.FACTOR_DUE: (403, 134217729, "An authenticator is enrolled already. Pass it first."),
    EnrolmentRefusal.INVITATION_MISSING: (403, 1, "The first enrolment needs an administrator's invitation."),
    EnrolmentRefusal.ALREADY_CONFIRMED: (410, 2, "The enrolment was confirmed before."),
    EnrolmentRefusal.NOT_BEGUN: (409, 1, "No enrolment was begun."),
    EnrolmentRefusal.ENDED: (410, 4, "The enrolment ran out or was ended. Begin again."),
    EnrolmentRefusal.WRONG_CODE: (400, 5, "The code is not right."),
    EnrolmentRefusal.DESTINATION_NOT_OWN: (403, 1, "The account has another address or number on record."),
    EnrolmentRefusal.DESTINATION_TAKEN: (409, 6, "Another account has this address."),
    EnrolmentRefusal.DESTINATION_MALFORMED: (400, 1, "The destination is no address or number."),
    EnrolmentRefusal.NOT_HANDED_OVER: (503, 1, "The message could not be handed over. Try again later."),
    EnrolmentRefusal.TOO_MANY: (409, 1, "The account holds as many authenticators of this kind as it may."),
    EnrolmentRefusal.NONE_DUE: (409, 1, "No recovery codes are due: they are shown once."),
}


class _Malformed(Exception):
    """A parameter cannot be read; carries the answer."""

    def __init__(self, response: HttpResponse) -> None:
        super().__init__()
        self.response = response


class EnrolmentView(CallView):
    """What the calls share: parameters, the request that the id names, and the form of a refusal."""

    def call(
        self,
        request: HttpRequest,
        act: Callable[[AuthenticationRequest, Parameters, str], HttpResponse | EnrolmentRefusal],
    ) -> HttpResponse:
        """Find the request and act on it; `act` also gets the id itself, which answers repeat."""
        try:
            given = reading.read(getattr(request, "_request", request), query=True)
            request_id = given.get("requestId")
            if request_id is None:
                return problem(400, "requestId is missing.")
            found = self.find(request_id if isinstance(request_id, str) else "", given, timezone.now())
            outcome = found if isinstance(found, EnrolmentRefusal) else act(found, given, str(request_id))
        except InvalidParameters as refusal:
            return problem(refusal.status, refusal.detail)
        except _Malformed as malformed:
            return malformed.response
        return outcome if isinstance(outcome, HttpResponse) else refused(outcome, str(request_id))

    def find(self, request_id: str, given: Parameters, now: datetime) -> AuthenticationRequest | EnrolmentRefusal:
        """The request; a call that reads more along with it says so here."""
        return enrolment.find(request_id, now)


def refused(refusal: EnrolmentRefusal, request_id: str) -> HttpResponse:
    """A refusal as RFC 9457, with `Status` and `RequestId` where the contract says so."""
    http_status, status, sentence = _REFUSALS[refusal]
    extra = None if status is None else {"Status": status, "RequestId": request_id}
    return problem(http_status, sentence, extra=extra)


def done(request_id: str, **more: Any) -> HttpResponse:
    return _json({"Status": 3, "RequestId": request_id, **more})


class QrView(EnrolmentView):
    """What the pictures share: what is begun is read along with the request."""

    def find(self, request_id: str, given: Parameters, now: datetime) -> AuthenticationRequest | EnrolmentRefusal:
        return enrolment.find_to_begin(request_id, now)


class QrImageView(QrView):
    """The QR as a picture: PNG, or SVG where `Accept` prefers it."""

    @extend_schema(**schema.QR_IMAGE)
    def get(self, request: HttpRequest) -> HttpResponse:
        return self.call(request, lambda found, given, _id: self._draw(request, found, given))

    @extend_schema(**schema.QR_IMAGE_POST)
    def post(self, request: HttpRequest) -> HttpResponse:
        return self.get(request)

    @staticmethod
    def _draw(request: HttpRequest, found: AuthenticationRequest, given: Parameters) -> HttpResponse | EnrolmentRefusal:
        size = _size(given)
        begun = enrolment.begin_app(found, origin_of(request), timezone.now())
        if isinstance(begun, EnrolmentRefusal):
            return begun
        if _prefers(request, "image/svg+xml", over="image/png"):
            return HttpResponse(_drawn(qr_code.svg, begun, size), content_type="image/svg+xml")
        return HttpResponse(_drawn(qr_code.png, begun, size), content_type="image/png")


class QrBytesView(QrView):
    """The same PNG as a JSON base64 string, or raw where `Accept` asks for octets."""

    @extend_schema(**schema.QR_BYTES)
    def get(self, request: HttpRequest) -> HttpResponse:
        return self.call(request, lambda found, given, _id: self._draw(request, found, given))

    @extend_schema(**schema.QR_BYTES_POST)
    def post(self, request: HttpRequest) -> HttpResponse:
        return self.get(request)

    @staticmethod
    def _draw(request: HttpRequest, found: AuthenticationRequest, given: Parameters) -> HttpResponse | EnrolmentRefusal:
        size = _size(given)
        begun = enrolment.begin_app(found, origin_of(request), timezone.now())
        if isinstance(begun, EnrolmentRefusal):
            return begun
        png = _drawn(qr_code.png, begun, size)
        if _prefers(request, "application/octet-stream", over="application/json"):
            return HttpResponse(png, content_type="application/octet-stream")
        return _json(base64.b64encode(png).decode())


class ConfirmView(EnrolmentView):
    """`ValidateMicrosoftTOTP`, `ValidateEmail`, `ValidateMobileNumber`."""

    kind: Kind = Kind.APP

    def find(self, request_id: str, given: Parameters, now: datetime) -> AuthenticationRequest | EnrolmentRefusal:
        """Where there is a code to compare, its try is counted along with it; what is malformed counts nothing."""
        if _is_text(given, "secureCode"):
            return enrolment.find_to_confirm(request_id, self.kind, now)
        return enrolment.find(request_id, now)

    @extend_schema(**schema.CONFIRM)
    def post(self, request: HttpRequest) -> HttpResponse:
        def act(found: AuthenticationRequest, given: Parameters, request_id: str) -> HttpResponse | EnrolmentRefusal:
            if given.get("secureCode") is None:
                return problem(400, "secureCode is missing.")
            confirmed = enrolment.confirm(
                found, self.kind, given.text("secureCode"), origin_of(request), timezone.now()
            )
            return confirmed if isinstance(confirmed, EnrolmentRefusal) else done(request_id)

        return self.call(request, act)


class SendView(EnrolmentView):
    """`SendEmailVerification`, `SendMobileNumberVerification`."""

    kind: Kind = Kind.EMAIL

    @extend_schema(**schema.SEND)
    def post(self, request: HttpRequest) -> HttpResponse:
        def act(found: AuthenticationRequest, given: Parameters, request_id: str) -> HttpResponse | EnrolmentRefusal:
            begun = enrolment.begin_delivered(
                found, self.kind, given.text("destination", limit=254), origin_of(request), timezone.now()
            )
            return begun if isinstance(begun, EnrolmentRefusal) else done(request_id)

        return self.call(request, act)


class CancelView(EnrolmentView):
    """`CancelEnrollment`: ends the pending enrolment, not the request."""

    @extend_schema(**schema.CANCEL)
    def post(self, request: HttpRequest) -> HttpResponse:
        def act(found: AuthenticationRequest, given: Parameters, request_id: str) -> HttpResponse:
            enrolment.cancel(found, origin_of(request), timezone.now())
            return done(request_id)

        return self.call(request, act)


class RecoveryCodesView(EnrolmentView):
    """`GetRecoveryCodes`: ten codes, once."""

    @extend_schema(**schema.RECOVERY_CODES)
    def post(self, request: HttpRequest) -> HttpResponse:
        def act(found: AuthenticationRequest, given: Parameters, request_id: str) -> HttpResponse | EnrolmentRefusal:
            codes = enrolment.take_recovery_codes(found, origin_of(request), timezone.now())
            return codes if isinstance(codes, EnrolmentRefusal) else done(request_id, RecoveryCodes=codes)

        return self.call(request, act)


class InformationView(EnrolmentView):
    """`GetEnrollmentInformation`."""

    @extend_schema(**schema.INFORMATION)
    def get(self, request: HttpRequest) -> HttpResponse:
        def act(found: AuthenticationRequest, given: Parameters, request_id: str) -> HttpResponse:
            known = enrolment.information(found, timezone.now())
            document: dict[str, Any] = {
                "RequestId": request_id,
                "UserName": found.typed_name,
                "Expiration": found.expires_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "TransportModes": [int(kind) for kind in known.kinds],
                "DisplayTransportModes": [kind.label for kind in known.kinds],
            }
            if known.secret is not None:
                document["ManualEntryKey"] = totp.base32(known.secret)
                document["OtpAuthUri"] = _uri_of(known.secret, found)
            return _json(document)

        return self.call(request, act)


class StartView(CallView):
    """`StartEnrollment`: an id that serves only an enrolment, for who has just shown a second factor."""

    @extend_schema(**schema.START)
    def post(self, request: HttpRequest) -> HttpResponse:
        now = timezone.now()
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        bearer = tokens.bearer(token.strip(), now) if scheme.lower() == "bearer" else None
        if bearer is None or bearer.user is None:
            return _no_good_token(token)
        if "IdentityServerApi" not in bearer.scopes:
            return _step_up("insufficient_scope", "The token lacks the scope IdentityServerApi.")
        fresh = now.timestamp() - float(bearer.claims["auth_time"]) <= _FRESH_SECONDS
        if "mfa" not in bearer.claims["amr"] or not fresh:
            return _step_up(
                "insufficient_user_authentication", "A second factor within the last ten minutes is needed."
            )
        request_id = enrolment.start_signed_in(bearer.user, bearer.claims["sid"], origin_of(request), now)
        return done(request_id) if request_id else _no_good_token(token)


def _no_good_token(token: str) -> HttpResponse:
    response = problem(401, "A bearer access token is needed.")
    response["WWW-Authenticate"] = 'Bearer error="invalid_token"' if token else "Bearer"
    return response


def _step_up(error: str, sentence: str) -> HttpResponse:
    """403, with what to ask the authorization server for (RFC 9470)."""
    response = problem(403, sentence)
    response["WWW-Authenticate"] = f'Bearer error="{error}", acr_values="2", max_age="{_FRESH_SECONDS}"'
    return response


def _drawn(draw: Callable[[str, int], _Picture], begun: Enrolment, size: int) -> _Picture:
    """The picture of the enrolment's URI. On a small one a very long name is cut: the app only shows it."""
    secret = enrolment_secret(begun)
    try:
        return draw(_uri_of(secret, begun.request), size)
    except qr_code.DoesNotFit:
        try:
            return draw(_uri_of(secret, begun.request, longest=_CUT_NAME), size)
        except qr_code.DoesNotFit:
            raise _Malformed(problem(400, "The QR code has no room at this size. Ask for a larger one.")) from None


def _uri_of(secret: bytes, found: AuthenticationRequest, *, longest: int | None = None) -> str:
    account = found.user.username[:longest]
    return provisioning_uri.provisioning_uri(secret, issuer=conf.issuer(), account=account)


def _is_text(given: Parameters, name: str) -> bool:
    """Whether the parameter is there and `given.text` does not refuse it."""
    try:
        given.text(name)
    except InvalidParameters:
        return False
    return given.get(name) is not None


def _size(given: Parameters) -> int:
    value = given.get("size")
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if value is None or text == "":
        return _USUAL
    if text.isascii() and text.isdigit() and len(text) <= 4 and _SMALLEST <= int(text) <= _LARGEST:
        return int(text)
    raise _Malformed(problem(400, f"size is no whole number from {_SMALLEST} to {_LARGEST}."))


def _prefers(request: HttpRequest, media_type: str, *, over: str) -> bool:
    """Whether `Accept` ranks the one above the other (RFC 9110, 12.5.1)."""
    return request.get_preferred_type([over, media_type]) == media_type


def _json(document: object) -> HttpResponse:
    return HttpResponse(json.dumps(document), content_type="application/json")
