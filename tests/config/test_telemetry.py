"""Traces reach a collector, say where the time went, and hold nothing that a caller sent."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import redis
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.faults.private import CLIENT, PASSWORD, client_of
from tests.support.databases import ROOT
from tests.support.server import Server

pytestmark = [pytest.mark.postgresql_only, pytest.mark.timeout(240)]

PROVISIONED: dict[str, Any] = {
    "clients": [{"client_id": CLIENT, "name": "Traced", "mfa": {"mode": "required"}}],
    "users": [{"username": "canary-name", "password": PASSWORD, "email": "canary@mail.example", "email_verified": True,
               "clients": ["*"]}],
}  # fmt: skip


class Collector:
    """Receives OTLP over HTTP as any collector does, and keeps what came."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.paths: list[str] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                collector.paths.append(self.path)
                collector.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_arguments: Any) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def spans(self) -> list[Any]:
        return [
            span
            for body in list(self.bodies)
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def names(self) -> set[str]:
        return {span.name for span in self.spans()}


@pytest.fixture
def collector() -> Iterator[Collector]:
    opened = Collector()
    thread = threading.Thread(target=opened.server.serve_forever)
    thread.start()
    yield opened
    opened.server.shutdown()
    thread.join()
    opened.server.server_close()


def until(condition: Callable[[], bool], seconds: float = 60.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def attributes(span: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}


def test_spans_arrive_and_hold_nothing_that_a_caller_sent(
    collector: Collector, start_server: Callable[..., Server], redis_url: str
) -> None:
    redis.Redis.from_url(redis_url).flushdb()
    said = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100", "REDIS_URL": redis_url}
    server = start_server(PROVISIONED, background=True, environment=said)
    client = client_of(server, "canary-name")
    wrong = client.password_step(Password="canary of a wrong password")
    asked = client.password_step(scope="VGToken offline_access")
    client.token(AuthenticationRequestId=asked.request_id, MFAAvailableId=asked.factor_id("Email"), MFAAction="SendOTP")
    client.send(
        "GET", "/no/such/canary-path?password=canary-query", headers={"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"}
    )
    client.send("GET", "/Validate.aspx?Pin=123456&SecretCode=CANARYSECRET")
    client.send("GET", f"/mfa/enroll/{asked.request_id}")
    client.send("CANARYMETHOD", "/connect/token")
    client.send("GET", "/healthz")
    assert wrong.http_status == 400

    wanted = {"POST connect/token", "GET mfa/enroll/<str:request_id>", "task mfa.deliver", "_OTHER connect/token"}
    assert until(lambda: wanted <= collector.names()), (collector.names(), server.log_text())
    assert set(collector.paths) == {"/v1/traces"}
    spans = collector.spans()
    by_id = {span.span_id: span for span in spans}
    below = {
        span.name for span in spans if span.parent_span_id and by_id[span.parent_span_id].name == "POST connect/token"
    }
    # With PostgreSQL the two are parts of one statement.
    assert {"INSERT mfa_authenticationrequest", "INSERT identity_auditevent"} <= {
        part for name in below for part in name.split(" & ")
    }
    delivered = {
        span.name for span in spans if span.parent_span_id and by_id[span.parent_span_id].name == "task mfa.deliver"
    }
    assert any(name.endswith("mfa_delivery") for name in delivered)
    first = next(span for span in spans if span.name == "POST connect/token")
    traced = attributes(first)
    assert traced["http.response.status_code"] == 400
    assert traced["http.route"] == "connect/token"
    assert f'"trace_id": "{first.trace_id.hex()}"' in server.log_text(), "logs and traces have one id"

    sent = b"".join(collector.bodies)
    for canary in (
        asked.request_id, PASSWORD, "canary", "CANARY", "password=", "123456", "127.0.0.1", CLIENT, "mail.example",
    ):  # fmt: skip
        assert canary.encode() not in sent, canary
    assert bytes.fromhex("ab" * 16) not in sent, "a caller's trace is not gone on with"
    allowed = {"http.request.method", "http.route", "http.response.status_code", "db.system.name"}
    assert {key for span in spans for key in attributes(span)} == allowed
    assert not [span for span in spans if span.events]
    assert not [span.name for span in spans if "healthz" in span.name or "sweep" in span.name]


def test_a_collector_that_is_away_costs_no_request(start_server: Callable[..., Server]) -> None:
    server = start_server(
        PROVISIONED, environment={"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_BSP_SCHEDULE_DELAY": "50"}
    )
    client = client_of(server, "canary-name")
    for _ in range(5):
        started = time.monotonic()
        assert client.password_step().http_status == 400
        assert time.monotonic() - started < 5
    assert PASSWORD not in server.log_text()


@pytest.mark.parametrize("endpoint", ["", "http://127.0.0.1:4318"])
def test_without_an_endpoint_nothing_of_it_is_imported(endpoint: str, tmp_path: Path) -> None:
    code = "import sys, config.wsgi; print(sorted(n for n in sys.modules if n.startswith(('opentelemetry', 'google.proto'))))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "STEPWARD_VAR": str(tmp_path), "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
             "DATABASE_URL": f"sqlite:///{tmp_path / 'x.sqlite3'}"},
        capture_output=True,
        text=True,
        check=True,
    )  # fmt: skip
    assert ("opentelemetry.sdk.trace" in done.stdout) == bool(endpoint)


def test_where_the_packages_are_missing_the_log_says_so_and_the_server_works(tmp_path: Path) -> None:
    code = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("opentelemetry"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Missing())
from django.test import Client
import config.wsgi
print(Client(headers={"host": "localhost"}).get("/healthz").status_code)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "STEPWARD_VAR": str(tmp_path), "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318",
             "DATABASE_URL": f"sqlite:///{tmp_path / 'x.sqlite3'}"},
        capture_output=True,
        text=True,
        check=True,
    )  # fmt: skip
    assert "requirements/otel.txt is not installed" in done.stdout
    assert "200" in done.stdout.splitlines()
