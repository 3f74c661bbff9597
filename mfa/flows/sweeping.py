"""What is done every two seconds, by whichever process sweeps, so that nothing is lost with a process."""

from datetime import datetime

from django.conf import settings

from identity.flows import audit_seals
from mfa.flows import cleanup, deliveries, lock_notices, password_reset, rotation


def sweep(now: datetime) -> int:
    """Tell of locks, send resets, take up messages whose worker died; how many there were of all."""
    done = lock_notices.tell_of_locks(now) + password_reset.send_due(now) + deliveries.sweep(now)
    audit_seals.seal_when_due(now)
    if not settings.REDIS_URL:  # Else Celery has a task of its own for it.
        rotation.go_on(now, seconds=1.0)
    return done + cleanup.clean_up_when_due(now)
