"""The outbox: written with its cause, sent once, tried again, never late, and silent about what it said."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from django.core import mail
from django.db import connection, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from pytest_django import Settings
from structlog.testing import capture_logs

from identity.models import User
from mfa.delivery import gateways, lease, outbox, places
from mfa.flows import deliveries
from mfa.models import Delivery
from mfa.models.authenticator import Kind
from mfa.models.delivery import DeliveryState
from mfa.outcomes import HandOver
from tests.support.ceremony import NOON, a_user
from tests.support.gateways import SmsGateway, sms_gateway

pytestmark = pytest.mark.django_db(transaction=True)
REFUSING = "tests.support.gateways.RefusingBackend"
SECRET = "the secret label"


@pytest.fixture(autouse=True)
def _in_the_process(settings: Settings) -> None:
    settings.REDIS_URL = ""


@pytest.fixture
def user() -> User:
    return a_user()


@pytest.fixture
def gateway(settings: Settings) -> Iterator[SmsGateway]:
    with sms_gateway() as server:
        settings.SMS_URL = server.url
        yield server


def enqueue(user: User, *, seconds: int | None = 60, destination: str = "") -> UUID:
    """A notice into the outbox, to the user's address or to the number that is given."""
    return deliveries.enqueue(
        user,
        template="authenticator_added",
        kind=Kind.SMS if destination else Kind.EMAIL,
        destination=destination or user.email,
        facts={"label": SECRET, "at": NOON.isoformat()},
        language="en",
        now=NOON,
        not_after=NOON + timedelta(seconds=seconds) if seconds else None,
    ).pk


def put(user: User, *, seconds: int | None = 60, destination: str = "") -> Delivery:
    """The same, and nobody is told: the row of a process that died before it could start."""
    with transaction.atomic():
        return outbox.put(
            user, template="authenticator_added", kind=Kind.SMS if destination else Kind.EMAIL,
            destination=destination or user.email, facts={"label": SECRET, "at": NOON.isoformat()}, language="en",
            now=NOON, not_after=NOON + timedelta(seconds=seconds) if seconds else None,
        )  # fmt: skip


def test_a_message_goes_when_its_cause_is_committed(user: User) -> None:
    with transaction.atomic():
        row = enqueue(user)
        assert deliveries.wait(row, patience=0.2) is HandOver.GOING_ON
        assert mail.outbox == []
    assert deliveries.wait(row, patience=30) is HandOver.DONE
    assert SECRET in str(mail.outbox[0].body)


def test_a_message_whose_cause_is_rolled_back_never_goes(user: User) -> None:
    with transaction.atomic():
        enqueue(user)
        transaction.set_rollback(True)
    assert not Delivery.objects.exists()
    time.sleep(0.2)
    assert mail.outbox == []


def test_what_was_said_is_sealed_and_then_wiped(user: User) -> None:
    row = put(user)
    assert SECRET.encode() not in bytes(row.sealed_context or b"")
    outbox.hand_over(row.pk, NOON)
    row.refresh_from_db()
    assert row.state == DeliveryState.SENT
    assert row.sealed_context is None
    assert row.lease is None


def test_a_message_sealed_for_another_row_is_not_sent(user: User) -> None:
    one, other = put(user), put(a_user())
    Delivery.objects.filter(pk=one.pk).update(sealed_context=other.sealed_context)
    outbox.hand_over(one.pk, NOON)
    one.refresh_from_db()
    assert (one.state, one.last_error) == (DeliveryState.FAILED, "sealed")
    assert mail.outbox == []


def test_a_refused_message_is_told_at_once_and_tried_again_later(user: User, settings: Settings) -> None:
    settings.EMAIL_BACKEND = REFUSING
    begun = time.monotonic()
    row = enqueue(user)
    assert deliveries.wait(row, patience=60) is HandOver.FAILED
    assert time.monotonic() - begun < 20, "told only when the patience was over"
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert deliveries.sweep(NOON + timedelta(seconds=1)) == 0
    assert deliveries.sweep(NOON + timedelta(seconds=30)) == 1
    assert deliveries.wait(row, patience=30) is HandOver.DONE
    assert len(mail.outbox) == 1


def test_refusals_are_answered_with_longer_and_longer_waits_and_then_given_up(user: User, settings: Settings) -> None:
    settings.EMAIL_BACKEND = REFUSING
    row, now, waits = put(user, seconds=None), NOON + outbox.HEAD_START, []
    while True:
        [due] = outbox.take_due(now)
        outbox.hand_over(due, now)
        row.refresh_from_db()
        if row.state != DeliveryState.WAITING:
            break
        waits.append(round((row.next_attempt_at - now).total_seconds()))
        now = row.next_attempt_at
    assert waits == [wait.total_seconds() for wait in outbox.BACK_OFF]
    assert (row.state, row.last_error) == (DeliveryState.FAILED, "SMTPDataError 451")
    assert row.sealed_context is None


