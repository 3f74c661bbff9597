"""Sending: into the outbox with the caller's transaction, to a worker once that is committed."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import wait as wait_for_futures
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import structlog
from django.conf import settings
from django.db import connection, transaction

from identity.models import User
from mfa.delivery import outbox, threads
from mfa.delivery.lease import give_back_connection
from mfa.models.delivery import Delivery, DeliveryState
from mfa.outcomes import HandOver

log = structlog.get_logger("stepward.delivery")

PATIENCE: Final = 3.0
"""Seconds that a caller waits for the hand-over (the contract's section 2.2)."""

_STEPS: Final = (0.02, 0.05, 0.1, 0.2)
"""Seconds between looks at the row; the last goes on."""


def enqueue(
    user: User,
    *,
    template: str,
    kind: int,
    destination: str,
    facts: Mapping[str, Any],
    language: str,
    now: datetime,
    not_after: datetime | None = None,
    delivery_id: UUID | None = None,
) -> Delivery:
    """Write one message in the caller's transaction; it starts on its way when, and only if, that commits.

    Raises `outbox.CannotSeal`, with nothing written.
    """
    delivery = outbox.put(
        user,
        template=template,
        kind=kind,
        destination=destination,
        facts=facts,
        language=language,
        now=now,
        not_after=not_after,
        delivery_id=delivery_id,
    )
    transaction.on_commit(lambda: start(delivery.pk, now, urgent=not_after is not None))
    return delivery


def start(delivery_id: UUID, now: datetime, *, urgent: bool) -> None:
    """Give a message to a worker: Celery's where a broker is configured and answers, else a thread of this process."""
    if settings.REDIS_URL:
        from kombu.exceptions import OperationalError

        from mfa import tasks

        try:
            tasks.publish(delivery_id)
            return
        except OperationalError:
            log.warning("broker unreachable", delivery=delivery_id.hex[:8])
    threads.submit(delivery_id, now, urgent=urgent)


def wait(delivery_id: UUID, patience: float = PATIENCE) -> HandOver:
    """What became of a message within `patience` seconds. Inside a transaction nothing is sent yet: GOING_ON."""
    if connection.in_atomic_block:
        return HandOver.GOING_ON
    deadline = time.monotonic() + patience
    job = threads.under_way(delivery_id)
    if job is not None:
        give_back_connection()
        wait_for_futures([job], timeout=patience)
    looks = 0
    while True:
        outcome = _outcome(delivery_id)
        if outcome is not None:
            return outcome
        left = deadline - time.monotonic()
        if left <= 0:
            return HandOver.GOING_ON
        give_back_connection()
        time.sleep(min(left, _STEPS[min(looks, len(_STEPS) - 1)]))
        looks += 1


def sweep(now: datetime) -> int:
    """Take up the messages of killed workers and those whose next attempt is due; returns how many."""
    due = outbox.take_due(now)
    for delivery_id, urgent in due.items():
        start(delivery_id, now, urgent=urgent)
    return len(due)


def serve(all_sweeps: Callable[[datetime], int]) -> None:
    """What a serving process calls once: without a broker it sweeps for itself; with one, Celery's beat does."""
    if not settings.REDIS_URL:
        threads.start_sweeper(all_sweeps)


def _outcome(delivery_id: UUID) -> HandOver | None:
    row = Delivery.objects.only("state", "lease", "last_error").filter(pk=delivery_id).first()
    if row is None:  # It has gone with its owner.
        return HandOver.FAILED
    if row.state == DeliveryState.SENT:
        return HandOver.DONE
    if row.state != DeliveryState.WAITING or (row.lease is None and row.last_error):
        return HandOver.FAILED
    return None
