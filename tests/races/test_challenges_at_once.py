"""Challenges, budgets and recovery codes when many callers come in the same instant."""

import threading
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from django.core import mail
from django.db import connection
from pytest_django import Settings

from mfa.delivery import budget
from mfa.flows import challenge, recovery
from mfa.models import Challenge, Delivery, RecoveryCode, RecoveryCodeSet, SendingBudget
from mfa.models.challenge import ChallengeState
from mfa.outcomes import HandOver
from mfa.verifiers import recovery_code
from tests.mfa.flows.test_challenge import received_token
from tests.support.ceremony import NOON, ORIGIN, a_client, a_request, a_user, by_email

T = TypeVar("T")
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _in_the_process(settings: Settings) -> None:
    settings.REDIS_URL = ""


def at_once(callers: int, call: Callable[[int], T]) -> list[T]:
    """What each of so many callers got; they begin together, each with a connection of its own."""
    together = threading.Barrier(callers)
    answers: list[T] = []
    failures: list[Exception] = []

    def caller(number: int) -> None:
        together.wait()
        try:
            answers.append(call(number))
        except Exception as failure:  # noqa: BLE001  It is told to the test, not kept.
            failures.append(failure)
        finally:
            connection.close()

    threads = [threading.Thread(target=caller, args=(number,)) for number in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures
    return answers


def test_of_many_codes_asked_for_at_once_one_stays_open() -> None:
    request = a_request(a_user(), client=a_client())
    mailbox = by_email(request.user)
    answers = at_once(8, lambda _number: challenge.send_code(request, mailbox, ORIGIN, NOON))
    states = list(Challenge.objects.values_list("state", flat=True))
    assert sorted(states) == [ChallengeState.OPEN] + [ChallengeState.SUPERSEDED] * 7
    assert answers.count(HandOver.DONE) == len(mail.outbox) == Delivery.objects.filter(state="sent").count()
    assert Delivery.objects.get(pk=Challenge.objects.get(state="open").pk).state == "sent"


def test_a_link_is_decided_once_however_many_click() -> None:
    request = a_request(a_user(), client=a_client())
    _, opened = challenge.send_link(request, by_email(request.user), ORIGIN, NOON)
    assert opened
    token = received_token()
    decide: list[Callable[..., Any]] = [challenge.approve, challenge.refuse]
    won = at_once(16, lambda number: decide[number % 2](token, ORIGIN, NOON) and decide[number % 2])
    [decision] = [each for each in won if each]
    opened.refresh_from_db()
    assert opened.state == ("approved" if decision is challenge.approve else "refused")


def test_a_budget_holds_against_a_burst() -> None:
    allowed = at_once(24, lambda number: budget.spend_for_code(number, "a@mail.example", NOON))
    assert allowed.count(True) == 10
    assert max(SendingBudget.objects.values_list("sent", flat=True)) == 10


def test_of_sets_made_at_once_one_is_in_force() -> None:
    user = a_user()
    sets = at_once(6, lambda _number: recovery.make_codes(user, NOON, ORIGIN))
    assert recovery.codes_left(user) == 10
    assert RecoveryCode.objects.count() == 10
    good = [codes for codes in sets if recovery_code.find(user, codes[0], NOON)]
    assert len(good) == 1
    assert all(recovery_code.find(user, code, NOON) for code in good[0])
    assert RecoveryCodeSet.objects.get(user=user).generation == 6
