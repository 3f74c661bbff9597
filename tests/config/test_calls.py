"""What programs call goes past everything made for pages; whoever asks and whoever watches cannot tell."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from typing import Any
from uuid import uuid4

import pytest
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.utils import translation
from pytest_django import Settings

from config import logs
from config.handler import Application
from config.middleware import CallsMiddleware, PageLanguageMiddleware
from config.urls import calls, pages
from identity.api import health
from mfa.api import metrics

CALLS = "config.middleware.CallsMiddleware"
SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
COMMON = ("Content-Type", "Content-Length", "Cache-Control", "Pragma", "Referrer-Policy", "X-Content-Type-Options")
HEADERS = (*COMMON, "Allow", "Retry-After", "WWW-Authenticate")

pytestmark = pytest.mark.django_db


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What is written to standard output meanwhile."""
    written = io.StringIO()
    assert logs.Output.current is not None
    logs.Output.current.flush()  # What waits is of another test.
    monkeypatch.setattr(logs.Output.current, "stream", written)
    return written


def answers(client: Client) -> list[tuple[int, bytes, list[str | None]]]:
    asked = [
        client.get("/Validate.aspx"),
        client.get("/validate.ASPX", {"Pin": "1", "SecretCode": SECRET}),
        client.get("/Validate.aspx?Pin=1&Pin=2"),
        client.post("/Validate.aspx", {"Pin": "1", "SecretCode": SECRET}, "application/json"),
        client.put("/Validate.aspx"),
        client.get("/Validate.aspx/"),
        client.get("/pair.aspx", {"AppName": "a", "AppInfo": "b", "SecretCode": SECRET}),
        client.post("/api/totp/validate", {"secret": SECRET, "code": "1"}, "application/json"),
        client.post("/connect/token", {"grant_type": "VGAuthenticator"}, "application/json"),
        client.put("/connect/token"),
        client.get("/connect/userinfo"),
        client.get("/api/mfaenrollment/getenrollmentinformation"),
        client.get("/.well-known/openid-configuration"),
        client.get("/healthz"),
        client.get("/nothing/here"),
    ]
    return [(answer.status_code, answer.content, [answer.headers.get(name) for name in HEADERS]) for answer in asked]


def test_the_answers_are_those_of_the_long_way(client: Client, settings: Settings) -> None:
    short = answers(client)
    assert [status for status, _, _ in short][:6] == [200, 200, 400, 200, 405, 404]
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if name != CALLS]
    assert answers(Client()) == short


@pytest.mark.parametrize(
    "path", ["/connect/token", "/healthz", "/api.asmx", f"/pair.aspx?AppName=a&AppInfo=b&SecretCode={SECRET}"]
)
def test_a_browser_that_is_led_there_is_told_what_it_may(client: Client, settings: Settings, path: str) -> None:
    names = ("X-Frame-Options", "X-Content-Type-Options", "Content-Security-Policy", "Strict-Transport-Security")
    settings.SECURE_HSTS_SECONDS, settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = 60, True
    short = Client().get(path, secure=True).headers
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if name != CALLS]
    long = Client().get(path, secure=True).headers
    assert all(short[name] for name in names)
    # The order of the directives is any, even from one start of the process to the next.
    assert [sorted(short[name].split("; ")) for name in names] == [sorted(long[name].split("; ")) for name in names]
    assert "Strict-Transport-Security" not in Client().get(path).headers


def test_another_host_is_refused_here_as_everywhere(client: Client) -> None:
    for path in ("/Validate.aspx", "/pair.aspx", "/connect/token", "/nothing/here"):
        assert client.get(path).status_code != 400
        assert client.get(path, headers={"host": "evil.example"}).status_code == 400


def test_a_call_finds_no_language_and_a_page_leaves_none_behind(client: Client) -> None:
    def page(_request: Any) -> HttpResponse:
        return HttpResponse(translation.get_language())

    answer: Any = PageLanguageMiddleware(page)(RequestFactory().get("/", headers={"accept-language": "de"}))
    assert answer.content == b"de"
    assert translation.get_language() == "en"
    assert "Content-Language" not in client.get("/healthz", headers={"accept-language": "de"}).headers


