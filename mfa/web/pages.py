"""What the hosted pages share: who may see them, where they may lead, and the ids they hold between two steps.

An id that serves as a credential travels in a signed cookie of its own, not in the session's table: only its SHA-256 is
ever written to the database.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme, urlencode

from identity.models import User
from identity.web.freshness import has_second_factor, is_fresh, step_up_url
from mfa import conf

_Rest = ParamSpec("_Rest")
_View = Callable[Concatenate[HttpRequest, _Rest], HttpResponseBase]

HOME = "/account/"
# Where a sign-in may lead: the pages that are ours, and the clients' door to them (ATTACKS A66).
_OWN_PATHS = ("/account/", "/admin/", "/connect/authorize?", "/api/docs/")
_SALT = "stepward.pending"
# What fits into a cookie beside the id; authorization requests are a third of it.
_LONGEST_PATH = 2048


def own_path(wanted: str) -> str:
    """`wanted` when it is a path of our own pages; the account page for all else."""
    safe = url_has_allowed_host_and_scheme(wanted, allowed_hosts=None)
    odd = (
        len(wanted) > _LONGEST_PATH
        or "\\" in wanted
        or "/../" in wanted
        or any(ord(character) < 0x21 for character in wanted)
    )
    return wanted if safe and not odd and wanted.startswith(_OWN_PATHS) else HOME


def hold(response: HttpResponseBase, name: str, **facts: str) -> None:
    """Let the browser keep `facts` until the request they belong to is over; only /account/ gets them back."""
    response.set_cookie(
        f"stepward_{name}",
        signing.dumps(facts, salt=f"{_SALT}.{name}", compress=True),
        max_age=int(conf.request_lifetime().total_seconds()),
        path=HOME,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def held(request: HttpRequest, name: str) -> dict[str, str]:
    """What `hold` gave, unless it was changed or is too old; else nothing."""
    try:
        facts: dict[str, str] = signing.loads(
            request.COOKIES.get(f"stepward_{name}", ""), salt=f"{_SALT}.{name}", max_age=conf.request_lifetime()
        )
    except signing.BadSignature:
        return {}
    return facts


def drop(response: HttpResponseBase, name: str) -> None:
    response.delete_cookie(f"stepward_{name}", path=HOME, samesite="Lax")


def signed_in(view: _View[_Rest]) -> _View[_Rest]:
    """Only for who has signed in with a second factor; others are led to the sign-in and back."""

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: _Rest.args, **kwargs: _Rest.kwargs) -> HttpResponseBase:
        if not request.user.is_authenticated or not has_second_factor(request):
            return HttpResponseRedirect(f"{settings.LOGIN_URL}?{urlencode({'next': _way_back(request)})}")
        return view(request, *args, **kwargs)

    return guarded


def with_fresh_factor(view: _View[_Rest]) -> _View[_Rest]:
    """Only within ten minutes of the second factor; later it is asked for again (ATTACKS A36, A40, A70)."""

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: _Rest.args, **kwargs: _Rest.kwargs) -> HttpResponseBase:
        if not is_fresh(request, timezone.now()):
            return HttpResponseRedirect(step_up_url(_way_back(request)))
        return view(request, *args, **kwargs)

    return signed_in(guarded)


def person(request: HttpRequest) -> User:
    """Who is signed in; for views behind `signed_in`."""
    assert isinstance(request.user, User)  # noqa: S101  The guard above has looked.
    return request.user


def page(
    request: HttpRequest, template: str, context: dict[str, Any] | None = None, *, status: int = 200
) -> HttpResponse:
    return render(request, f"mfa/{template}.html", context, status=status)


def over(request: HttpRequest, title: str, text: str, *, status: int = 410) -> HttpResponse:
    """A page that ends here: what asked for it is unknown, used, or over."""
    return page(request, "over", {"title": title, "text": text}, status=status)


def _way_back(request: HttpRequest) -> str:
    """Where to go on after signing in. A form that was sent is not sent again by itself."""
    return request.get_full_path() if request.method in ("GET", "HEAD") else HOME
