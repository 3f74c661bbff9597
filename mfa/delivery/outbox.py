"""The outbox: a message is a row before anything is sent, and a worker that dies loses nothing.

Life of a row: WAITING → leased by one worker → SENT, or WAITING again with a later `next_attempt_at`, or FAILED,
EXPIRED, CANCELLED. The lease is short and renewed while the gateway is being spoken to, so the message of a worker that
was killed is taken up by another within seconds, and a slow gateway alone never makes a message go out twice.
"""

import json
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from django.db.models import F, Q, QuerySet

from identity import metrics
from identity.models import User
from mfa import secret_store
from mfa.delivery import gateways
from mfa.delivery.lease import LEASE, kept
from mfa.delivery.places import place
from mfa.models.delivery import Delivery, DeliveryState

log = structlog.get_logger("stepward.delivery")

HEAD_START: Final = timedelta(seconds=5)
"""How long a new row is left to the worker it was given to, before a sweep takes it up."""

BACK_OFF: Final = tuple(timedelta(seconds=seconds) for seconds in (2, 5, 15, 60, 300, 900, 3600, 3600, 3600, 3600))
"""How long after the first, second … refusal the next attempt is made; past the last one the message has failed."""

MOST_ATTEMPTS: Final = 2 * len(BACK_OFF)
"""A message whose workers die again and again, before they can note a refusal, is given up after so many."""


class CannotSeal(Exception):
    """A message cannot be kept: its owner's data key opens no more, or under none of this process's keys."""


def put(
    user: User,
    *,
    template: str,
    kind: int,
    destination: str,
    facts: Mapping[str, Any],
    language: str,
    now: datetime,
    not_after: datetime | None = None,
    delivery_id: uuid.UUID | None = None,
) -> Delivery:
    """Write one message into the outbox, in the caller's transaction. `facts` are JSON values; they are sealed.

    `not_after`: a message that has not gone by then never goes. `delivery_id` lets the caller find it again.
    Raises CannotSeal, with nothing written.
    """
    identity = delivery_id or uuid.uuid4()
    try:
        sealed = secret_store.seal_for(user, json.dumps(facts).encode(), **_place(identity))
    except secret_store.CannotOpen:
        log.error("message cannot be sealed", user=str(user.subject), template=template)
        raise CannotSeal from None
    return Delivery.objects.create(
        id=identity,
        user=user,
        kind=kind,
        template=template,
        language=language,
        destination=destination,
        sealed_context=sealed,
        created_at=now,
        not_after=not_after,
        next_attempt_at=now + HEAD_START,
    )


def cancel(delivery_id: uuid.UUID, now: datetime) -> None:
    """A waiting message does not go any more; one that a gateway is being given is beyond recall, but not retried."""
    called_back = (
        _waiting(delivery_id)
        .filter(_unleased(now))
        .update(state=DeliveryState.CANCELLED, sealed_context=None, finished_at=now, lease=None, leased_until=None)
    )
    if not called_back:
        _waiting(delivery_id).update(not_after=now)


def call_back(user: User, template: str, destination: str, now: datetime) -> None:
    """Likewise for every waiting message of this kind to this destination of the user."""
    waiting = Delivery.objects.filter(
        user=user, template=template, destination=destination, state=DeliveryState.WAITING
    )
    for row in waiting.values_list("pk", flat=True):
        cancel(row, now)


def take_due(now: datetime, *, at_most: int = 200) -> dict[uuid.UUID, bool]:
    """Rows that nobody works on although their time has come: of killed workers, lost tasks and past refusals.
    Their ids, each with whether somebody waits for it (it is good for a short time only).

    Each is put off by the head start, so that sweeps of other processes leave it to whoever took it here.
    """
    due = _due(now).order_by("next_attempt_at").values_list("pk", "not_after")[:at_most]
    return {
        row: not_after is not None
        for row, not_after in due
        if _due(now).filter(pk=row).update(next_attempt_at=now + HEAD_START)
    }