def test_a_gateway_that_refuses_for_good_is_not_asked_again(user: User, settings: Settings) -> None:
    settings.EMAIL_BACKEND = ""
    row = enqueue(user)
    assert deliveries.wait(row) is HandOver.FAILED
    assert Delivery.objects.get(pk=row).state == DeliveryState.FAILED
    assert outbox.take_due(NOON + timedelta(days=1)) == {}


def test_a_code_that_has_run_out_is_not_sent(user: User) -> None:
    row = put(user, seconds=60)
    outbox.hand_over(row.pk, NOON + timedelta(seconds=60))
    row.refresh_from_db()
    assert (row.state, row.sealed_context) == (DeliveryState.EXPIRED, None)
    assert mail.outbox == []


def test_a_message_that_waited_for_a_thread_is_judged_by_the_time_it_is_then(user: User) -> None:
    now = NOON + timedelta(seconds=59.9)
    row = put(user, seconds=60)
    blocked = threading.Event()
    from mfa.delivery import threads

    busy = [threads._process.codes.submit(blocked.wait) for _ in range(8)]
    threads.submit(row.pk, now, urgent=True)
    time.sleep(0.3)
    blocked.set()
    assert all(job.result(timeout=30) for job in busy)
    assert deliveries.wait(row.pk, patience=30) is HandOver.FAILED
    row.refresh_from_db()
    assert row.state == DeliveryState.EXPIRED


def test_a_gateway_that_hangs_keeps_no_thread_from_the_other(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "HANGS_AFTER", 0.2)
    hanging = put(user, seconds=60)
    with ExitStack() as stack:
        began = time.monotonic()
        for _ in range(places.PLACES):
            assert stack.enter_context(places.place(Kind.EMAIL))
        outbox.hand_over(hanging.pk, NOON)  # Waits until the oldest is old enough to be said to hang,
        assert 0.2 <= time.monotonic() - began < 20
        outbox.hand_over(hanging.pk, NOON)  # and then no longer.
        hanging.refresh_from_db()
        assert (hanging.state, hanging.attempts, hanging.lease) == (DeliveryState.WAITING, 0, None)
        with places.place(Kind.SMS) as free:
            assert free
    outbox.hand_over(hanging.pk, NOON)
    hanging.refresh_from_db()
    assert hanging.state == DeliveryState.SENT


def test_who_finds_a_gateway_busy_waits_for_a_place(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "HANGS_AFTER", 60.0)
    row = put(user, seconds=60)
    with ExitStack() as stack:
        for _ in range(places.PLACES):
            stack.enter_context(places.place(Kind.EMAIL))
        threading.Timer(0.3, stack.pop_all().close).start()
        outbox.hand_over(row.pk, NOON)
    row.refresh_from_db()
    assert row.state == DeliveryState.SENT


def test_a_cancelled_message_is_not_sent(user: User) -> None:
    row = put(user)
    outbox.cancel(row.pk, NOON)
    outbox.hand_over(row.pk, NOON)
    row.refresh_from_db()
    assert (row.state, row.attempts, row.sealed_context) == (DeliveryState.CANCELLED, 0, None)
    assert mail.outbox == []


def test_a_message_cancelled_while_it_is_sent_is_not_tried_again(user: User, gateway: SmsGateway) -> None:
    gateway.status = 503
    gateway.goes_on.clear()
    row = put(user, seconds=None, destination="+33612345678")
    worker = threading.Thread(target=_hand_over, args=(row.pk,))
    worker.start()
    gateway.wait_for_one()
    outbox.cancel(row.pk, NOON)
    gateway.goes_on.set()
    worker.join()
    row.refresh_from_db()
    assert (row.state, row.attempts) == (DeliveryState.WAITING, 1)
    gateway.status = 200
    outbox.hand_over(row.pk, row.next_attempt_at)
    row.refresh_from_db()
    assert (row.state, row.sealed_context) == (DeliveryState.EXPIRED, None)
    assert gateway.received == []


