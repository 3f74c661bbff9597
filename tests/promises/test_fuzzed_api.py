"""Whatever the schema allows, and much that it forbids: never a 500, and only answers that the schema names."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from config import openapi
from tests.support.server import Server
from tests.support.visual_guard import VisualGuardClient

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
CLIENT = "fuzzed_Native"
PROVISIONED: dict[str, Any] = {
    "clients": [{"client_id": CLIENT, "name": "Fuzzed"}],
    "users": [
        {"username": "new", "password": "the password of the first", "clients": ["*"]},
        {
            "username": "old",
            "password": "the password of the second",
            "clients": ["*"],
            "email": "old@mail.example",
            "email_verified": True,
        },
    ],
}


@pytest.mark.timeout(300)
def test_no_generated_call_gets_a_500_or_an_unnamed_answer_or_changes_an_account(
    start_server: Callable[..., Server],
) -> None:
    server = start_server(PROVISIONED)
    new, old = (
        VisualGuardClient.of_server(server, CLIENT, username=user["username"], password=user["password"])
        for user in PROVISIONED["users"]
    )
    before = state(server)
    calls = 0
    for number, operation in enumerate(operations()):
        request_id = (new if number % 2 else old).password_step().request_id
        own = {"client_id": CLIENT, "AuthenticationRequestId": request_id, "requestId": request_id}
        for mode in GenerationMode:
            calls += fuzz(operation, mode, server, own)
    assert calls > 150
    assert state(server) == before
    assert '"status": 500' not in server.log_text()


def operations() -> list[Any]:
    document = json.loads(json.dumps(openapi.document()))
    found = schemathesis.openapi.from_dict(document).get_all_operations()
    return [operation.ok() for operation in found if isinstance(operation, Ok)]


def fuzz(operation: Any, mode: GenerationMode, server: Server, own: dict[str, str]) -> int:
    """Generated calls as they are, and every other with a client and a request that there are; how many."""
    calls = 0

    @settings(
        max_examples=4, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck), deadline=None
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def call(case: Any) -> None:
        nonlocal calls
        known = own if calls % 2 else {}
        for part in (case.body, case.query):
            if isinstance(part, dict):
                part.update({name: value for name, value in known.items() if name in part})
        case.validate_response(case.call(base_url=server.url, allow_redirects=False), checks=CHECKS)
        calls += 1

    with suppress(Unsatisfiable):  # An operation that takes nothing can be given nothing wrong.
        call()
    return calls


def state(server: Server) -> list[Any]:
    """What no guess may change. Enrolments may begin, and tries are counted."""
    kept = {
        "identity.user": ("password", "email", "mobile_phone", "is_active", "locked_by_administrator_at"),
        "mfa.authenticator": ("user", "kind", "destination", "disabled_at"),
        "identity.session": ("user",),
        "identity.refreshtoken": ("user",),
    }
    rows = json.loads(server.manage("dumpdata", *kept))
    return [(row["model"], row["pk"], *(row["fields"][name] for name in kept[row["model"]])) for row in rows]
