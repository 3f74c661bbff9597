"""What every call of the server's own API stands on."""

from collections.abc import Iterable
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.views import APIView


class ViewDecides(BaseContentNegotiation):
    """What `Accept` decides is each view's own question, since some of them draw pictures.

    REST framework knows its own renderers alone: it refused `Accept: image/svg+xml` with 406.
    """

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser:
        return next(iter(parsers))

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        first = next(iter(renderers))
        return first, first.media_type


class ApiView(APIView):
    """A view that reads with `identity.api.parameters` and writes its answers itself."""

    content_negotiation_class = ViewDecides


class CallView(ApiView):
    """A view whose calls go straight to their method, with Django's own request.

    REST framework still documents it, answers OPTIONS and refuses other methods. Its parsers, authenticators, throttles
    and negotiation have nothing to do here, and took a thirtieth of a code step to do it.
    """

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        handler = getattr(self, request.method.lower(), None) if request.method in ("GET", "POST") else None
        if handler is None:
            refused: HttpResponseBase = super().dispatch(request, *args, **kwargs)
            return refused
        response: HttpResponseBase = handler(request, *args, **kwargs)
        response["Allow"] = ", ".join(self.allowed_methods)
        return response
