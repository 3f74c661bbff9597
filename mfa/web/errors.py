"""Errors for people: a page where a browser asks, RFC 9457 for everybody else."""

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from identity.api import problems
from mfa.web import pages


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if not _asks_for_a_page(request):
        return problems.not_found(request, exception)
    return pages.over(request, _("There is nothing here"), _("The address is not known on this server."), status=404)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    if not _asks_for_a_page(request):
        return problems.csrf_failure(request, reason)
    text = _("It was open for too long, or your browser keeps no cookies. Load the page again and send it once more.")
    return pages.over(request, _("The form was not accepted"), text, status=403)


def _asks_for_a_page(request: HttpRequest) -> bool:
    return request.get_preferred_type([problems.CONTENT_TYPE, "text/html"]) == "text/html"
