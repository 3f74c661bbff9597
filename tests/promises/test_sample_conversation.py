"""`docs/reference/flow.http` happens as it is written, and the Postman collection holds the same calls."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest

from tests.support.http_file import Request, filled, parse
from tests.support.server import Server
from tests.support.soft_authenticator import SoftAuthenticator

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"
VARIABLES, REQUESTS = parse((REFERENCE / "flow.http").read_text())
POSTMAN: dict[str, Any] = json.loads((REFERENCE / "stepward.postman_collection.json").read_text())


@pytest.mark.timeout(300)
def test_the_sample_conversation_happens_as_it_is_written(start_server: Callable[..., Server]) -> None:
    server = start_server(
        {
            "clients": [{"client_id": VARIABLES["client_id"], "name": "Sample"}],
            "users": [{"username": VARIABLES["username"], "password": VARIABLES["password"], "clients": ["*"]}],
        }
    )
    known: dict[str, Any] = {**VARIABLES, "url": f"http://127.0.0.1:{server.port}"}
    phone = None
    with httpx.Client(timeout=30) as http:
        for request in REQUESTS:
            for prompt in request.prompts:
                assert phone
                known[prompt] = phone.code() if prompt == "code" else phone.next_code()
            response = http.send(made(request, known))
            assert response.status_code == request.status, (request.name, response.text)
            if response.headers["Content-Type"] == "image/png":
                phone = SoftAuthenticator.scan(response.content)
                continue
            known[request.name] = response.json()
            assert request.word == "" or request.word == said(response.json()), request.name
    assert len(known["recoveryCodes"]["RecoveryCodes"]) == 10
    assert phone
    assert phone.uri == known["information"]["OtpAuthUri"]
    assert len({request.name for request in REQUESTS}) == len(REQUESTS) == 16


def made(request: Request, known: dict[str, Any]) -> httpx.Request:
    body = request.body
    if request.headers.get("Content-Type") == "application/x-www-form-urlencoded":
        body = str(httpx.QueryParams({name: filled(value, known) for name, value in form(body).items()}))
    headers = {name: filled(value, known) for name, value in request.headers.items()}
    return httpx.Request(request.method, filled(request.url, known), headers=headers, content=filled(body, known))


def form(body: str) -> dict[str, str]:
    return {name: unquote(value) for name, _, value in (pair.partition("=") for pair in body.split("&"))}


def said(document: dict[str, Any]) -> str:
    """`Status`, wherever the call has it, or the OAuth error."""
    if "VGResponse" in document:
        return str(document["VGResponse"]["AuthenticationState"]["Status"])
    return str(document.get("Status", document.get("error", "")))


def test_the_postman_collection_holds_the_same_calls() -> None:
    assert POSTMAN["info"]["schema"].endswith("/v2.1.0/collection.json")
    assert [item["name"] for item in POSTMAN["item"]] == [request.name for request in REQUESTS]
    for item, request in zip(POSTMAN["item"], REQUESTS, strict=True):
        sent = item["request"]
        assert sent["method"] == request.method
        assert without_names(sent["url"]["raw"]) == without_names(request.url)
        assert {header["key"]: without_names(header["value"]) for header in sent["header"]} == {
            name: without_names(value) for name, value in request.headers.items()
        }
        assert postman_body(sent) == expected_body(request)


def without_names(text: str) -> str:
    """The two tools name a value of an earlier answer differently."""
    return re.sub(r"\{\{[^}]+\}\}", "{{}}", text)


def postman_body(sent: dict[str, Any]) -> Any:
    body = sent.get("body")
    if body is None:
        return None
    if body["mode"] == "raw":
        return without_names(body["raw"])
    return {pair["key"]: without_names(pair["value"]) for pair in body["urlencoded"]}


def expected_body(request: Request) -> Any:
    if not request.body:
        return None
    if request.headers["Content-Type"] == "application/json":
        return without_names(request.body)
    return {name: without_names(value) for name, value in form(request.body).items()}


def test_the_postman_scripts_check_each_answer_and_carry_every_value_on() -> None:
    declared = {variable["key"] for variable in POSTMAN["variable"]}
    used = set(re.findall(r"\{\{(\w+)\}\}", json.dumps(POSTMAN["item"])))
    carried = set()
    for item, request in zip(POSTMAN["item"], REQUESTS, strict=True):
        script = "\n".join(line for event in item["event"] for line in event["script"]["exec"])
        assert f"to.have.status({request.status})" in script
        assert request.word in script
        carried |= set(re.findall(r'collectionVariables\.set\("(\w+)"', script))
    asked_of_the_person = set(VARIABLES) | {"code", "nextCode"}
    assert used == declared == carried | asked_of_the_person
