"""What every call of the server's own API stands on."""

from collections.abc import Iterable

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
