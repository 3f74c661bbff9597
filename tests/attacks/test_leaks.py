"""What answers, headers and work tell somebody who does not know the password (ATTACKS A53 to A59)."""

import re
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from time_machine import Traveller

from identity.flows import hashing
from identity.models import User
from tests.factories import add_mailbox, enrol_app, make_client, make_user, sign_in_client
from tests.support.visual_guard import ENROLMENT_REQUIRED, FACTOR_REQUIRED, Answer, VisualGuardClient

pytestmark = pytest.mark.django_db

# Every kind of account that somebody without its password might want to tell from the others.
KINDS: dict[str, Callable[[str], Any]] = {
    "unknown": lambda name: None,
    "without a factor": lambda name: make_user(username=name),
    "with an app": lambda name: enrol_app(make_user(username=name)),
    "with a mailbox": lambda name: add_mailbox(make_user(username=name)),
    "disabled": lambda name: make_user(username=name, is_active=False),
    "not approved": lambda name: make_user(username=name, is_approved=False),
    "locked": lambda name: make_user(username=name, locked_by_administrator_at=timezone.now()),
    "over": lambda name: make_user(username=name, end_date=timezone.now()),
    "without a role": lambda name: make_user(username=name, all_clients=False),
    "must change": lambda name: make_user(username=name, must_change_password=True),
    "without a password": lambda name: User(username=name, password="!nothing").save(),
    "administrator": lambda name: make_user(username=name, admin_role=40),
}


def _asked(kind: str, tries: int = 7) -> tuple[list[Answer], list[list[str]], int]:
    """Answers, statements and hashes of `tries` wrong passwords for an account of this kind."""
    client = sign_in_client(client=make_client())
    client.username = f"name-{list(KINDS).index(kind):02}"
    KINDS[kind](client.username)
    answers, statements, hashes = [], [], 0
    for _ in range(tries):
        with CaptureQueriesContext(connection) as queries, _Counting() as counting:
            answers.append(client.password_step(Password="wrong"))
        statements.append([_shape(query["sql"]) for query in queries.captured_queries])
        hashes += counting.number
    return answers, statements, hashes


class _Counting:
    """How often a password was hashed meanwhile."""

    def __enter__(self) -> "_Counting":
        self.number = 0
        self._original = vars(hashing)["check_password"]
        self._patch = mock.patch.object(hashing, "check_password", self._counted)
        self._patch.start()
        return self

    def _counted(self, *arguments: Any, **more: Any) -> bool:
        self.number += 1
        return bool(self._original(*arguments, **more))

    def __exit__(self, *_: object) -> None:
        self._patch.stop()


_VALUES = re.compile(r"""'[^']*'(::\w+)?|"s\d+_x\d+"|\b\d+\b|NULL|None""")


def _shape(statement: str) -> str:
    """A statement without its values."""
    return _VALUES.sub("?", statement)[:120]


def _told(answer: Answer) -> tuple[object, ...]:
    body = re.sub(r"name-\d\d", "name", answer.body.decode())
    headers = {name: value for name, value in answer.headers.items() if name not in ("date",)}
    return answer.http_status, body, tuple(sorted(headers.items()))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "unknown"])
def test_an_unknown_name_answers_and_works_like_every_known_one(kind: str) -> None:
    sign_in_client().password_step(Password="wrong")  # The process's keys and nobody's hash are made once.
    unknown, unknown_statements, unknown_hashes = _asked("unknown")
    known, known_statements, known_hashes = _asked(kind)
    assert [_told(answer) for answer in known] == [_told(answer) for answer in unknown]
    assert known_statements == unknown_statements
    assert known_hashes == unknown_hashes == 5


def test_nothing_of_the_second_factor_shows_before_the_password_is_right() -> None:
    user = make_user()
    enrol_app(user)
    add_mailbox(user)
    client = sign_in_client(user)
    refused = client.password_step(Password="wrong")
    inner = refused.document["VGResponse"]["AuthenticationResponse"]
    assert inner["MFAAvailables"] == []
    assert inner["AuthenticationEnrollmentRequest"] is None
    assert inner["Identity"]["IsAuthenticated"] is False
    assert not refused.status & (FACTOR_REQUIRED | ENROLMENT_REQUIRED) & ~1


def test_account_states_show_only_after_the_right_password() -> None:
    user = make_user(is_active=False, is_approved=False)
    client = sign_in_client(user)
    assert client.password_step(Password="wrong").status == 9
    assert client.password_step().status == 1 | 256 | 131072


def test_nothing_that_was_typed_is_quoted_in_an_error() -> None:
    client = sign_in_client(make_user())
    canary = "canary-of-7f3a"
    hostile: list[dict[str, Any]] = [
        {"VGAuthenticationModule": canary},
        {"scope": canary},
        {"grant_type": canary},
        {"AuthenticationRequestId": "x", "MFAAction": canary},
        {"AuthenticationRequestId": "x", "RememberDevice": canary},
    ]
    for fields in hostile:
        answer = client.password_step(**fields)
        assert answer.http_status == 400
        assert canary not in answer.body.decode()
    problem = client.enrolment("GetEnrollmentInformation", "x", method="GET", size=canary)
    assert canary not in problem.body.decode()


def test_an_error_has_no_stack_trace(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from mfa.flows import sign_in

    client = sign_in_client(make_user())
    monkeypatch.setattr(sign_in, "password_step", _broken)
    inside = client.send.__closure__
    assert inside is not None
    browser = next(cell.cell_contents for cell in inside if hasattr(cell.cell_contents, "raise_request_exception"))
    browser.raise_request_exception = False
    answer = client.password_step()
    assert answer.http_status == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret-of-the-exception" not in answer.body.decode()
    assert "Traceback" not in answer.body.decode()


def _broken(*_: object) -> None:
    raise RuntimeError("secret-of-the-exception")


def test_shared_secrets_are_160_bits_from_the_operating_system(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def token_bytes(length: int) -> bytes:
        asked.append(length)
        return bytes(range(length))

    monkeypatch.setattr("mfa.primitives.totp.secrets.token_bytes", token_bytes)
    client = sign_in_client(make_user())
    client.qr(client.password_step().request_id)
    assert asked == [20]


def test_confirming_the_password_elsewhere_is_no_second_oracle(clock: Traveller) -> None:
    """`/api/account/password` and the sign-in share one count (A58)."""
    user = make_user()
    client = sign_in_client(user)

    def change(password: str) -> int:
        given = {"client_id": client.client_id, "Username": user.username, "Password": password, "NewPassword": "x"}
        return client.send("POST", "/api/account/password", data=given).http_status

    assert [change("wrong") for _ in range(3)] == [400] * 3
    assert [client.password_step(Password="wrong").status for _ in range(3)] == [33801, 9, 5]
    assert change("wrong") == 429
    assert change(client.password) == 429


@pytest.mark.parametrize("right", [True, False])
def test_an_oversized_name_or_password_costs_no_hash(right: bool) -> None:
    client: VisualGuardClient = sign_in_client(make_user())
    fields: dict[str, Any] = {"Username": "n" * 65} if right else {"Password": "é" * 513}
    with _Counting() as counting:
        answer = client.password_step(**fields)
    assert (answer.http_status, answer.document["error"], counting.number) == (400, "invalid_request", 0)
