"""Sending budgets: a flood ends, for the person and for the destination (ATTACKS A71)."""

from datetime import timedelta

import pytest
from django.core import mail
from pytest_django import Settings

from identity.models import AuditEvent
from mfa.delivery import budget
from mfa.flows import challenge
from mfa.models import Delivery, SendingBudget
from mfa.models.authenticator import Kind
from mfa.outcomes import HandOver
from tests.support.ceremony import NOON, ORIGIN, a_request, a_user, an_enrolment, by_email

pytestmark = pytest.mark.django_db


def spend(times: int, user: int = 1, destination: str = "a@mail.example", seconds: float = 0) -> list[bool]:
    now = NOON + timedelta(seconds=seconds)
    return [budget.spend_for_code(user, destination, now) for _ in range(times)]


def test_a_destination_gets_ten_codes_in_ten_minutes() -> None:
    assert spend(12) == [True] * 10 + [False] * 2
    assert spend(1, seconds=599) == [False]
    assert spend(1, seconds=600) == [True]


def test_a_destination_is_counted_whoever_sends_to_it() -> None:
    assert all(spend(5, user=1))
    assert all(spend(5, user=2))
    assert spend(1, user=3) == [False]


def test_a_person_gets_fifteen_codes_in_ten_minutes_wherever_they_go() -> None:
    sent = [spend(1, destination=f"{number}@mail.example")[0] for number in range(16)]
    assert sent == [True] * 15 + [False]


def test_a_destination_gets_forty_codes_in_a_day() -> None:
    sent = [spend(1, user=number, seconds=number * 600)[0] for number in range(42)]
    assert sent == [True] * 40 + [False] * 2
    assert spend(1, user=99, seconds=86400) == [True]


def test_what_is_refused_is_not_counted() -> None:
    spend(10)
    before = dict(SendingBudget.objects.values_list("key", "sent"))
    spend(5)
    assert dict(SendingBudget.objects.values_list("key", "sent")) == before


def test_the_table_names_nobody() -> None:
    spend(1)
    assert all(len(key) == 64 and "@" not in key for key in SendingBudget.objects.values_list("key", flat=True))


@pytest.mark.django_db(transaction=True)
def test_past_the_budget_nothing_is_sent_and_the_last_code_stays_good(settings: Settings) -> None:
    settings.REDIS_URL = ""
    user = a_user()
    request, mailbox = a_request(user), by_email(user)
    assert [challenge.send_code(request, mailbox, ORIGIN, NOON) for _ in range(10)] == [HandOver.DONE] * 10
    assert challenge.send_code(request, mailbox, ORIGIN, NOON) is HandOver.FAILED
    assert challenge.send_link(request, mailbox, ORIGIN, NOON) == (HandOver.FAILED, None)
    another = a_request(user)
    assert challenge.send_code(another, mailbox, ORIGIN, NOON) is HandOver.FAILED, "a new request changes nothing"
    assert len(mail.outbox) == 10
    assert Delivery.objects.count() == 10
    assert request.challenges.filter(state="open").count() == 1
    assert AuditEvent.objects.filter(reason="sending_budget_spent").count() == 3


@pytest.mark.django_db(transaction=True)
def test_enrolment_codes_are_counted_with_the_others(settings: Settings) -> None:
    settings.REDIS_URL = ""
    user = a_user()
    enrolment = an_enrolment(a_request(user), Kind.EMAIL, user.email)
    spend(10, user=user.pk, destination=user.email)
    assert challenge.send_enrolment_code(enrolment, ORIGIN, NOON) is HandOver.FAILED
    assert mail.outbox == []
