"""`POST /api/account/password`: what a person whose answer is 513 does next."""

import json

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_exempt
from drf_spectacular.utils import extend_schema
from rest_framework.views import APIView

from identity.api import parameters as reading
from identity.api.problems import problem
from identity.errors import InvalidParameters, Overloaded
from identity.flows import passwords
from identity.oauth import client_authentication
from identity.primitives import login_names
from mfa.api.visualguard import schema
from mfa.api.visualguard.token_view import origin_of
from mfa.flows import password_change
from mfa.flows.password_change import Change, ChangeRefusal

_REFUSALS = {
    ChangeRefusal.WRONG_PASSWORD: (400, "The user name or the password is not right."),
    ChangeRefusal.LOCKED_OUT: (429, "Too many wrong passwords. Wait, or ask an administrator."),
    ChangeRefusal.ACCOUNT_CLOSED: (403, "The account may not sign in to this application."),
    ChangeRefusal.FACTOR_DUE: (403, "An AuthenticationRequestId whose second factor has passed is needed."),
    ChangeRefusal.NOT_ACCEPTABLE: (400, "The new password is not acceptable."),
}


@method_decorator(csrf_exempt, name="dispatch")
class PasswordView(APIView):
    """Change the own password; every session, open request and remembered device of the account ends with it."""

    @extend_schema(**schema.PASSWORD)
    def post(self, request: HttpRequest) -> HttpResponse:
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
        except InvalidParameters as refusal:
            return problem(refusal.status, refusal.detail)
        except Overloaded as overload:
            return problem(503, "Too many passwords are being checked.", retry_after=overload.retry_after)
        if outcome.refusal is None:
            return HttpResponse(json.dumps({"Status": 3}), content_type="application/json")
        status, sentence = _REFUSALS[outcome.refusal]
        return problem(status, sentence, extra={"problems": list(outcome.problems)} if outcome.problems else None)
