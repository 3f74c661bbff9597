"""What every answer of these calls has in common: nothing of it is for a cache, a referrer or a sniffing browser."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, Final, ParamSpec

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from identity.errors import InvalidParameters

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]

TEXT: Final = "text/plain; charset=utf-8"
HTML: Final = "text/html; charset=utf-8"

_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Pragma": "no-cache",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def answer(
    body: str | bytes, content_type: str = TEXT, *, status: int = 200, retry_after: int | None = None
) -> HttpResponse:
    """An answer with the headers that all of them carry."""
    content = body.encode() if isinstance(body, str) else body
    length = str(len(content))  # Without it the server would send the body in chunks.
    headers = {"Content-Type": content_type, "Content-Length": length, **_HEADERS}
    response = HttpResponse(content, status=status, headers=headers)
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response


def page(view: View[P]) -> View[P]:
    """A view for GET and POST from callers without cookies, hence without CSRF; what it cannot read is refused."""

    @csrf_exempt
    @wraps(view)
    def wrapper(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if request.method not in ("GET", "POST", "HEAD"):
            refusal = answer("This method is not offered here.", status=405)
            refusal.headers["Allow"] = "GET, HEAD, POST"
            return refusal
        try:
            return view(request, *args, **kwargs)
        except InvalidParameters as refused:
            return answer(f"invalid_request: {refused.detail}", status=refused.status)

    return wrapper