def test_no_call_needs_a_cookie_and_every_page_is_left_to_django() -> None:
    asked = []

    def the_rest(request: Any) -> Any:
        asked.append(request.path_info)

    middleware = CallsMiddleware(the_rest)
    paths = ["/", "/account/", "/account/sign-in", "/connect/authorize", "/admin/", "/api/docs/", "/Validate.aspx/"]
    for path in paths:
        middleware(RequestFactory(headers={"host": "testserver"}).get(path))
    assert asked == paths


def test_only_addresses_that_hold_nothing_are_kept() -> None:
    """Those with an id in them are as many as whoever calls likes, and would leave no room for the others."""
    middleware = CallsMiddleware(lambda _request: HttpResponse(status=404))

    def ask(path: str) -> int:
        return middleware(RequestFactory(headers={"host": "testserver"}).get(path)).status_code

    person = f"/api/admin/people/{uuid4()}"
    held = [person, f"{person}/sessions", f"{person}/acts/lock", "/api/admin/groups/1", "/api/admin/audit-events/7"]
    assert [ask(path) for path in held] == [401] * 5
    assert ask("/nothing/here") == 404
    assert not middleware.matches
    bare = ["/healthz", "/api/admin/people", "/api/MFAEnrollment/getenrollmentinformation"]
    first = [ask(path) for path in bare]
    assert list(middleware.matches) == bare
    assert [ask(path) for path in bare] == first


def _views(patterns: Iterable[Any]) -> Iterable[Any]:
    for pattern in patterns:
        if hasattr(pattern, "url_patterns"):
            yield from _views(pattern.url_patterns)
        else:
            yield pattern.callback


def test_every_call_does_without_csrf_tokens() -> None:
    """None is looked for among the calls: each says that it needs none, or changes nothing."""
    views = list(_views(calls))
    assert len(views) > 20
    kept = {view for view in views if not getattr(view, "csrf_exempt", False)}
    assert kept == {health.healthz, health.readyz, metrics.view}
    assert not all(getattr(view, "csrf_exempt", False) for view in _views(pages))


@pytest.mark.parametrize("address", ["198.51.100.7", 'no"address\n'])
def test_the_access_log_names_the_route_and_never_the_query(lines: io.StringIO, address: str) -> None:
    Client().get(f"/Validate.aspx?Pin=135790&SecretCode={SECRET}", REMOTE_ADDR=address)
    assert logs.Output.current is not None
    logs.Output.current.flush()
    written = lines.getvalue()
    assert "135790" not in written
    assert SECRET not in written
    line = json.loads(written)
    assert list(line) == [
        *("method", "route", "status", "ms", "address"),
        *("event", "trace_id", "level", "logger", "timestamp"),
    ]
    assert (line["method"], line["route"], line["status"]) == ("GET", "Validate.aspx", 200)
    assert (line["address"], line["event"], line["logger"]) == (address, "request", "stepward.access")
    assert len(line["trace_id"]) == 32


def _asked(application: Application, path: str, host: str = "testserver") -> tuple[str, dict[str, str], bytes]:
    told: list[Any] = []

    def start_response(status: str, headers: Any, *_: Any) -> Any:
        told.extend((status, dict(headers)))

    environ = RequestFactory(headers={"host": host}).get(path).environ
    body = b"".join(application(environ, start_response))
    return told[0], told[1], body


def test_the_server_s_own_short_way_answers_as_the_middleware_does() -> None:
    application = Application()
    for path in ("/Validate.aspx", f"/VALIDATE.aspx?Pin=1&SecretCode={SECRET}", "/Validate.aspx?Pin=1&Pin=2"):
        status, headers, body = _asked(application, path)
        answer = Client().get(path)
        assert (status, body) == (f"{answer.status_code} {answer.reason_phrase}", answer.content)
        assert headers == dict(answer.headers)
    assert _asked(application, "/Validate.aspx", host="evil.example")[0].startswith("400")
    assert _asked(application, "/healthz")[2] == b'{"status": "ok"}'


def test_where_the_stateless_calls_are_off_there_is_no_short_way(settings: Settings) -> None:
    settings.STATELESS_API = False
    assert Application().short is None
