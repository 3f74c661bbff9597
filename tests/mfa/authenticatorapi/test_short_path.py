"""`Validate.aspx` goes past most middleware; whoever asks and whoever watches cannot tell."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client, RequestFactory
from pytest_django import Settings

from mfa.api.authenticatorapi.short_path import ValidateShortPathMiddleware

SHORT = "mfa.api.authenticatorapi.short_path.ValidateShortPathMiddleware"


def answers(client: Client, secret: str) -> list[tuple[int, bytes, Any]]:
    asked = [
        client.get("/Validate.aspx"),
        client.get("/validate.ASPX", {"Pin": "1", "SecretCode": secret}),
        client.get("/Validate.aspx?Pin=1&Pin=2"),
        client.post("/Validate.aspx", {"Pin": "1", "SecretCode": secret}, "application/json"),
        client.put("/Validate.aspx"),
        client.get("/Validate.aspx/"),
    ]
    names = (
        "Content-Type",
        "Cache-Control",
        "Pragma",
        "Referrer-Policy",
        "X-Content-Type-Options",
        "Allow",
        "Content-Length",
    )
    return [(answer.status_code, answer.content, [answer.headers.get(name) for name in names]) for answer in asked]


def test_the_short_way_answers(client: Client, secret: str, settings: Settings) -> None:
    short = answers(client, secret)
    assert [status for status, _, _ in short] == [200, 200, 400, 200, 405, 404]
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if name != SHORT]
    assert answers(Client(), secret) == short


def test_another_host_is_refused_here_as_everywhere(client: Client) -> None:
    for path in ("/Validate.aspx", "/pair.aspx"):
        assert client.get(path, headers={"host": "evil.example"}).status_code == 400


def test_the_access_log_names_the_route_and_never_the_query(
    client: Client, capsys: pytest.CaptureFixture[str], secret: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        client.get(f"/Validate.aspx?Pin=135790&SecretCode={secret}")
    written = json.dumps([str(record.msg) for record in caplog.records]) + capsys.readouterr().err
    assert "Validate.aspx" in written
    assert "135790" not in written
    assert secret not in written


def test_nothing_else_goes_the_short_way() -> None:
    asked = []

    def the_rest(request: Any) -> Any:
        asked.append(request.path_info)

    middleware = ValidateShortPathMiddleware(the_rest)
    paths = ["/", "/pair.aspx", "/Validate.aspx/", "/x/Validate.aspx", "/validate.aspx2", "/connect/token"]
    for path in paths:
        middleware(RequestFactory().get(path))
    assert asked == paths
