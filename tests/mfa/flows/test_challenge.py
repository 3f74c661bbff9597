"""Delivered codes and links: one at a time, once, until they run out."""

import re
import time
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.core import mail
from django.db import OperationalError
from django.utils import timezone
from pytest_django import Settings

from identity.flows import audit
from mfa.flows import challenge
from mfa.models import AuthenticationRequest, Authenticator, Challenge, Delivery
from mfa.models.authentication_request import RequestState
from mfa.models.authenticator import Kind
from mfa.models.challenge import ChallengeState
from mfa.models.delivery import DeliveryState
from mfa.outcomes import HandOver
from mfa.verifiers import delivered_code
from tests.support.ceremony import NOON, ORIGIN, a_client, a_request, a_user, an_enrolment, by_email

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _in_the_process(settings: Settings) -> None:
    settings.REDIS_URL = ""


@pytest.fixture
def request_() -> AuthenticationRequest:
    return a_request(a_user(), client=a_client())


@pytest.fixture
def mailbox(request_: AuthenticationRequest) -> Authenticator:
    return by_email(request_.user)


def received_code(number: int = -1) -> str:
    found = re.search(r"^ {4}(\d{6})$", str(mail.outbox[number].body), re.MULTILINE)
    assert found
    return found[1]


def received_token(number: int = -1) -> str:
    found = re.search(r"^http\S+/mfa/approve/(\S+)$", str(mail.outbox[number].body), re.MULTILINE)
    assert found
    return found[1]


def test_a_code_is_sent_and_is_right_once(request_: AuthenticationRequest, mailbox: Authenticator) -> None:
    assert challenge.send_code(request_, mailbox, ORIGIN, NOON) is HandOver.DONE
    match = delivered_code.find(request_, mailbox, received_code(), NOON)
    assert match
    assert match.amr == "otp"
    assert match.spend(NOON)
    assert not match.spend(NOON)
    assert delivered_code.find(request_, mailbox, received_code(), NOON) is None


def test_the_code_lives_as_long_as_the_setting_says(
    request_: AuthenticationRequest, mailbox: Authenticator, settings: Settings
) -> None:
    settings.OTP_LIFETIME = 75
    challenge.send_code(request_, mailbox, ORIGIN, NOON)
    code = received_code()
    assert delivered_code.find(request_, mailbox, code, NOON + timedelta(seconds=74.9))
    assert delivered_code.find(request_, mailbox, code, NOON + timedelta(seconds=75)) is None
    assert delivered_code.is_stale(request_, mailbox, code, NOON + timedelta(seconds=75))


def test_a_code_that_ran_out_between_finding_and_spending_is_not_spent(
    request_: AuthenticationRequest, mailbox: Authenticator
) -> None:
    challenge.send_code(request_, mailbox, ORIGIN, NOON)
    match = delivered_code.find(request_, mailbox, received_code(), NOON)
    assert match
    assert not match.spend(NOON + timedelta(seconds=61))


def test_a_new_code_supersedes_the_older_one(request_: AuthenticationRequest, mailbox: Authenticator) -> None:
    challenge.send_code(request_, mailbox, ORIGIN, NOON)
    challenge.send_code(request_, mailbox, ORIGIN, NOON)
    older, newer = received_code(0), received_code(1)
    if older != newer:  # One in a million.
        assert delivered_code.find(request_, mailbox, older, NOON) is None
        assert delivered_code.is_stale(request_, mailbox, older, NOON)
    assert delivered_code.find(request_, mailbox, newer, NOON)
    assert sorted(Challenge.objects.values_list("state", flat=True)) == ["open", "superseded"]


def test_a_superseded_code_that_has_not_gone_yet_never_goes(
    request_: AuthenticationRequest, mailbox: Authenticator, settings: Settings
) -> None:
    settings.EMAIL_BACKEND = "tests.support.gateways.RefusingBackend"
    assert challenge.send_code(request_, mailbox, ORIGIN, NOON) is HandOver.FAILED
    first = Delivery.objects.get()
    assert first.state == DeliveryState.WAITING
    challenge.send_code(request_, mailbox, ORIGIN, NOON)
    first.refresh_from_db()
    assert first.state == DeliveryState.CANCELLED
    assert first.sealed_context is None


def test_a_wrong_code_is_neither_right_nor_stale(request_: AuthenticationRequest, mailbox: Authenticator) -> None:
    challenge.send_code(request_, mailbox, ORIGIN, NOON)
    wrong = f"{(int(received_code()) + 1) % 10**6:06}"
    assert delivered_code.find(request_, mailbox, wrong, NOON) is None
    assert not delivered_code.is_stale(request_, mailbox, wrong, NOON)


