"""A browser's session: entered by a completed sign-in alone, and over as soon as its row in the table is."""

from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth import login, logout
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone

from identity import conf
from identity.flows import accounts, audit, tokens
from identity.models import Session
from identity.web.freshness import ACR, AUTH_TIME, SESSION_ID

_BACKEND = "identity.web.backend.CompletedSignInBackend"
AMR = "amr"
# What a client's authorization request noted down before the sign-in, and looks for after it.
_KEPT = ("authorize_asked",)
_LAST_USED_IS_WRITTEN_EVERY = timedelta(seconds=60)


def enter(request: HttpRequest, session: Session) -> None:
    """Sign the browser in to `session`, under a new key (ASVS 5.0 7.2.4); the one it had before ends."""
    before = own(request)
    kept = {name: request.session[name] for name in _KEPT if name in request.session}
    login(request, session.user, backend=_BACKEND)
    request.session.cycle_key()
    request.session.update(kept)
    request.session[SESSION_ID] = str(session.pk)
    request.session[ACR] = session.acr
    request.session[AMR] = session.amr.split()
    request.session[AUTH_TIME] = int(session.auth_time.timestamp())
    if before is not None and before.pk != session.pk:
        tokens.end_session(before, "signed in anew", timezone.now())


def leave(request: HttpRequest, *, address: str, now: datetime) -> None:
    """Sign the browser out, here and in the table."""
    session = own(request)
    if session is not None:
        tokens.end_session(session, "signed out", now)
        audit.record("session.ended", user=session.user, client=session.client, address=address)
    logout(request)


def own(request: HttpRequest) -> Session | None:
    """The live session of whoever is signed in with this browser."""
    sid = request.session.get(SESSION_ID)
    if not request.user.is_authenticated or not isinstance(sid, str):
        return None
    return (
        Session.objects.select_related("user", "client")
        .filter(pk=sid, user_id=request.user.pk, ended_at__isnull=True)
        .first()
    )


class EndedSessionMiddleware:
    """Signs a browser out when its session was ended elsewhere, or its account closed (ATTACKS A60).

    Who comes without our cookie, as every client of the API does, costs nothing here.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if settings.SESSION_COOKIE_NAME in request.COOKIES and SESSION_ID in request.session:
            self._look(request, timezone.now())
        return self.get_response(request)

    @staticmethod
    def _look(request: HttpRequest, now: datetime) -> None:
        session = own(request)
        if session is None or _is_too_old(session, now) or accounts.states(session.user, None, now):
            request.session.flush()
            request.user = AnonymousUser()
        elif now - session.last_used_at > _LAST_USED_IS_WRITTEN_EVERY:
            Session.objects.filter(pk=session.pk).update(last_used_at=now)


def _is_too_old(session: Session, now: datetime) -> bool:
    """Django's own expiry moves on with each change of the session's data; this one does not (ASVS 5.0 7.3.2)."""
    return now - session.auth_time > conf.browser_session_lifetime()
