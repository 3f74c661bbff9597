"""The server's addresses, and one that tells which modules the process has loaded."""

import sys

from django.http import HttpRequest, JsonResponse
from django.urls import path

from config.urls import handler400, handler403, handler404, handler500  # noqa: F401  Django looks for them here.
from config.urls import urlpatterns as served


def modules(request: HttpRequest) -> JsonResponse:
    return JsonResponse(sorted(sys.modules), safe=False)


urlpatterns = [path("modules", modules), *served]
