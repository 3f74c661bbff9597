"""What the hourly sweep deletes: requests, enrolments, challenges, tokens, sessions, tries, budgets, messages."""

import time
from datetime import datetime, timedelta

import structlog
from django.core.cache import cache
from django.db.models import Q

from identity import metrics
from identity.flows import audit_seals, cleanup
from identity.flows.cleanup import Rule
from mfa.models import (
    AuthenticationRequest,
    Delivery,
    Enrolment,
    Invitation,
    PasswordReset,
    RememberedDevice,
    SendingBudget,
)

log = structlog.get_logger("stepward.cleanup")

EVERY = timedelta(minutes=10)
_KEPT = timedelta(days=30)


def rules(now: datetime) -> list[Rule]:
    """mfa's. A challenge goes with its request; what the audit trail says of either stays."""
    yesterday, month = now - timedelta(days=1), now - _KEPT
    return [
        # An enrolment holds a sealed secret, and nobody can confirm it any more.
        Rule(Enrolment, "expires_at", now - timedelta(hours=1), ~Q(state="confirmed")),
        Rule(AuthenticationRequest, "expires_at", yesterday),
        Rule(PasswordReset, "expires_at", yesterday),
        Rule(Delivery, "finished_at", month),
        Rule(SendingBudget, "window_started", int(now.timestamp()) - 2 * 86400),
        Rule(RememberedDevice, "expires_at", month),
        Rule(Invitation, "expires_at", month),
    ]


def clean_up(now: datetime, *, seconds: float = 60.0) -> dict[str, int]:
    """Delete everything that is over, for at most so many seconds; rows by table."""
    deadline = time.monotonic() + seconds
    deleted = cleanup.delete([*rules(now), *cleanup.rules(now)], seconds=seconds)
    deleted |= audit_seals.sweep(now, seconds=deadline - time.monotonic())
    metrics.LAST_SWEEP.set_to_current_time()
    if deleted:
        log.info("cleaned up", **deleted)
    return deleted


def clean_up_when_due(now: datetime) -> int:
    """For processes that sweep for themselves: every ten minutes, a few seconds at a time; how many rows."""
    if not cache.add("stepward:clean-up", 1, timeout=EVERY.total_seconds()):
        return 0
    return sum(clean_up(now, seconds=5.0).values())
