"""The server's addresses, and an empty view twice: as a page, and as a call by programs."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from config.urls import calls, handler400, handler403, handler404, handler500  # noqa: F401  Django looks for them here.
from config.urls import urlpatterns as served


def empty(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


calls.append(path("bench/call", empty))

urlpatterns = [path("bench/empty", empty), *served]
