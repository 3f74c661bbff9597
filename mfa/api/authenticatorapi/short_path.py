"""A short way to `Validate.aspx`: past the session, the language, CSRF and every other layer that it has no use for.

It stands right below the outermost layer, so that the rate limit, the access log and the metrics see the call as any
other. `docs/decisions/0022` has the figures.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponseBase
from django.urls import ResolverMatch

from mfa.api.authenticatorapi import pages

ROUTE: Final = "Validate.aspx"


class ValidateShortPathMiddleware:
    """Calls the view itself; everything else goes the usual way."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        if not settings.STATELESS_API:
            raise MiddlewareNotUsed
        self.get_response = get_response
        name = f"authenticatorapi-{ROUTE}"
        self.match = ResolverMatch(pages.validate, (), {}, url_name=name, route=ROUTE)
        self.path = f"/{ROUTE.lower()}"

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info.lower() != self.path:
            return self.get_response(request)
        request.resolver_match = self.match
        request.get_host()  # Raises what becomes a 400 where the host is not ours, as everywhere else.
        return pages.validate(request)
