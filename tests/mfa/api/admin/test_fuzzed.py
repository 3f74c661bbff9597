"""Whatever the schema allows, and much that it forbids, from an owner: never a 500, and only answers the schema names."""

import io
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from pytest_django.live_server_helper import LiveServer
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from config import logs
from identity.models import AuditEvent, Group, Installation, User
from identity.models.user import AdminRole
from mfa.models import MfaPolicy
from tests.factories import add_mailbox, enrol_app, make_client
from tests.mfa.api.admin.conftest import SignIn
from tests.promises.test_fuzzed_api import operations

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow, pytest.mark.timeout(300)]

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
PREFIX = "/api/admin/"


def test_no_call_of_an_owner_gets_a_500_or_an_unnamed_answer(
    live_server: LiveServer, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert logs.Output.current is not None
    monkeypatch.setattr(logs.Output.current, "stream", io.StringIO())
    owner = User.objects.create(username="owner", admin_role=AdminRole.OWNER)
    token = sign_in(owner).token
    seen: dict[int, int] = {}
    for operation in operations():
        if operation.path.startswith(PREFIX):
            for mode in GenerationMode:
                fuzz(operation, mode, live_server.url, token, seen)
    # Each kind of answer was met, so that what is checked is more than refusals.
    assert {200, 201, 204, 400, 404} <= seen.keys()
    assert seen[200] > 60
    assert User.objects.get(pk=owner.pk).admin_role == AdminRole.OWNER


def known(path: str) -> dict[str, Any]:
    """Path parameters of a row that there is."""
    person, _ = User.objects.get_or_create(username_key="target", defaults={"username": "target"})
    if not person.authenticators.exists():
        enrol_app(person)
        add_mailbox(person)
    if "{subject}" in path:
        return {"subject": str(person.subject)}
    group, _ = Group.objects.get_or_create(name="staff")
    rows: dict[str, Any] = {
        "groups": group,
        "clients": make_client(),
        "policies": MfaPolicy.objects.get_or_create(group=group)[0],
        "audit-events": AuditEvent.objects.first(),
        "installation": Installation.current(),
    }
    row = rows.get(path.removeprefix(PREFIX).partition("/")[0])
    return {"id": str(row.pk)} if row is not None and "{id}" in path else {}


def fuzz(operation: Any, mode: GenerationMode, url: str, token: str, seen: dict[int, int]) -> None:
    calls = 0

    @settings(
        max_examples=8, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck), deadline=None
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def call(case: Any) -> None:
        nonlocal calls
        if calls % 4:
            case.path_parameters = {**(case.path_parameters or {}), **known(operation.path)}
        answer = case.call(base_url=url, headers={"Authorization": f"Bearer {token}"}, allow_redirects=False)
        case.validate_response(answer, checks=CHECKS)
        seen[answer.status_code] = seen.get(answer.status_code, 0) + 1
        calls += 1

    with suppress(Unsatisfiable):  # An operation that takes nothing can be given nothing wrong.
        call()
