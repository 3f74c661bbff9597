"""Errors as RFC 9457 `application/problem+json`; nothing in them comes from an exception's own text."""

import json
import sys
from http import HTTPStatus
from typing import Any

from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework import exceptions
from rest_framework.response import Response

from identity import metrics
from identity.errors import Overloaded

CONTENT_TYPE = "application/problem+json"


def problem(
    status: int, detail: str, *, retry_after: int | None = None, extra: dict[str, Any] | None = None
) -> HttpResponse:
    """An error answer. With `Status` among `extra`, `status` is left out: .NET clients bind names without case."""
    document: dict[str, Any] = {"type": "about:blank", "title": HTTPStatus(status).phrase}
    if not extra or "Status" not in extra:
        document["status"] = status
    document["detail"] = detail
    document.update(extra or {})
    response = HttpResponse(json.dumps(document), status=status, content_type=CONTENT_TYPE)
    if retry_after is not None:
        response["Retry-After"] = str(retry_after)
    return response


_DETAILS = {
    400: "The request could not be read.",
    401: "Who you are must be shown first.",
    403: "This is not allowed.",
    404: "There is nothing here.",
    405: "This method is not offered here.",
    406: "None of the formats asked for is offered.",
    413: "The body is larger than 64 KiB.",
    415: "This content type is not read here.",
    429: "Too many requests.",
}


def exception_handler(exception: Exception, context: dict[str, Any]) -> Response | HttpResponse | None:
    """REST framework's errors in our form. What it does not know goes on to be a 500."""
    if isinstance(exception, Http404):
        return problem(404, _DETAILS[404])
    if not isinstance(exception, exceptions.APIException):
        return None
    response = problem(exception.status_code, _DETAILS.get(exception.status_code, "The request was refused."))
    if isinstance(exception, exceptions.MethodNotAllowed):
        view = context.get("view")
        response["Allow"] = ", ".join(getattr(view, "allowed_methods", []))
    return response


def unavailable(exception: BaseException | None) -> HttpResponse | None:
    """503 for what passes by itself: a full hash queue, a database or Redis that is away or too busy; else None."""
    if isinstance(exception, Overloaded):
        return problem(503, "Too many sign-ins at once.", retry_after=exception.retry_after)
    if isinstance(exception, (OperationalError, InterfaceError)):
        part = "database"
    elif exception is not None and _is_of_the_broker(exception):
        part = "broker"
    else:
        return None
    metrics.UNAVAILABLE.labels(part).inc()
    return problem(503, f"The {part} does not answer.", retry_after=_RETRY_AFTER)


_RETRY_AFTER = 5  # seconds
_BROKER_ERRORS = {("redis.exceptions", "RedisError"), ("kombu.exceptions", "OperationalError")}


def _is_of_the_broker(exception: BaseException) -> bool:
    """By name: an installation without Redis loads neither library."""
    return any((kind.__module__, kind.__name__) in _BROKER_ERRORS for kind in type(exception).__mro__)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problem(404, _DETAILS[404])


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problem(400, _DETAILS[400])


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problem(403, _DETAILS[403])


def server_error(request: HttpRequest) -> HttpResponse:
    away = unavailable(sys.exc_info()[1])
    if away is not None:  # It rose outside of a view, where `config.middleware` does not see it.
        return away
    return problem(500, "Something went wrong here; the log tells what.")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return problem(403, "The form was not sent from this site, or its page was open for too long. Load it again.")
