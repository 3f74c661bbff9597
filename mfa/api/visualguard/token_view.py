"""`POST /connect/token`: the password step, the second-factor step, and the grants that need no ceremony."""

import json
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import get_language_from_request
from drf_spectacular.utils import extend_schema

from identity.api import parameters as reading
from identity.api.addresses import client_address
from identity.api.parameters import Parameters
from identity.api.views import CallView
from identity.errors import InvalidParameters, OutdatedClient, Overloaded
from identity.flows import passwords, tokens
from identity.models import Client
from identity.models.client import GrantType
from identity.oauth import client_authentication, scopes
from identity.primitives import login_names
from mfa.api.visualguard import documents, holding, schema
from mfa.flows import authorization, second_step, sign_in
from mfa.flows.second_step import Action, SecondStep
from mfa.flows.sign_in import PasswordStep
from mfa.outcomes import Origin

_CEREMONY = {GrantType.VG_AUTHENTICATOR.value, GrantType.PASSWORD.value}
_EXCHANGES = {GrantType.REFRESH_TOKEN.value, GrantType.CLIENT_CREDENTIALS.value}
_ACTIONS = {
    "poll": Action.POLL,
    "sendotp": Action.SEND_OTP,
    "sendlink": Action.SEND_LINK,
    "authenticateotp": Action.AUTHENTICATE_OTP,
    "cancelotp": Action.CANCEL_OTP,
    "cancellink": Action.CANCEL_LINK,
}
_ACTIONS |= {str(int(action)): action for action in Action}


class Refused(Exception):
    """A stock OAuth error (RFC 6749, 5.2), without Visual Guard's keys."""

    def __init__(self, error: str, description: str = "", *, status: int = 400) -> None:
        super().__init__(error)
        self.error, self.description, self.status = error, description, status


class TokenView(CallView):
    """The token endpoint. Parameters come from the body alone, never from the query string."""

    @extend_schema(**schema.TOKEN)
    def post(self, request: HttpRequest) -> HttpResponse:
        try:
            return self._answer(request)
        except InvalidParameters as refusal:
            error = Refused("invalid_request", refusal.detail, status=refusal.status)
        except Refused as refusal:
            error = refusal
        except Overloaded as overload:
            response = _error(Refused("temporarily_unavailable", "Too many sign-ins at once.", status=503))
            response["Retry-After"] = str(overload.retry_after)
            return response
        return _error(error, challenge="HTTP_AUTHORIZATION" in request.META)

    def _answer(self, request: HttpRequest) -> HttpResponse:
        given = reading.read(request)
        grant_type = given.text("grant_type")
        if not grant_type:
            raise Refused("invalid_request", "grant_type is missing.")
        may_be_kept = grant_type in _CEREMONY and _looks_again(given)
        while True:
            try:
                return self._granted(request, given, grant_type, _client(request, given, may_be_kept=may_be_kept))
            except OutdatedClient:
                may_be_kept = False
            except Refused:
                # What refuses before the first statement may be a rule that has changed since the client was kept.
                if not may_be_kept:
                    raise
                may_be_kept = False

    def _granted(self, request: HttpRequest, given: Parameters, grant_type: str, client: Client) -> HttpResponse:
        if grant_type in _CEREMONY:
            if not _CEREMONY & set(client.grant_types):
                raise Refused("unauthorized_client")
            return _json(*self._ceremony(request, given, client))
        if grant_type == GrantType.AUTHORIZATION_CODE and grant_type in client.grant_types:
            return _json(*_code(given, client, origin_of(request)))
        if grant_type not in _EXCHANGES and grant_type != GrantType.AUTHORIZATION_CODE:
            raise Refused("unsupported_grant_type")
        if grant_type not in client.grant_types:
            raise Refused("unauthorized_client")
        named = {name: given.text(name) for name in ("grant_type", "refresh_token", "scope") if given.text(name)}
        done = tokens.exchange(client, named, address=client_address(request), now=timezone.now())
        return _json(done.status, done.document)

    @staticmethod
    def _ceremony(request: HttpRequest, given: Parameters, client: Client) -> tuple[int, dict[str, Any]]:
        origin = origin_of(request)
        if given.text("AuthenticationRequestId"):
            polling = _action(given) == Action.POLL
            with holding.place(_hold(request, given, polling=polling)) as seconds:
                answer = second_step.second_step(_second(given, client, origin, seconds), timezone.now())
        else:
            answer = sign_in.password_step(_first(given, client, origin), timezone.now())
        return (200, documents.success(answer)) if answer.tokens else (400, documents.refusal(answer))


