"""Django's WSGI handler, with a shorter way for the one call that asks neither a database nor a cache."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpResponseBase

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

# `Validate.aspx` is asked as often as its caller's people sign in; docs/decisions/0022 has the figures.
_ASKS_NOTHING: Final = "/validate.aspx"


class Application(WSGIHandler):
    """The short way leaves out what Django does around a request for connections to databases and caches: none is open.

    The middleware is the same, and so are the answers.
    """

    def __init__(self) -> None:
        super().__init__()
        self.short = _ASKS_NOTHING if settings.STATELESS_API else None

    def __call__(  # type: ignore[override]
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        if environ.get("PATH_INFO", "").lower() != self.short:
            answer: Iterable[bytes] = super().__call__(environ, start_response)
            return answer
        chain: Any = vars(self)["_middleware_chain"]
        response: HttpResponseBase = chain(self.request_class(environ))
        start_response(f"{response.status_code} {response.reason_phrase}", list(response.items()))
        return list(response)