def test_of_two_workers_with_one_message_one_sends_it(user: User, gateway: SmsGateway) -> None:
    gateway.seconds = 0.3
    row = put(user, destination="+33612345678")
    workers = [threading.Thread(target=_hand_over, args=(row.pk,)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(gateway.received) == 1
    row.refresh_from_db()
    assert (row.state, row.attempts) == (DeliveryState.SENT, 1)


def test_the_message_of_a_worker_that_died_is_taken_up_when_its_lease_is_over(user: User) -> None:
    row = put(user)
    Delivery.objects.filter(pk=row.pk).update(lease=uuid4(), leased_until=NOON + lease.LEASE, attempts=1)
    assert outbox.take_due(NOON + lease.LEASE - timedelta(seconds=1)) == {}
    outbox.hand_over(row.pk, NOON + timedelta(seconds=1))
    assert mail.outbox == []
    now = NOON + lease.LEASE
    assert outbox.take_due(now) == {row.pk: True}
    assert outbox.take_due(now) == {}, "a second sweep leaves it to the first"
    outbox.hand_over(row.pk, now)
    assert len(mail.outbox) == 1


def test_a_lease_is_kept_up_while_the_gateway_is_slow(
    user: User, gateway: SmsGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "_RENEW_EVERY", 0.1)
    gateway.goes_on.clear()
    row = put(user, destination="+33612345678")
    worker = threading.Thread(target=_hand_over, args=(row.pk,))
    worker.start()
    until = time.monotonic() + 20
    while row.leased_until is None or row.leased_until <= NOON + lease.LEASE:
        assert time.monotonic() < until, "the lease was not kept up"
        assert row.state == DeliveryState.WAITING
        time.sleep(0.05)
        row.refresh_from_db()
    gateway.goes_on.set()
    worker.join()
    row.refresh_from_db()
    assert row.state == DeliveryState.SENT
    assert row.lease is None


def test_a_message_that_kills_every_worker_is_given_up(user: User) -> None:
    row = put(user, seconds=None)
    Delivery.objects.filter(pk=row.pk).update(attempts=outbox.MOST_ATTEMPTS)
    outbox.hand_over(row.pk, NOON)
    row.refresh_from_db()
    assert (row.state, row.last_error) == (DeliveryState.FAILED, "worn out")


def test_a_fault_of_ours_counts_as_a_refusal_and_says_nothing_of_the_message(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(_delivery: Delivery, facts: dict[str, str]) -> None:
        raise KeyError(facts["label"])

    monkeypatch.setattr(gateways, "send", faulty)
    row = put(user)
    outbox.hand_over(row.pk, NOON)
    row.refresh_from_db()
    assert (row.state, row.last_error) == (DeliveryState.WAITING, "KeyError")


def test_who_waits_for_a_message_that_goes_with_its_owner_hears_that_it_has_failed(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shredding deletes a person's messages, in whatever state they are."""
    row = put(user)
    take = outbox._take

    def take_and_lose(delivery_id: UUID, lease: UUID, now: datetime) -> bool:
        taken = take(delivery_id, lease, now)
        Delivery.objects.filter(pk=delivery_id).delete()
        return taken

    monkeypatch.setattr(outbox, "_take", take_and_lose)
    outbox.hand_over(row.pk, NOON)
    assert deliveries.wait(row.pk) is HandOver.FAILED
    assert mail.outbox == []


def test_nobody_waits_longer_than_he_said(user: User, gateway: SmsGateway) -> None:
    gateway.goes_on.clear()
    row, waited = enqueue(user, destination="+33612345678"), []
    for _ in range(4):
        begun = time.monotonic()
        assert deliveries.wait(row, patience=0.4) is HandOver.GOING_ON
        waited.append(time.monotonic() - begun)
    # The shortest: any of the others may have met a moment in which the machine stood still.
    assert 0.3 < min(waited) < 1.2, waited
    gateway.goes_on.set()
    assert deliveries.wait(row, patience=30) is HandOver.DONE
    assert len(gateway.received) == 1


def test_who_waits_gives_the_database_connection_back(user: User, gateway: SmsGateway) -> None:
    gateway.goes_on.clear()
    row = enqueue(user, destination="+33612345678")
    waiting: list[BaseDatabaseWrapper] = []
    outcomes: list[HandOver] = []

    def wait() -> None:
        mine = connections["default"]
        mine.ensure_connection()
        waiting.append(mine)
        outcomes.append(deliveries.wait(row, patience=60))
        mine.close()

    worker = threading.Thread(target=wait)
    worker.start()
    until = time.monotonic() + 20
    while not waiting or waiting[0].connection is not None:
        assert time.monotonic() < until, "who waits sits on the connection"
        time.sleep(0.01)
    assert outcomes == [], "it waits still"
    gateway.goes_on.set()
    worker.join()
    assert outcomes == [HandOver.DONE]


def test_a_log_line_names_neither_destination_nor_content(user: User) -> None:
    row = put(user)
    with capture_logs() as lines:
        outbox.hand_over(row.pk, NOON)
    [line] = [line for line in lines if line["event"] == "delivery"]
    assert (line["delivery"], line["state"]) == (row.pk.hex[:8], "sent")
    said = json.dumps(lines)
    assert user.email not in said
    assert SECRET not in said
    assert user.username not in said


def _hand_over(row: UUID) -> None:
    outbox.hand_over(row, NOON)
    connection.close()