def test_a_code_of_one_request_is_worth_nothing_in_another(
    request_: AuthenticationRequest, mailbox: Authenticator
) -> None:
    challenge.send_code(request_, mailbox, ORIGIN, NOON)
    another = a_request(request_.user)
    assert delivered_code.find(another, mailbox, received_code(), NOON) is None


def test_a_request_that_is_over_sends_nothing(request_: AuthenticationRequest, mailbox: Authenticator) -> None:
    request_.state = RequestState.CANCELLED
    request_.save()
    assert challenge.send_code(request_, mailbox, ORIGIN, NOON) is HandOver.FAILED
    assert challenge.send_link(request_, mailbox, ORIGIN, NOON) == (HandOver.FAILED, None)
    assert mail.outbox == []


def test_somebody_elses_mailbox_is_sent_nothing(request_: AuthenticationRequest) -> None:
    assert challenge.send_code(request_, by_email(a_user()), ORIGIN, NOON) is HandOver.FAILED
    assert mail.outbox == []


def test_no_code_and_no_token_is_in_the_database(request_: AuthenticationRequest, mailbox: Authenticator) -> None:
    challenge.send_code(request_, mailbox, ORIGIN, NOON)
    challenge.send_link(request_, mailbox, ORIGIN, NOON)
    secrets = {received_code(0), received_token(1)}
    rows = [*Challenge.objects.values(), *Delivery.objects.values()]
    assert not [value for row in rows for value in row.values() if any(secret in repr(value) for secret in secrets)]


def test_opening_a_link_decides_nothing_and_approving_it_works_once(
    request_: AuthenticationRequest, mailbox: Authenticator
) -> None:
    handed_over, opened = challenge.send_link(request_, mailbox, ORIGIN, NOON)
    assert handed_over is HandOver.DONE
    assert opened
    token = received_token()
    for _ in range(3):
        shown = challenge.link_of(token, NOON)
        assert shown
        assert shown.state == ChallengeState.OPEN
        assert shown.request.client
        assert shown.request.client.name == "Payroll"
    assert challenge.approve(token, ORIGIN, NOON)
    assert not challenge.approve(token, ORIGIN, NOON)
    assert not challenge.refuse(token, ORIGIN, NOON)
    assert challenge.link_of(token, NOON) is None
    opened.refresh_from_db()
    assert opened.state == ChallengeState.APPROVED


def test_a_refused_link_stays_refused(request_: AuthenticationRequest, mailbox: Authenticator) -> None:
    _, opened = challenge.send_link(request_, mailbox, ORIGIN, NOON)
    assert opened
    assert challenge.refuse(received_token(), ORIGIN, NOON)
    assert not challenge.approve(received_token(), ORIGIN, NOON)
    opened.refresh_from_db()
    assert opened.state == ChallengeState.REFUSED


def test_a_decision_that_cannot_be_recorded_is_none(
    request_: AuthenticationRequest, mailbox: Authenticator, monkeypatch: pytest.MonkeyPatch
) -> None:
    challenge.send_link(request_, mailbox, ORIGIN, NOON)

    def full(*_args: object, **_fields: object) -> None:
        raise OperationalError("no space left")

    with monkeypatch.context() as broken:
        broken.setattr(audit, "record", full)
        with pytest.raises(OperationalError):
            challenge.approve(received_token(), ORIGIN, NOON)
    assert Challenge.objects.get().state == ChallengeState.OPEN
    assert challenge.approve(received_token(), ORIGIN, NOON)


@pytest.mark.parametrize("spoilt", ["late", "request over", "superseded by a code", "another token"])
def test_a_link_is_no_good(request_: AuthenticationRequest, mailbox: Authenticator, spoilt: str) -> None:
    challenge.send_link(request_, mailbox, ORIGIN, NOON)
    token, now = received_token(), NOON
    if spoilt == "late":
        now = NOON + timedelta(seconds=90)
    elif spoilt == "request over":
        AuthenticationRequest.objects.update(state=RequestState.CANCELLED)
    elif spoilt == "superseded by a code":
        challenge.send_code(request_, mailbox, ORIGIN, NOON)
    else:
        token = token[:-1] + ("A" if token[-1] != "A" else "B")
    assert challenge.link_of(token, now) is None
    assert not challenge.approve(token, ORIGIN, now)
    assert not challenge.refuse(token, ORIGIN, now)


def test_a_link_token_is_no_code_and_a_code_no_link_token(
    request_: AuthenticationRequest, mailbox: Authenticator
) -> None:
    challenge.send_link(request_, mailbox, ORIGIN, NOON)
    token = received_token()
    assert delivered_code.find(request_, mailbox, token, NOON) is None
    challenge.send_code(request_, mailbox, ORIGIN, NOON)
    assert challenge.link_of(received_code(), NOON) is None


