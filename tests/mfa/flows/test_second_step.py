"""The second step: what a link, an authenticator that wrong codes have disabled, and asking once more come to."""

from typing import Any

import pytest
from django.core import mail
from django.utils import timezone
from pytest_django import Settings

from identity.models import Client, Session, User
from mfa.flows import challenge, second_step
from mfa.models import AuthenticationRequest, Authenticator, Challenge
from mfa.outcomes import Origin
from tests.factories import add_mailbox, make_user, sign_in_client
from tests.mfa.flows.test_challenge import received_token
from tests.support.visual_guard import CANCELLED, FACTOR_REQUIRED, SUCCESS, WAITING, Answer, VisualGuardClient

pytestmark = pytest.mark.django_db(transaction=True)

ORIGIN = Origin(address="198.51.100.7")
AT_ONCE = {"headers": {"Prefer": "respond-async"}}
FAILED_SENDING, LINK_TIMED_OUT, MUST_CHANGE = 2097153, 16777217, 513


@pytest.fixture(autouse=True)
def _in_the_process(settings: Settings) -> None:
    settings.REDIS_URL = ""


def by_mail(**fields: Any) -> tuple[User, VisualGuardClient, Answer]:
    """Somebody who holds a mailbox and has just given the right password."""
    user = make_user(**fields)
    add_mailbox(user)
    client = sign_in_client(user)
    return user, client, client.password_step()


def send(client: VisualGuardClient, asked: Answer, mode: str) -> Answer:
    return client.token(
        how=AT_ONCE,
        AuthenticationRequestId=asked.request_id,
        MFAAvailableId=asked.factor_id("Email", mode),
        MFAAction=f"Send{mode}",
    )


def poll(client: VisualGuardClient, asked: Answer) -> Answer:
    return client.token(AuthenticationRequestId=asked.request_id, MFAAction="0")


def disable(user: User) -> None:
    """As a hundred wrong codes in a row do."""
    Authenticator.objects.filter(user=user).update(failures=100, disabled_at=timezone.now())


@pytest.mark.parametrize("mode", ["OTP", "Link"])
def test_nothing_is_sent_to_a_disabled_authenticator(mode: str) -> None:
    user, client, asked = by_mail()
    disable(user)
    answer = send(client, asked, mode)
    assert (answer.status, answer.request_id) == (FAILED_SENDING, asked.request_id)
    assert answer.factors == asked.factors
    assert (mail.outbox, Challenge.objects.count()) == ([], 0)


def test_a_link_that_was_sent_before_approves_nothing_once_its_authenticator_is_disabled() -> None:
    user, client, asked = by_mail()
    assert send(client, asked, "Link").status == WAITING
    token = received_token()
    disable(user)
    assert not challenge.approve(token, ORIGIN, timezone.now())
    assert poll(client, asked).status == WAITING
    assert challenge.refuse(token, ORIGIN, timezone.now())
    assert poll(client, asked).status == CANCELLED


def test_an_approval_from_before_passes_nothing_once_its_authenticator_is_disabled() -> None:
    user, client, asked = by_mail()
    send(client, asked, "Link")
    assert challenge.approve(received_token(), ORIGIN, timezone.now())
    disable(user)
    answer = poll(client, asked)
    assert (answer.status, answer.request_id) == (LINK_TIMED_OUT, asked.request_id)
    assert not Session.objects.exists()
    Authenticator.objects.update(failures=0, disabled_at=None)
    assert poll(client, asked).status == SUCCESS


def test_a_link_that_passed_for_a_change_of_password_answers_so_however_often_it_is_asked() -> None:
    _, client, asked = by_mail(must_change_password=True)
    assert asked.status == MUST_CHANGE
    send(client, asked, "Link")
    assert poll(client, asked).status == WAITING
    assert challenge.approve(received_token(), ORIGIN, timezone.now())
    answers = [poll(client, asked) for _ in range(3)]
    assert [(answer.status, answer.request_id) for answer in answers] == [(MUST_CHANGE, asked.request_id)] * 3
    assert {answer.document["AuthenticationMethod"] for answer in answers} == {"Link"}
    assert client.redeem(asked.request_id).status == MUST_CHANGE


def test_who_waited_beside_the_one_that_passed_hears_that_it_has_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two poll: the second has read the request as it was, and finds the link answered."""
    _, client, asked = by_mail(must_change_password=True)
    send(client, asked, "Link")
    challenge.approve(received_token(), ORIGIN, timezone.now())
    assert _polled_beside(monkeypatch, client, asked) == [MUST_CHANGE, MUST_CHANGE]


def test_who_waited_beside_the_one_that_got_tokens_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    _, client, asked = by_mail()
    assert asked.status == FACTOR_REQUIRED
    send(client, asked, "Link")
    challenge.approve(received_token(), ORIGIN, timezone.now())
    assert _polled_beside(monkeypatch, client, asked) == [SUCCESS, CANCELLED]
    assert Session.objects.count() == 1


def test_who_waits_for_a_link_hears_that_the_request_was_cancelled_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    _, client, asked = by_mail()
    send(client, asked, "Link")
    wait = challenge.wait_for_link

    def cancelled_meanwhile(link: Challenge, *, until: float) -> str:
        client.token(AuthenticationRequestId=asked.request_id, MFAAction="CancelLink")
        return wait(link, until=until)

    monkeypatch.setattr(challenge, "wait_for_link", cancelled_meanwhile)
    held = {"headers": {"Prefer": "wait=5"}}
    answer = client.token(how=held, AuthenticationRequestId=asked.request_id, MFAAction="0")
    assert answer.status == CANCELLED
    assert AuthenticationRequest.objects.get().end_reason == "cancelled"


def test_a_client_that_is_switched_off_while_its_call_is_held_gets_no_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    _, client, asked = by_mail()
    send(client, asked, "Link")
    wait = challenge.wait_for_link

    def switched_off_meanwhile(link: Challenge, *, until: float) -> str:
        Client.objects.filter(client_id=client.client_id).update(is_active=False)
        challenge.approve(received_token(), ORIGIN, timezone.now())
        return wait(link, until=until)

    monkeypatch.setattr(challenge, "wait_for_link", switched_off_meanwhile)
    held = {"headers": {"Prefer": "wait=5"}}
    answer = client.token(how=held, AuthenticationRequestId=asked.request_id, MFAAction="0")
    assert answer.status == CANCELLED
    assert not Session.objects.exists()


def _polled_beside(monkeypatch: pytest.MonkeyPatch, client: VisualGuardClient, asked: Answer) -> list[int]:
    """Of two polls that overlap: what the one that is over first is answered, and what the other is."""
    statuses = []
    link_of = second_step._link_of

    def other_first(request: AuthenticationRequest) -> Challenge | None:
        monkeypatch.setattr(second_step, "_link_of", link_of)
        link = link_of(request)
        statuses.append(poll(client, asked).status)
        return link

    monkeypatch.setattr(second_step, "_link_of", other_first)
    last = poll(client, asked).status
    return [*statuses, last]
