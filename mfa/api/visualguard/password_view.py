"""`/api/account/password`: changing it, which is what a person whose answer is 513 does next, and resetting it."""

import json

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema

from identity.api import parameters as reading
from identity.api.parameters import Parameters
from identity.api.problems import problem
from identity.api.views import ApiView
from identity.errors import InvalidParameters, Overloaded
from identity.flows import passwords
from identity.models import Client
from identity.oauth import client_authentication
from identity.primitives import login_names
from mfa.api.visualguard import account_schema as schema
from mfa.api.visualguard.token_view import origin_of
from mfa.flows import password_change, password_reset
from mfa.flows.password_change import Change, ChangeRefusal
from mfa.flows.password_reset import ResetRefusal

_REFUSALS = {
    ChangeRefusal.WRONG_PASSWORD: (400, "The user name or the password is not right."),
    ChangeRefusal.LOCKED_OUT: (429, "Too many wrong passwords. Wait, or ask an administrator."),
    ChangeRefusal.ACCOUNT_CLOSED: (403, "The account may not sign in to this application."),
    ChangeRefusal.FACTOR_DUE: (403, "An AuthenticationRequestId whose second factor has passed is needed."),
    ChangeRefusal.NOT_ACCEPTABLE: (400, "The new password is not acceptable."),
}
_RESET_REFUSALS = {
    ResetRefusal.CODE_NOT_GOOD: (400, "The code is not right, was used, or is older than half an hour."),
    ResetRefusal.ACCOUNT_CLOSED: (403, "The password of this account cannot be reset."),
}


class ClientView(ApiView):
    """A call that a client makes for somebody who is not signed in."""

    def answer(self, request: HttpRequest) -> HttpResponse:
        """Read, authenticate the client, act; what cannot be read is told as a problem."""
        try:
            given = reading.read(getattr(request, "_request", request))
            shown = client_authentication.credentials(
                request.headers.get("Authorization", ""),
                given.text("client_id", limit=255),
                given.text("client_secret"),
            )
            client = client_authentication.find(shown) if shown else None
            if client is None:
                return problem(401, "The client is not known or did not show its secret.")
            return self.act(request, given, client)
        except InvalidParameters as refusal:
            return problem(refusal.status, refusal.detail)
        except Overloaded as overload:
            return problem(503, "Too many passwords are being checked.", retry_after=overload.retry_after)

    def act(self, request: HttpRequest, given: Parameters, client: Client) -> HttpResponse:
        """What the call does for an authenticated client."""
        raise NotImplementedError


class PasswordView(ClientView):
    """Change the own password; every session, open request and remembered device of the account ends with it."""

    @extend_schema(**schema.PASSWORD)
    def post(self, request: HttpRequest) -> HttpResponse:
        return self.answer(request)

    def act(self, request: HttpRequest, given: Parameters, client: Client) -> HttpResponse:
        asked = Change(
            client=client,
            username=given.text("Username", limit=login_names.MAXIMUM_LENGTH),
            password=given.text("Password", limit=passwords.MAXIMUM_BYTES),
            new_password=given.text("NewPassword"),
            request_id=given.text("AuthenticationRequestId"),
            origin=origin_of(request),
        )
        if not (asked.username and asked.password and asked.new_password):
            return problem(400, "Username, Password and NewPassword are needed.")
        outcome = password_change.change(asked, timezone.now())
        if outcome.refusal is None:
            return _done()
        status, sentence = _REFUSALS[outcome.refusal]
        wait = client.installation.lockout_unlock_after if outcome.refusal == ChangeRefusal.LOCKED_OUT else None
        problems = {"problems": list(outcome.problems)} if outcome.problems else None
        return problem(status, sentence, retry_after=wait, extra=problems)


class ResetView(ClientView):
    """Ask for a code to the account's verified e-mail address. The answer tells nothing about the name."""

    @extend_schema(**schema.PASSWORD_RESET)
    def post(self, request: HttpRequest) -> HttpResponse:
        return self.answer(request)

    def act(self, request: HttpRequest, given: Parameters, client: Client) -> HttpResponse:
        username = given.text("Username", limit=login_names.MAXIMUM_LENGTH)
        if not username:
            return problem(400, "Username is needed.")
        password_reset.ask(username, client, origin_of(request), timezone.now())
        return _done(status=202)


class ResetConfirmView(ClientView):
    """Set a new password with the code that was sent. It signs nobody in, and a second factor stays due."""

    @extend_schema(**schema.PASSWORD_RESET_CONFIRM)
    def post(self, request: HttpRequest) -> HttpResponse:
        return self.answer(request)

    def act(self, request: HttpRequest, given: Parameters, client: Client) -> HttpResponse:
        code, new_password = given.text("ResetCode", limit=128), given.text("NewPassword")
        if not (code and new_password):
            return problem(400, "ResetCode and NewPassword are needed.")
        refusal = password_reset.confirm(code, new_password, client, origin_of(request), timezone.now())
        if refusal is None:
            return _done()
        if isinstance(refusal, list):
            return problem(400, "The new password is not acceptable.", extra={"problems": refusal})
        return problem(*_RESET_REFUSALS[refusal])


def _done(*, status: int = 200) -> HttpResponse:
    return HttpResponse(json.dumps({"Status": 3}), status=status, content_type="application/json")