def test_a_link_has_256_bits_and_our_own_address(request_: AuthenticationRequest, mailbox: Authenticator) -> None:
    challenge.send_link(request_, mailbox, ORIGIN, NOON)
    assert len(received_token()) == 43  # 256 bits in Base64, without padding.
    message = mail.outbox[-1]
    assert isinstance(message, mail.EmailMultiAlternatives)
    assert urlsplit(str(message.alternatives[0][0]).split('href="')[1]).netloc == "localhost:5000"


def test_who_waits_for_a_link_hears_of_the_click_and_of_a_cancellation(
    request_: AuthenticationRequest, mailbox: Authenticator
) -> None:
    now = timezone.now()
    live = a_request(request_.user, now)
    _, opened = challenge.send_link(live, mailbox, ORIGIN, now)
    assert opened
    assert challenge.wait_for_link(opened, until=time.monotonic() + 0.3) is ChallengeState.OPEN
    challenge.approve(received_token(), ORIGIN, now)
    assert challenge.wait_for_link(opened, until=time.monotonic() + 5) is ChallengeState.APPROVED
    _, second = challenge.send_link(live, mailbox, ORIGIN, now)
    assert second
    challenge.cancel(live, now)
    assert challenge.wait_for_link(second, until=time.monotonic() + 5) is ChallengeState.SUPERSEDED


def test_who_waits_for_a_link_hears_of_the_end_of_the_request(
    request_: AuthenticationRequest, mailbox: Authenticator
) -> None:
    now = timezone.now()
    live = a_request(request_.user, now)
    _, opened = challenge.send_link(live, mailbox, ORIGIN, now)
    assert opened
    AuthenticationRequest.objects.filter(pk=live.pk).update(state=RequestState.CANCELLED)
    assert challenge.wait_for_link(opened, until=time.monotonic() + 5) is ChallengeState.SUPERSEDED


def test_waiting_ends_when_the_link_runs_out(request_: AuthenticationRequest, mailbox: Authenticator) -> None:
    now = timezone.now() - timedelta(seconds=89.5)
    live = a_request(request_.user, now)
    _, opened = challenge.send_link(live, mailbox, ORIGIN, now)
    assert opened
    begun = time.monotonic()
    assert challenge.wait_for_link(opened, until=begun + 60) is ChallengeState.OPEN
    assert time.monotonic() - begun < 30


def test_an_enrolment_code_confirms_its_own_enrolment_alone(request_: AuthenticationRequest) -> None:
    enrolment = an_enrolment(request_, Kind.EMAIL, "new@mail.example")
    other = an_enrolment(a_request(request_.user), Kind.EMAIL, "new@mail.example")
    assert challenge.send_enrolment_code(enrolment, ORIGIN, NOON) is HandOver.DONE
    assert challenge.send_enrolment_code(other, ORIGIN, NOON) is HandOver.DONE
    code = received_code(0)
    assert mail.outbox[0].to == ["new@mail.example"]
    assert delivered_code.matches_enrolment(enrolment, code, NOON)
    assert code == received_code(1) or not delivered_code.matches_enrolment(other, code, NOON)
    assert not delivered_code.matches_enrolment(enrolment, code, NOON + timedelta(seconds=60))
    assert not delivered_code.matches_enrolment(enrolment, f" {code}", NOON)
    enrolment.state = "cancelled"
    assert not delivered_code.matches_enrolment(enrolment, code, NOON)


def test_a_second_enrolment_code_replaces_the_first_and_calls_it_back(
    request_: AuthenticationRequest, settings: Settings
) -> None:
    enrolment = an_enrolment(request_, Kind.EMAIL, "new@mail.example")
    settings.EMAIL_BACKEND = "tests.support.gateways.RefusingBackend"
    assert challenge.send_enrolment_code(enrolment, ORIGIN, NOON) is HandOver.FAILED
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert challenge.send_enrolment_code(enrolment, ORIGIN, NOON) is HandOver.DONE
    assert sorted(Delivery.objects.values_list("state", flat=True)) == ["cancelled", "sent"]
    enrolment.refresh_from_db()
    assert delivered_code.matches_enrolment(enrolment, received_code(), NOON)


def test_an_ended_enrolment_is_sent_nothing(request_: AuthenticationRequest) -> None:
    enrolment = an_enrolment(request_, Kind.EMAIL, "new@mail.example")
    assert challenge.send_enrolment_code(enrolment, ORIGIN, NOON + timedelta(seconds=600)) is HandOver.FAILED
    enrolment.state = "cancelled"
    enrolment.save()
    assert challenge.send_enrolment_code(enrolment, ORIGIN, NOON) is HandOver.FAILED
    assert mail.outbox == []