def _code(given: Parameters, client: Client, origin: Origin) -> tuple[int, dict[str, Any]]:
    names = ("grant_type", "code", "redirect_uri", "code_verifier")
    named = {name: given.text(name) for name in names if given.text(name)}
    done = authorization.exchange(client, named, origin, timezone.now())
    return done.status, done.document


def origin_of(request: HttpRequest) -> Origin:
    """Where the call comes from."""
    return Origin(
        address=client_address(request),
        user_agent=request.META.get("HTTP_USER_AGENT", "")[:200],
        language=get_language_from_request(request),
    )


def _looks_again(given: Parameters) -> bool:
    """Whether the step's first statement looks whether the client is still as a process has kept it."""
    return not given.text("AuthenticationRequestId") or _action(given) == Action.AUTHENTICATE_OTP


def _client(request: HttpRequest, given: Parameters, *, may_be_kept: bool) -> Client:
    shown = client_authentication.credentials(
        request.META.get("HTTP_AUTHORIZATION", ""), given.text("client_id", limit=255), given.text("client_secret")
    )
    if shown is None:
        raise Refused("invalid_request", "The client shows its credentials in two ways.")
    client = client_authentication.find(shown, may_be_kept=may_be_kept)
    if client is None:
        raise Refused("invalid_client", status=401)
    return client


def _first(given: Parameters, client: Client, origin: Origin) -> PasswordStep:
    username = given.text("Username", limit=login_names.MAXIMUM_LENGTH)
    password = given.text("Password", limit=passwords.MAXIMUM_BYTES)
    if not username or not password:
        raise Refused("invalid_request", "Username and Password are needed.")
    if len(password.encode()) > passwords.MAXIMUM_BYTES:
        raise Refused("invalid_request", f"Password has more than {passwords.MAXIMUM_BYTES} bytes.")
    if given.text("VGAuthenticationModule").casefold() not in ("", "vguser"):
        raise Refused("invalid_request", "VGAuthenticationModule is not VGUser.")
    granted = scopes.granted(client, given.text("scope").split())
    if granted is None:
        raise Refused("invalid_scope")
    return PasswordStep(
        client=client,
        username=username,
        password=password,
        scopes=tuple(granted),
        origin=origin,
        remembered_device_token=given.text("RememberedDeviceToken", limit=128),
        invitation_code=given.text("InvitationCode", limit=128),
    )


def _second(given: Parameters, client: Client, origin: Origin, seconds: float) -> SecondStep:
    return SecondStep(
        client=client,
        request_id=given.text("AuthenticationRequestId"),
        username=given.text("Username", limit=login_names.MAXIMUM_LENGTH),
        action=_action(given),
        factor_id=given.text("MFAAvailableId", limit=64).lower(),
        code=given.text("MFASecureCode"),
        origin=origin,
        remember=given.switch("RememberDevice"),
        hold=seconds,
    )


def _action(given: Parameters) -> Action | None:
    """`MFAAction` as a number, as text of a number, or by name; None when it is not given."""
    value = given.get("MFAAction")
    if value is None or value == "":
        if given.text("MFASecureCode"):
            raise Refused("invalid_request", "MFASecureCode needs MFAAction 3.")
        return None
    is_number = isinstance(value, int) and not isinstance(value, bool)
    action = _ACTIONS.get(str(value).casefold()) if is_number or isinstance(value, str) else None
    if action is None:
        raise Refused("invalid_request", "MFAAction is none of 0 to 5.")
    return action


def _hold(request: HttpRequest, given: Parameters, *, polling: bool) -> float:
    if _action(given) not in (Action.SEND_LINK, Action.POLL):
        return 0.0
    return holding.seconds_wanted(request.META.get("HTTP_PREFER", ""), polling=polling)


def _json(status: int, document: dict[str, Any]) -> HttpResponse:
    return HttpResponse(json.dumps(document), status=status, content_type="application/json")


def _error(refusal: Refused, *, challenge: bool = False) -> HttpResponse:
    document = {"error": refusal.error}
    if refusal.description:
        document["error_description"] = refusal.description
    response = _json(refusal.status, document)
    if refusal.status == 401 and challenge:
        response["WWW-Authenticate"] = 'Basic realm="Stepward"'
    return response
