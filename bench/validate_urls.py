"""The server's addresses, and an empty view that goes through the same middleware."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from config.urls import handler400, handler403, handler404, handler500  # noqa: F401  Django looks for them here.
from config.urls import urlpatterns as served


def empty(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


urlpatterns = [path("bench/empty", empty), *served]
