"""What is done every two seconds, by whichever process sweeps, so that nothing is lost with a process."""

from collections.abc import Callable
from datetime import datetime

import structlog
from django.conf import settings

from identity import metrics
from identity.flows import audit_seals
from mfa.delivery.lease import give_back_connection
from mfa.flows import cleanup, deliveries, lock_notices, password_reset, rotation

log = structlog.get_logger("stepward.delivery")


def sweep(now: datetime) -> int:
    """Tell of locks, send resets, take up messages whose worker died; how many there were of all.

    The parts know nothing of each other: one that breaks off is logged and counted, and tried again when it
    is due the next time.
    """
    done = _part("locks", lock_notices.tell_of_locks, now)
    done += _part("password_resets", password_reset.send_due, now)
    done += _part("deliveries", deliveries.sweep, now)
    _part("audit_seals", audit_seals.seal_when_due, now)
    if not settings.REDIS_URL:  # Else Celery has a task of its own for it.
        _part("rotation", _rotate, now)
    return done + _part("clean_up", cleanup.clean_up_when_due, now)


def _part(name: str, act: Callable[[datetime], int], now: datetime) -> int:
    try:
        return act(now)
    except Exception as error:  # noqa: BLE001  Whatever went wrong there, the other parts are due all the same.
        metrics.SWEEP_FAILURES.labels(name).inc()
        log.warning("sweep failed", part=name, reason=type(error).__name__)
        give_back_connection()  # It may be broken.
        return 0


def _rotate(now: datetime) -> int:
    return int(rotation.go_on(now, seconds=1.0))