def hand_over(delivery_id: uuid.UUID, now: datetime) -> None:
    """Send one message, if nobody else is sending it. A gateway's refusal is written to the row, never raised.

    Where the gateway hangs for others already the row stays as it is; a sweep brings it again.
    """
    kind = _waiting(delivery_id).values_list("kind", flat=True).first()
    if kind is not None:
        with place(kind) as free:
            if free:
                _hand_over(delivery_id, now)


def _hand_over(delivery_id: uuid.UUID, now: datetime) -> None:
    started = time.monotonic()

    def clock() -> datetime:
        return now + timedelta(seconds=time.monotonic() - started)

    lease = uuid.uuid4()
    if not _take(delivery_id, lease, now):
        return
    delivery = Delivery.objects.select_related("user").filter(pk=delivery_id).first()
    if delivery is None:  # It has just gone with its owner.
        return
    if delivery.not_after is not None and delivery.not_after <= now:
        _finish(delivery, lease, DeliveryState.EXPIRED, clock())
        return
    if delivery.attempts > MOST_ATTEMPTS:
        _finish(delivery, lease, DeliveryState.FAILED, clock(), "worn out")
        return
    refusal = _sent_by_gateway(delivery, lease, clock)
    if refusal is None:
        _finish(delivery, lease, DeliveryState.SENT, clock())
    elif refusal.for_good or delivery.attempts > len(BACK_OFF):
        _finish(delivery, lease, DeliveryState.FAILED, clock(), refusal.reason)
    else:
        _put_off(delivery, lease, clock() + BACK_OFF[delivery.attempts - 1], refusal.reason)


def _take(delivery_id: uuid.UUID, lease: uuid.UUID, now: datetime) -> bool:
    return bool(
        _waiting(delivery_id)
        .filter(_unleased(now))
        .update(lease=lease, leased_until=now + LEASE, attempts=F("attempts") + 1)
    )


def _sent_by_gateway(delivery: Delivery, lease: uuid.UUID, clock: Callable[[], datetime]) -> gateways.Refused | None:
    try:
        facts = json.loads(
            secret_store.open_sealed(delivery.user, bytes(delivery.sealed_context or b""), **_place(delivery.pk))
        )
    except secret_store.CannotOpen:
        return gateways.Refused("sealed", for_good=True)
    with kept(delivery.pk, lease, clock):
        try:
            gateways.send(delivery, facts)
        except gateways.Refused as refusal:
            return refusal
        except Exception as error:  # noqa: BLE001  A fault of ours must not leave the row leased, nor say what it sent.
            return gateways.Refused(type(error).__name__)
    return None


def _finish(delivery: Delivery, lease: uuid.UUID, state: DeliveryState, now: datetime, reason: str = "") -> None:
    _held(delivery, lease).update(
        state=state, sealed_context=None, finished_at=now, lease=None, leased_until=None, last_error=reason
    )
    _log(delivery, state, reason)


def _put_off(delivery: Delivery, lease: uuid.UUID, until: datetime, reason: str) -> None:
    _held(delivery, lease).update(lease=None, leased_until=None, next_attempt_at=until, last_error=reason)
    _log(delivery, "put off", reason)


def _log(delivery: Delivery, state: str, reason: str) -> None:
    metrics.DELIVERIES.labels({1: "SMS", 2: "Email"}[delivery.kind], str(state)).inc()
    log.info(
        "delivery",
        delivery=delivery.pk.hex[:8],
        template=delivery.template,
        kind=delivery.kind,
        state=str(state),
        attempts=delivery.attempts,
        reason=reason,
    )


def _waiting(delivery_id: uuid.UUID) -> QuerySet[Delivery]:
    return Delivery.objects.filter(pk=delivery_id, state=DeliveryState.WAITING)


def _held(delivery: Delivery, lease: uuid.UUID) -> QuerySet[Delivery]:
    return _waiting(delivery.pk).filter(lease=lease)


def _due(now: datetime) -> QuerySet[Delivery]:
    return Delivery.objects.filter(_unleased(now), state=DeliveryState.WAITING, next_attempt_at__lte=now)


def _unleased(now: datetime) -> Q:
    return Q(leased_until__isnull=True) | Q(leased_until__lte=now)


def _place(delivery_id: uuid.UUID) -> dict[str, str]:
    return {"table": "mfa_delivery", "row": str(delivery_id), "purpose": "message"}
