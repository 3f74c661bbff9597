"""Traces by OpenTelemetry, where OTEL_EXPORTER_OTLP_ENDPOINT is set and requirements/otel.txt is installed.

Spans are made here and not by instrumentation libraries, which take down paths, queries and statements: what is in a
span are words of our own. A request is its method, the pattern of its route and its status; a statement its verb and
table; a task its name. Nothing of this module is imported where the endpoint is not set.
"""

import re
from collections.abc import Callable
from typing import Any

import structlog
from celery.signals import task_postrun, task_prerun
from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.http import HttpRequest, HttpResponseBase

log = structlog.get_logger("stepward.telemetry")

_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"}
_PROBES = {"/healthz", "/readyz", "/metrics"}
# Every two seconds, and nobody waits for them.
_NOT_TRACED = {"stepward.sweep"}
_STATEMENT = re.compile(
    r'\s*(SELECT|INSERT|UPDATE|DELETE)\b(?:.*?\b(?:FROM|INTO)\s+|\s+)"?([a-z]+_[a-z_]+)"?', re.DOTALL
)

_PARTS = re.compile(r"\bAS \(\s*(?=INSERT|UPDATE|DELETE)")


class _Process:
    """The tracer of this process, once there is one."""

    tracer: Any = None


def start() -> bool:
    """Begin to export, once a process; False, and a line in the log, where the packages are not installed."""
    if _Process.tracer is not None:
        return True
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
    except ImportError:
        log.warning("no traces: OTEL_EXPORTER_OTLP_ENDPOINT is set, requirements/otel.txt is not installed")
        return False

    class Ids(RandomIdGenerator):
        """A request's trace has the id that its log lines and audit events carry."""

        def generate_trace_id(self) -> int:
            known = structlog.contextvars.get_contextvars().get("trace_id")
            return int(known, 16) if known else super().generate_trace_id()

    version = str(settings.SPECTACULAR_SETTINGS["VERSION"])
    resource = Resource.create({"service.name": "stepward", "service.version": version})
    provider = TracerProvider(resource=resource, id_generator=Ids())
    exporter = OTLPSpanExporter(endpoint=f"{settings.OTEL_EXPORTER_OTLP_ENDPOINT.rstrip('/')}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    _Process.tracer = provider.get_tracer("stepward", version)
    connection_created.connect(_watch_statements, dispatch_uid="telemetry")
    return True


class TraceMiddleware:
    """A span for each request but the probes', next to the outermost layer, which has given the request its trace id.

    No header of a client is believed: every trace begins here.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self.on = start()

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not self.on or request.path_info in _PROBES:
            return self.get_response(request)
        from opentelemetry.context import Context
        from opentelemetry.trace import SpanKind, StatusCode

        method = request.method if request.method in _METHODS else "_OTHER"
        with _span(str(method), SpanKind.SERVER, context=Context()) as span:
            response = self.get_response(request)
            route = request.resolver_match.route if request.resolver_match else ""
            span.update_name(f"{method} {route}".strip())
            span.set_attribute("http.request.method", str(method))
            span.set_attribute("http.route", route)
            span.set_attribute("http.response.status_code", response.status_code)
            if response.status_code >= 500:
                span.set_status(StatusCode.ERROR)
        return response


def watch_tasks() -> None:
    """What a Celery worker calls when it starts: a span for each task."""
    if start():
        task_prerun.connect(_task_begins, dispatch_uid="telemetry")
        task_postrun.connect(_task_ends, dispatch_uid="telemetry")


def _task_begins(task: Any, **_kwargs: object) -> None:
    from opentelemetry.trace import SpanKind

    if task.name not in _NOT_TRACED:
        task.request.telemetry = _span(f"task {task.name}", SpanKind.CONSUMER)
        task.request.telemetry.__enter__()


def _task_ends(task: Any, state: str, **_kwargs: object) -> None:
    from opentelemetry.trace import StatusCode, get_current_span

    span = getattr(task.request, "telemetry", None)
    if span is not None:
        if state == "FAILURE":
            get_current_span().set_status(StatusCode.ERROR)
        span.__exit__(None, None, None)


def _watch_statements(connection: BaseDatabaseWrapper, **_kwargs: object) -> None:
    if _statement not in connection.execute_wrappers:
        connection.execute_wrappers.append(_statement)


def _statement(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
    """A span for a statement within a request or a task; others, such as a sweep's, are nobody's wait."""
    from opentelemetry.trace import SpanKind, get_current_span

    if not get_current_span().is_recording():
        return execute(sql, params, many, context)
    with _span(_named(sql), SpanKind.CLIENT) as span:
        span.set_attribute("db.system.name", context["connection"].vendor)
        return execute(sql, params, many, context)


def _named(sql: str) -> str:
    """Verb and table; of several that are one statement each."""
    texts = [part for part in _PARTS.split(sql)[1:] if part] if sql.lstrip().startswith("WITH ") else [sql]
    found = [match for text in texts if (match := _STATEMENT.match(text))]
    return " & ".join(f"{each[1]} {each[2]}" for each in found) or "statement"


def _span(name: str, kind: Any, **more: Any) -> Any:
    """The text of an exception may quote a secret, so no span takes it down."""
    return _Process.tracer.start_as_current_span(
        name, kind=kind, record_exception=False, set_status_on_exception=False, **more
    )
