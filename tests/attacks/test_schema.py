"""Every operation of the OpenAPI document, with data that fits it and data that does not, on a real server."""

from collections.abc import Callable
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS

from tests.support.server import Server

PROVISIONED: dict[str, Any] = {
    "clients": [{"client_id": "schema_Native", "name": "Schema"}],
    "users": [{"username": "somebody", "password": "a password of its own", "clients": ["*"]}],
}
EXAMPLES = 4
PROMISED = ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance"]


@pytest.mark.timeout(180)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_no_operation_of_the_schema_errs_or_answers_otherwise_than_it_says(start_server: Callable[..., Server]) -> None:
    server = start_server(PROVISIONED)
    base = f"http://127.0.0.1:{server.port}"
    schema = schemathesis.openapi.from_url(f"{base}/api/schema/?format=json")
    checks = [CHECKS.get_one(name) for name in PROMISED]
    failures: list[str] = []
    operations = 0
    for found in schema.get_all_operations():
        operation = found.ok()
        operations += 1
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            failures += _of(operation, mode, base, checks)
    assert operations > 30
    assert failures == []
    assert '"status": 500' not in server.log_text()


def _of(operation: Any, mode: GenerationMode, base: str, checks: list[Any]) -> list[str]:
    """What went wrong with a few requests of this kind."""
    failures: list[str] = []

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case: Any) -> None:
        response = case.call(base_url=base)
        try:
            case.validate_response(response, checks=checks)
        except AssertionError as failure:
            failures.append(f"{operation.label} {mode.name}: {failure}")
        except BaseExceptionGroup as group:
            failures.extend(f"{operation.label} {mode.name}: {failure}" for failure in group.exceptions)

    try:
        send()
    except Unsatisfiable:
        pass  # Without parameters there is no data that does not fit.
    except schemathesis.errors.SchemathesisError as error:
        failures.append(f"{operation.label} {mode.name}: {error}")
    return failures
