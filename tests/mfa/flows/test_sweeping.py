"""The sweep: whatever one account, or one part of it, comes to, the others are served. Nor does a data key that opens
no more stand in the way of what is done to its owner."""

import json
from functools import partial
from typing import Any

import pytest
from django.db import DatabaseError
from django.utils import timezone
from prometheus_client import REGISTRY
from pytest_django import Settings
from structlog.testing import capture_logs

from identity.flows import audit_seals
from identity.models import User
from mfa.flows import challenge, cleanup, deliveries, lock_notices, password_reset, reset, rotation, sweeping
from mfa.models import AuthenticationRequest, DataKey, Delivery, PasswordReset
from mfa.models.authenticator import Kind
from mfa.outcomes import HandOver, Origin
from tests.factories import add_mailbox, enrol_app, make_client, make_user, sign_in_client
from tests.support.ceremony import NOON, a_client, a_request, an_enrolment

pytestmark = pytest.mark.django_db

ORIGIN = Origin(address="198.51.100.7")
PARTS = {
    "locks": (lock_notices, "tell_of_locks"),
    "password_resets": (password_reset, "send_due"),
    "deliveries": (deliveries, "sweep"),
    "audit_seals": (audit_seals, "seal_when_due"),
    "rotation": (rotation, "go_on"),
    "clean_up": (cleanup, "clean_up_when_due"),
}


@pytest.fixture(autouse=True)
def _in_the_process(settings: Settings) -> None:
    settings.REDIS_URL = ""


def reachable(*, damaged: bool = False) -> User:
    """Somebody with a verified address and an app; `damaged`: the data key opens no more."""
    user = make_user(email_verified_at=timezone.now())
    User.objects.filter(pk=user.pk).update(email=f"{user.username}@mail.example")
    enrol_app(user)
    if damaged:
        DataKey.objects.filter(user=user).update(sealed=b"\x01\x07unknown" + bytes(60))
    return User.objects.get(pk=user.pk)


def told(template: str) -> list[User]:
    return [row.user for row in Delivery.objects.filter(template=template)]


def test_a_reset_that_cannot_be_sealed_is_over_and_keeps_nobody_else_waiting() -> None:
    client, spoilt, whole = make_client(), reachable(damaged=True), reachable()
    for user in (spoilt, whole):
        password_reset.ask(user.username, client, ORIGIN, timezone.now())
    with capture_logs() as lines:
        assert sweeping.sweep(timezone.now()) >= 2
    assert told("password_reset") == [whole]
    assert not PasswordReset.objects.filter(handled_at=None).exists()
    assert PasswordReset.objects.get(user=spoilt).digest == ""
    [line] = [line for line in lines if line["event"] == "message cannot be sealed"]
    assert (line["user"], line["template"]) == (str(spoilt.subject), "password_reset")
    assert spoilt.email not in json.dumps(lines)
    with capture_logs() as lines:
        sweeping.sweep(timezone.now())
    assert lines == []


def test_a_reset_that_fails_otherwise_is_over_too_but_not_one_that_the_database_breaks_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client, whole = make_client(), reachable()
    handle = password_reset._handle
    failures: list[Exception] = [DatabaseError(), ValueError("a password, or a code")]

    def failing(wish: PasswordReset, now: Any) -> None:
        if failures:
            raise failures.pop(0)
        handle(wish, now)

    monkeypatch.setattr(password_reset, "_handle", failing)
    for _ in range(2):
        password_reset.ask(whole.username, client, ORIGIN, timezone.now())
    with pytest.raises(DatabaseError):
        password_reset.send_due(timezone.now())
    assert PasswordReset.objects.filter(handled_at=None).count() == 2
    with capture_logs() as lines:
        assert password_reset.send_due(timezone.now()) == 2
    assert [line["reason"] for line in lines if line["event"] == "password reset not sent"] == ["ValueError"]
    assert "a password" not in json.dumps(lines)
    assert told("password_reset") == [whole]


def test_a_lock_whose_notice_cannot_be_sealed_keeps_nobody_else_waiting() -> None:
    spoilt, whole = reachable(damaged=True), reachable()
    for user in (spoilt, whole):
        client = sign_in_client(user)
        for _ in range(6):
            client.password_step(Password="wrong")
    sweeping.sweep(timezone.now())
    assert told("account_locked") == [whole]
    assert lock_notices.tell_of_locks(timezone.now()) == 0


@pytest.mark.parametrize("part", PARTS)
def test_each_part_is_done_whatever_the_others_come_to(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def failing(*_args: object, **_named: object) -> int:
        raise RuntimeError("what it says may be secret")

    def noted(name: str, *_args: object, **_named: object) -> int:
        done.append(name)
        return 1

    for name, (module, function) in PARTS.items():
        monkeypatch.setattr(module, function, failing if name == part else partial(noted, name))
    before = _failures(part)
    with capture_logs() as lines:
        sweeping.sweep(timezone.now())
    assert done == [name for name in PARTS if name != part]
    assert _failures(part) == before + 1
    assert [(line["part"], line["reason"]) for line in lines] == [(part, "RuntimeError")]
    assert "secret" not in json.dumps(lines)


def _failures(part: str) -> float:
    return REGISTRY.get_sample_value("stepward_sweep_failures_total", {"part": part}) or 0


def test_an_account_whose_data_key_is_damaged_can_be_locked_and_reset() -> None:
    spoilt, now = reachable(damaged=True), timezone.now()
    reset.lock_account(spoilt, actor=None, reason="left", origin=ORIGIN, now=now)
    assert reset.reset_mfa(spoilt, actor=None, reason="lost phone", origin=ORIGIN, now=now) == 1
    assert not spoilt.authenticators.exists()
    assert not Delivery.objects.exists()


def test_a_code_that_cannot_be_sealed_was_not_sent() -> None:
    spoilt = reachable(damaged=True)
    mailbox, client = add_mailbox(spoilt), sign_in_client(spoilt)
    asked = client.password_step()
    sent = client.token(
        AuthenticationRequestId=asked.request_id, MFAAvailableId=asked.factor_id("Email"), MFAAction="SendOTP"
    )
    assert sent.status == 2097153
    request = AuthenticationRequest.objects.get()
    assert challenge.send_link(request, mailbox, ORIGIN, timezone.now()) == (HandOver.FAILED, None)
    assert not request.challenges.exists()


def test_a_code_for_an_enrolment_that_cannot_be_sealed_was_not_sent() -> None:
    spoilt = reachable(damaged=True)
    enrolment = an_enrolment(a_request(spoilt, client=a_client()), Kind.EMAIL, spoilt.email)
    assert challenge.send_enrolment_code(enrolment, ORIGIN, NOON) == HandOver.FAILED
    enrolment.refresh_from_db()
    assert enrolment.code_digest == ""
