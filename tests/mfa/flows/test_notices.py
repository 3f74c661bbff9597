"""Notices: who is told, where, in which language, and how often."""

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.db import transaction
from pytest_django import Settings

from identity.models import User
from mfa.delivery import outbox
from mfa.flows import notices
from mfa.models import Delivery
from mfa.outcomes import Origin
from tests.support.ceremony import NOON, ORIGIN, a_user, by_email, by_sms

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _in_the_process(settings: Settings) -> None:
    settings.REDIS_URL = ""


def told() -> set[str]:
    return set(Delivery.objects.values_list("destination", flat=True))


def sent(user: User, template: str = "password_changed", origin: Origin | None = ORIGIN, **facts: Any) -> str:
    """The text of the mail that a notice makes."""
    notices.tell(user, template, origin, NOON, **facts)
    outbox.hand_over(Delivery.objects.latest("created_at").pk, NOON)
    return str(mail.outbox[-1].body)


def test_every_verified_address_is_told_once() -> None:
    user = a_user(email="own@mail.example")
    by_email(user, "second@mail.example")
    by_email(user, "own@mail.example")
    notices.tell(user, "password_changed", ORIGIN, NOON)
    assert told() == {"own@mail.example", "second@mail.example"}
    assert Delivery.objects.count() == 2


def test_an_address_that_is_only_claimed_is_told_nothing() -> None:
    notices.tell(a_user(email_verified_at=None), "password_changed", ORIGIN, NOON)
    notices.tell(a_user(email="", email_verified_at=None), "password_changed", ORIGIN, NOON)
    notices.tell(a_user(email_verified_at=None, mobile_phone="+33612345678"), "password_changed", ORIGIN, NOON)
    assert not Delivery.objects.exists()


def test_the_number_is_told_where_there_is_no_address() -> None:
    notices.tell(
        a_user(email_verified_at=None, mobile_phone="+33612345678", mobile_verified_at=NOON),
        "password_changed", ORIGIN, NOON,
    )  # fmt: skip
    user = a_user(email_verified_at=None)
    by_sms(user, "+447700900123")
    notices.tell(user, "password_changed", ORIGIN, NOON)
    assert told() == {"+33612345678", "+447700900123"}
    assert set(Delivery.objects.values_list("kind", flat=True)) == {1}


def test_a_removed_address_hears_of_its_removal() -> None:
    notices.tell(
        a_user(email="own@mail.example"), "authenticator_removed", ORIGIN, NOON, label="E-mail",
        also_to=["gone@mail.example"],
    )  # fmt: skip
    assert told() == {"own@mail.example", "gone@mail.example"}


def test_a_notice_is_written_in_the_users_language_before_the_callers() -> None:
    caller = Origin(address="198.51.100.7", language="de")
    notices.tell(a_user(language="fr"), "password_changed", caller, NOON)
    notices.tell(a_user(), "password_changed", caller, NOON)
    notices.tell(a_user(), "password_changed", None, NOON)
    assert sorted(Delivery.objects.values_list("language", flat=True)) == ["de", "en", "fr"]


def test_a_notice_says_whose_account_from_where_and_what_to_do() -> None:
    said = sent(a_user(username="tt29"), "authenticator_added", label="the red phone")
    assert "the red phone" in said
    assert "Account: tt29" in said
    assert "From the address: 198.51.100.7" in said
    assert "When: 1 June 2026, 12:00 UTC" in said
    assert "If it was not you: sign in at http://localhost:5000/account/" in said


def test_what_nobody_called_for_has_no_address() -> None:
    assert "From the address" not in sent(a_user(), origin=None)


def test_a_notice_goes_with_its_cause_and_not_without() -> None:
    with transaction.atomic():
        notices.tell(a_user(), "password_changed", ORIGIN, NOON)
        transaction.set_rollback(True)
    assert not Delivery.objects.exists()


def test_whoever_provokes_the_same_notice_again_and_again_floods_nobody() -> None:
    user = a_user()
    for _ in range(9):
        notices.tell(user, "wrong_codes", ORIGIN, NOON)
    assert Delivery.objects.count() == 5
    notices.tell(user, "password_changed", ORIGIN, NOON)
    assert Delivery.objects.count() == 6, "other news is told"
    notices.tell(user, "wrong_codes", ORIGIN, NOON + timedelta(seconds=600))
    assert Delivery.objects.count() == 7


@pytest.mark.parametrize(("template", "facts"), [("no_such_notice", {}), ("authenticator_added", {})])
def test_an_unknown_notice_or_a_missing_fact_is_a_misuse(template: str, facts: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="is no notice, or needs"):
        notices.tell(a_user(), template, ORIGIN, NOON, **facts)
