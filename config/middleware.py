"""What happens around every request: a trace id, the rate and body limits, headers, one log line, one observation."""

from collections.abc import Callable
from random import getrandbits
from time import perf_counter
from typing import Any, Final

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.middleware.locale import LocaleMiddleware
from django.urls import Resolver404, ResolverMatch, URLResolver
from django.urls.resolvers import RegexPattern
from django.utils import translation
from structlog.contextvars import bind_contextvars, reset_contextvars

from config import logs, rate_limit
from config.logs import where_it_rose
from config.routes import readable
from identity import metrics
from identity.api.addresses import client_address
from identity.api.problems import problem, unavailable

GetResponse = Callable[[HttpRequest], HttpResponseBase]

log = structlog.get_logger("stepward.access")
_PROBES: Final = {"/healthz", "/readyz", "/metrics"}
_METHODS: Final = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"}


class RequestContextMiddleware:
    """The outermost layer. Its log line names the route, never the path: paths may hold request ids."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.rate_limit: int = settings.RATE_LIMIT
        self.largest_body: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        self.static_url: str = settings.STATIC_URL

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        started = perf_counter()
        address = client_address(request)
        is_probe = request.path_info in _PROBES
        if is_probe:
            # Probes come with whatever host their platform likes; nothing in their answer depends on it.
            request.META["HTTP_HOST"] = _own_host()
        trace_id = f"{getrandbits(128):032x}"  # A name and no secret.
        bound = bind_contextvars(trace_id=trace_id)
        try:
            response = self._refusal(request, address, is_probe) or self.get_response(request)
        finally:
            reset_contextvars(**bound)
        self._set_headers(request, response)
        _note(request, response, perf_counter() - started, address, trace_id)
        return response

    def _refusal(self, request: HttpRequest, address: str, is_probe: bool) -> HttpResponse | None:
        if self.rate_limit and not is_probe:
            wait = rate_limit.seconds_to_wait(address, self.rate_limit)
            if wait:
                metrics.RATE_LIMITED.inc()
                return problem(429, "Too many requests from this address.", retry_after=wait)
        if _declared_length(request) > self.largest_body:
            return problem(413, "The body is larger than 64 KiB.")
        return None

    def _set_headers(self, request: HttpRequest, response: HttpResponseBase) -> None:
        """Nothing we say is for a cache or a referrer, but for files that are the same for everybody."""
        headers = response.headers
        if "Cache-Control" not in headers and not request.path_info.startswith(self.static_url):
            headers["Cache-Control"] = "no-store"
            headers.setdefault("Pragma", "no-cache")
        if "Referrer-Policy" not in headers:
            # Browsers send `Origin: null` for a form under `no-referrer`, and then every CSRF check refuses it.
            is_page = headers.get("Content-Type", "").startswith("text/html")
            headers["Referrer-Policy"] = "strict-origin" if is_page else "no-referrer"


class CallsMiddleware:
    """Serves `config.urls.calls` itself, past everything that only pages need: their callers bring no cookie.

    So no session, no CSRF token, no message and no language is looked for; `docs/decisions/0022` says what that saves.
    """

    def __init__(self, get_response: GetResponse) -> None:
        from config.urls import calls  # It loads every view, for which the settings must stand.

        self.get_response = get_response
        self.resolver = URLResolver(RegexPattern(r"^/"), calls)
        self.matches: dict[str, ResolverMatch] = {}
        self.hosts: set[str] = set()
        self.content_policy = _content_policy()
        self.transport_security = _transport_security()

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        match = self.matches.get(request.path_info) or self._match(request.path_info)
        if match is None:
            return self.get_response(request)
        request.resolver_match = match
        if request.META.get("HTTP_HOST") not in self.hosts:
            self._check_host(request)
        try:
            response: Any = match.func(request, *match.args, **match.kwargs)
            if callable(getattr(response, "render", None)):
                response = response.render()
        except Exception as exception:
            response = UnavailableMiddleware(self.get_response).process_exception(request, exception)
            if response is None:
                raise
        self._set_headers(request, response)
        found: HttpResponseBase = response
        return found

    def _check_host(self, request: HttpRequest) -> None:
        """Raises what becomes a 400 where the host is not ours, as everywhere else."""
        request.get_host()
        if "HTTP_HOST" in request.META and not settings.USE_X_FORWARDED_HOST and len(self.hosts) < 100:
            self.hosts.add(request.META["HTTP_HOST"])

    def _match(self, path: str) -> ResolverMatch | None:
        try:
            match = self.resolver.resolve(path)
        except Resolver404:
            return None
        # Paths that hold an id are as many as there are ids. The others are matched in any case, hence come in more
        # spellings than are worth keeping.
        if not match.args and not match.kwargs and len(self.matches) < 1000:
            self.matches[path] = match
        return match

    def _set_headers(self, request: HttpRequest, response: HttpResponse) -> None:
        """As the layers for pages set them. Text and pictures that say they are not to be sniffed need no more."""
        headers = response.headers
        if "Content-Length" not in headers and not response.streaming:
            headers["Content-Length"] = str(len(response.content))
        if self.transport_security and request.is_secure():
            headers["Strict-Transport-Security"] = self.transport_security
        if "X-Content-Type-Options" not in headers or headers["Content-Type"].startswith("text/html"):
            headers["X-Content-Type-Options"] = "nosniff"
            headers["X-Frame-Options"] = settings.X_FRAME_OPTIONS
            headers["Content-Security-Policy"] = self.content_policy


class PageLanguageMiddleware(LocaleMiddleware):
    """Django's, and no language is left behind in the thread: calls are answered without one."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        answered: HttpResponseBase = super().process_response(request, response)
        translation.deactivate()
        return answered


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


def _content_policy() -> str:
    """As `csp.middleware` says it for pages, where it is put together anew for each."""
    directives: dict[str, list[str]] = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]
    return "; ".join(f"{name} {' '.join(sources)}" for name, sources in directives.items())


def _transport_security() -> str:
    """As Django's SecurityMiddleware says it."""
    if not settings.SECURE_HSTS_SECONDS:
        return ""
    subdomains = "; includeSubDomains" if settings.SECURE_HSTS_INCLUDE_SUBDOMAINS else ""
    return f"max-age={settings.SECURE_HSTS_SECONDS}{subdomains}"


def _note(request: HttpRequest, response: HttpResponseBase, seconds: float, address: str, trace_id: str) -> None:
    method = request.method if request.method in _METHODS else "other"
    route = readable(request.resolver_match.route) if request.resolver_match else "-"
    metrics.request(method, route, response.status_code, seconds)
    logs.request(method, route, response.status_code, seconds, address, trace_id)


def _declared_length(request: HttpRequest) -> int:
    text = request.META.get("CONTENT_LENGTH")
    if not text:
        return 0
    try:
        return int(text)
    except ValueError:
        return 0
