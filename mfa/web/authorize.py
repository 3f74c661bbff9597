"""`/connect/authorize` and `/connect/endsession`: a browser comes from a client, and goes back to it."""

import hashlib
from collections.abc import Callable
from functools import wraps
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from identity.api import parameters as reading
from identity.api.problems import problem
from identity.errors import InvalidParameters
from identity.flows import audit, tokens
from identity.models import Client, Session
from identity.oauth import authorization, jwt
from identity.oauth.authorization import Refused
from identity.web import browser_session
from identity.web.freshness import is_fresh
from mfa.api.visualguard.token_view import origin_of
from mfa.flows import authorization as flow
from mfa.web import pages

_A_YEAR = 366 * 86400
_LONGEST = 8192  # An ID token may name many groups.
_ASKED = "authorize_asked"  # `browser_session` carries it over the sign-in.
_View = Callable[[HttpRequest], HttpResponseBase]


def _also_posted(view: _View) -> _View:
    """A form of the client's is sent on as the same request by GET, and does nothing itself.

    It needs no CSRF token, since what it leads to is a link that any site may hold. And a browser sends no cookie of
    ours along with another site's form, but does along with the GET that follows.
    """

    @wraps(view)
    def guarded(request: HttpRequest) -> HttpResponseBase:
        if request.method != "POST":
            return view(request)
        try:
            given = reading.read(request)
            query = urlencode({name: given.text(name, limit=_LONGEST) for name in given})
        except InvalidParameters as refusal:
            return problem(refusal.status, refusal.detail)
        return _away(f"{request.path}?{query}", status=303)

    return csrf_exempt(require_http_methods(["GET", "POST"])(guarded))


@_also_posted
def authorize(request: HttpRequest) -> HttpResponseBase:
    """Give the client a code for who is signed in; ask for a sign-in first where one is due.

    There is no consent page: clients are the operator's own, provisioned by name.
    """
    asked = authorization.check(request.META.get("QUERY_STRING", ""))
    if isinstance(asked, Refused):
        return _away(asked.location) if asked.location else problem(400, "This authorization request is not valid.")
    now = timezone.now()
    session = browser_session.own(request)
    just_signed_in = _has_just_signed_in(request, session)
    if flow.needs_sign_in(asked, session, now):
        if "none" in asked.prompts:
            return _away(authorization.back(asked.redirect_uri, asked.state, "login_required").location)
        if not just_signed_in:
            return _to_sign_in(request, asked)
    assert session is not None  # noqa: S101  Without one a sign-in is needed.
    granted = flow.grant(asked, session, origin_of(request), now)
    return _away(granted.location if isinstance(granted, Refused) else granted)


@_also_posted
def end_session(request: HttpRequest) -> HttpResponseBase:
    """Sign out at a client's wish (OpenID Connect RP-Initiated Logout 1.0).

    Without an ID token of ours that names the session, the person is asked first: a mere link signs nobody out.
    """
    now = timezone.now()
    hint = jwt.read(request.GET.get("id_token_hint", ""), typ="JWT", now=now, leeway=_A_YEAR)
    session = Session.objects.select_related("user").filter(pk=hint["sid"]).first() if hint else None
    if hint is None or session is None:
        return _away("/account/sign-out")
    if session.ended_at is None:
        tokens.end_session(session, "signed out", now)
        audit.record("session.ended", user=session.user, address=origin_of(request).address)
    if request.user.is_authenticated and request.user.pk == session.user_id:
        browser_session.leave(request, address=origin_of(request).address, now=now)
    wanted = request.GET.get("post_logout_redirect_uri", "")
    client = Client.objects.filter(client_id=hint["aud"]).first()
    if client is None or wanted not in client.redirect_uris.split():
        return _away("/account/sign-out")
    state = request.GET.get("state", "")
    return _away(f"{wanted}{'&' if '?' in wanted else '?'}{urlencode({'state': state})}" if state else wanted)


def _has_just_signed_in(request: HttpRequest, session: Session | None) -> bool:
    """Whether the browser comes back from the sign-in that this very request asked for; said once (ATTACKS A36)."""
    asked = request.session.get(_ASKED)
    if not isinstance(asked, list) or asked[1] != _digest(request):
        return False
    del request.session[_ASKED]
    came_back = session is not None and session.auth_time.timestamp() >= asked[0]
    return came_back and request.session.get("acr") == "2" and is_fresh(request, timezone.now())


def _to_sign_in(request: HttpRequest, asked: authorization.Asked) -> HttpResponseBase:
    """Sign in and come back; the client hears it at once where its request is too long for that."""
    if pages.own_path(request.get_full_path()) == pages.HOME:
        return _away(authorization.back(asked.redirect_uri, asked.state, "invalid_request").location)
    request.session[_ASKED] = [timezone.now().timestamp(), _digest(request)]
    query = urlencode({"next": request.get_full_path(), "fresh": "1"})
    return _away(f"{settings.LOGIN_URL}?{query}")


def _digest(request: HttpRequest) -> str:
    """Stands for one authorization request, written as the sign-in leads back to it."""
    return hashlib.sha256(request.get_full_path().encode()).hexdigest()


def _away(location: str, *, status: int = 302) -> HttpResponseBase:
    """A redirect; the address was checked against what is registered, whatever its scheme (native clients)."""
    response = HttpResponse(status=status)
    response["Location"] = location
    return response
