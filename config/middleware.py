"""What happens around every request: a trace id, the rate and body limits, headers, one log line, one observation."""

import time
import uuid
from collections.abc import Callable

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from config import rate_limit
from config.logs import where_it_rose
from identity import metrics
from identity.api.addresses import client_address
from identity.api.problems import problem, unavailable

GetResponse = Callable[[HttpRequest], HttpResponseBase]

log = structlog.get_logger("stepward.access")
_PROBES = {"/healthz", "/readyz", "/metrics"}
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"}


class RequestContextMiddleware:
    """The outermost layer. Its log line names the route, never the path: paths may hold request ids."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        started = time.perf_counter()
        if request.path_info in _PROBES:
            # Probes come with whatever host their platform likes; nothing in their answer depends on it.
            request.META["HTTP_HOST"] = _own_host()
        trace_id = uuid.uuid4().hex
        request.META["stepward.trace_id"] = trace_id
        with structlog.contextvars.bound_contextvars(trace_id=trace_id):
            response = _refusal(request) or self.get_response(request)
            _set_headers(request, response)
            _note(request, response, time.perf_counter() - started)
        return response


class UnavailableMiddleware:
    """The innermost layer: what passes by itself is answered with 503 and Retry-After instead of 500."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Called by Django with what a view let through; None lets it become a 500."""
        response = unavailable(exception)
        if response is not None:
            log.warning("unavailable", exception=where_it_rose(exception))
        return response


def _own_host() -> str:
    host = next((host for host in settings.ALLOWED_HOSTS if host != "*"), "localhost")
    return host.lstrip(".")


def _refusal(request: HttpRequest) -> HttpResponse | None:
    if settings.RATE_LIMIT and request.path_info not in _PROBES:
        wait = rate_limit.seconds_to_wait(client_address(request), settings.RATE_LIMIT)
        if wait:
            metrics.RATE_LIMITED.inc()
            return problem(429, "Too many requests from this address.", retry_after=wait)
    if _declared_length(request) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
        return problem(413, "The body is larger than 64 KiB.")
    return None


def _note(request: HttpRequest, response: HttpResponseBase, seconds: float) -> None:
    method = request.method if request.method in _METHODS else "other"
    route = request.resolver_match.route if request.resolver_match else "-"
    metrics.REQUESTS.labels(method, route, response.status_code).observe(seconds)
    log.info(
        "request",
        method=method,
        route=route,
        status=response.status_code,
        ms=round(seconds * 1000, 1),
        address=client_address(request),
    )


def _declared_length(request: HttpRequest) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0


def _set_headers(request: HttpRequest, response: HttpResponseBase) -> None:
    """Nothing we say is for a cache or a referrer, but for files that are the same for everybody."""
    if not request.path_info.startswith(settings.STATIC_URL):
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers.setdefault("Pragma", "no-cache")
    # Browsers send `Origin: null` for a form under `no-referrer`, and then every CSRF check refuses it.
    is_page = response.headers.get("Content-Type", "").startswith("text/html")
    response.headers.setdefault("Referrer-Policy", "strict-origin" if is_page else "no-referrer")
