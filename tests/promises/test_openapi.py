"""What /api/schema/ says is what the server does."""

import io
import json
import re
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr
from typing import Any

import pytest
import schemathesis
from django.core.management import call_command
from django.test import Client as Browser
from django.urls import URLPattern, URLResolver, get_resolver
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from schemathesis.core.result import Err

from config import openapi
from mfa.api.visualguard import account_schema, enrolment_schema, enrolment_views, examples, flags, password_view
from mfa.outcomes import EnrolmentRefusal
from tests.factories import enrol_app, make_client, make_user, sign_in_client
from tests.support.server import Server

DOCUMENT = openapi.document()
METHODS = ("get", "post", "put", "patch", "delete")


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for address, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            if method in METHODS:
                yield address, method, operation


def contents(operation: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each media type object of the body and of the answers, with where it stands."""
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"body {media_type}", content
    for status, response in operation["responses"].items():
        for media_type, content in response.get("content", {}).items():
            yield f"{status} {media_type}", content


def values(content: dict[str, Any]) -> list[Any]:
    named = [example["value"] for example in content.get("examples", {}).values()]
    return [*named, content["example"]] if "example" in content else named


def token_examples(status: str) -> dict[str, Any]:
    found = DOCUMENT["paths"]["/connect/token"]["post"]["responses"][status]["content"]["application/json"]["examples"]
    return {name: example["value"] for name, example in found.items()}


def shape(value: Any) -> Any:
    """The keys of a document, in their order, all the way down; of a list that of its first entry."""
    if isinstance(value, dict):
        return [(name, shape(member)) for name, member in value.items()]
    if isinstance(value, list):
        return [shape(value[0])] if value and isinstance(value[0], dict) else []
    return None


def test_the_document_is_valid_and_written_without_a_warning() -> None:
    said = io.StringIO()
    with redirect_stderr(said):
        call_command("spectacular", "--validate", "--fail-on-warn", "--file", "/dev/null")
    assert said.getvalue() == ""
    assert DOCUMENT["openapi"].startswith("3.1")


def test_every_view_of_rest_framework_is_described() -> None:
    described = {address.lower().rstrip("/") for address in DOCUMENT["paths"]}
    missing = []
    for route, view in routes(get_resolver().url_patterns, ""):
        if hasattr(view, "cls") and view.cls not in (openapi.SchemaView, openapi.DocsView):
            found = openapi.readable_paths([("/" + route, route, "GET", view)])[0][0]
            found = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", found).replace("{pk}", "{id}")
            if found.lower().rstrip("/") not in described:
                missing.append(route)
    assert not missing


def routes(patterns: list[Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, prefix + str(pattern.pattern))
        elif isinstance(pattern, URLPattern):
            yield prefix + str(pattern.pattern), pattern.callback


def test_each_operation_has_a_name_a_summary_a_tag_and_an_answer() -> None:
    names = [operation["operationId"] for _address, _method, operation in operations()]
    assert len(names) == len(set(names))
    for address, method, operation in operations():
        assert operation["summary"], (address, method)
        assert operation["tags"][0] in {tag["name"] for tag in DOCUMENT["tags"]}, (address, method)
        assert any(status.startswith(("2", "3")) for status in operation["responses"]), (address, method)


def test_each_example_is_what_its_schema_says() -> None:
    seen = 0
    for address, method, operation in operations():
        for where, content in contents(operation):
            checker = Draft202012Validator({**content["schema"], "components": DOCUMENT["components"]})
            for value in values(content):
                faults = [fault.message for fault in checker.iter_errors(value)]
                assert not faults, (address, method, where, faults)
                seen += 1
    assert seen > 100


def test_in_each_example_text_number_and_booleans_agree() -> None:
    shown = [value for status in ("200", "400") for value in token_examples(status).values() if "VGResponse" in value]
    assert len(shown) > 30
    for value in shown:
        state = value["VGResponse"]["AuthenticationState"]
        status = flags.Status(state["Status"])
        text = value["VGAuthenticationStatus"]
        assert text == value["VGResponse"]["AuthenticationStatus"]
        assert sum(flags.Status[name] for name in text.split(", ")) == status
        assert {name: state[name] for name in flags.booleans(status)} == flags.booleans(status)


def test_every_flag_that_is_ever_sent_stands_in_an_example() -> None:
    shown = flags.Status(0)
    for status in ("200", "400"):
        for value in token_examples(status).values():
            if "VGResponse" in value:
                shown |= flags.Status(value["VGResponse"]["AuthenticationState"]["Status"])
    assert {flag.name for flag in flags.Status if flag not in shown} == {
        "UserNotFound",
        "UserNotFoundInCustomStorage",
        "CustomProviderError",
    }


@pytest.mark.django_db
def test_the_examples_of_the_token_call_have_the_keys_of_real_answers() -> None:
    user = make_user()
    client = sign_in_client(user)
    refused, granted = token_examples("400"), token_examples("200")

    def real(name: str) -> Any:
        return next(shape(value) for example, value in refused.items() if example.startswith(name))

    assert shape(client.password_step(Password="a wrong one").document) == real("9:")
    assert shape(client.password_step().document) == real("268435457:EnrolmentRequired")
    phone = enrol_app(user)
    asked = client.password_step(scope="openid offline_access")
    assert shape(asked.document) == real("134217729:")
    assert shape(client.code_step(asked, phone.wrong_code()).document) == real("524289:")
    signed_in = client.code_step(asked, phone.code()).document
    assert shape(signed_in) == next(shape(value) for name, value in granted.items() if "PassedByCode" in name)
    refreshed = client.refresh(signed_in["refresh_token"]).document
    example = next(value for name, value in granted.items() if name.startswith("RefreshToken"))
    assert sorted(refreshed) == sorted(example)
    assert client.token(grant_type="nonsense").document == {"error": "unsupported_grant_type"}


def test_the_refusals_of_enrolment_are_those_of_the_views() -> None:
    assert {refusal.value for refusal in EnrolmentRefusal} == set(enrolment_schema.REFUSALS)
    for refusal in EnrolmentRefusal:
        answer = enrolment_views.refused(refusal, examples.REQUEST_ID)
        assert json.loads(answer.content) == enrolment_schema.refusal(refusal.value)
        assert answer.status_code == enrolment_schema.REFUSALS[refusal.value][0]


def test_the_refusals_of_password_calls_are_those_of_the_views() -> None:
    def sentences(table: dict[int, list[tuple[str, dict[str, Any]]]]) -> set[tuple[int, str]]:
        return {(status, sentence) for status, found in table.items() for sentence, _more in found}

    assert set(password_view._REFUSALS.values()) <= sentences(account_schema.PASSWORD_REFUSALS)
    assert set(password_view._RESET_REFUSALS.values()) <= sentences(account_schema.PASSWORD_RESET_CONFIRM_REFUSALS)


def test_schemathesis_reads_every_operation() -> None:
    loaded = schemathesis.openapi.from_dict(json.loads(json.dumps(DOCUMENT)))
    read = list(loaded.get_all_operations())
    assert [found.err() for found in read if isinstance(found, Err)] == []
    assert len(read) == len(list(operations()))


@pytest.mark.django_db
def test_the_schema_needs_no_authentication_and_comes_as_json_or_yaml() -> None:
    browser = Browser()
    answer = browser.get("/api/schema/")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    assert json.loads(answer.content)["info"]["title"] == "Stepward"
    assert browser.get("/api/schema/", headers={"Accept": "application/yaml"}).content.startswith(b"openapi: 3.1")


@pytest.mark.django_db
def test_the_docs_page_holds_no_inline_script_or_style_and_names_no_other_host() -> None:
    make_client()
    page = Browser().get("/api/docs/").content.decode()
    assert "<style" not in page
    assert "style=" not in page
    assert page.count("<script") == page.count("<script src=") == 3
    assert "http://" not in page
    assert "https://" not in page


@pytest.mark.timeout(300)
def test_the_docs_page_shows_the_calls_in_a_browser(start_server: Callable[..., Server], page: Any) -> None:
    server = start_server({})
    page.goto(f"{server.url}/api/docs/")
    page.wait_for_selector("#operations-Sign-in-token")
    page.click("#operations-Sign-in-token .opblock-summary-control")
    page.wait_for_selector("text=MFAAvailableId")
    assert page.locator(".opblock").count() == len(list(operations()))
