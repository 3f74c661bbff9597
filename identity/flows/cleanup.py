"""Deleting what is over: a rule a table, in batches by primary key, so that no statement holds many rows for long."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.sessions.models import Session as BrowserSession
from django.db.models import Model, Q, QuerySet

from identity import conf, metrics
from identity.models import AccessToken, Grant, PasswordTries, RefreshToken, Session

BATCH = 500
# Counts of wrong passwords add up within a window of minutes; the row in which a whole account's stand, "in a row",
# is kept as long as somebody might still be going on with it.
_TRIES_KEPT = timedelta(days=30)
_ENDED_SESSIONS_KEPT = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Rule:
    """Rows of `model` that match `over` are deleted. Each rule's first condition has an index."""

    model: type[Model]
    over: Q


def rules(now: datetime) -> list[Rule]:
    """identity's. Tokens stay a day longer than they are good, so that a late reuse is still recognised."""
    yesterday = now - timedelta(days=1)
    longest = timedelta(seconds=max(conf.refresh_token_lifetime(), conf.access_token_lifetime()))
    tries = int((now - _TRIES_KEPT).timestamp() * 1000)
    return [
        Rule(AccessToken, Q(expires__lt=yesterday)),
        Rule(RefreshToken, Q(expires__lt=yesterday)),
        Rule(Grant, Q(expires__lt=yesterday)),
        Rule(Session, Q(last_used_at__lt=min(yesterday - longest, now - _ENDED_SESSIONS_KEPT))),
        Rule(BrowserSession, Q(expire_date__lt=yesterday)),
        Rule(PasswordTries, Q(updated__lt=tries, locked_until__lt=int(now.timestamp() * 1000))),
    ]


def delete(found: Iterable[Rule], *, seconds: float) -> dict[str, int]:
    """Apply each rule until nothing is left or `seconds` are over, whichever is first; how many rows of each table.

    What is left over is found by the next sweep. Two sweeps at once only share the work.
    """
    deadline = time.monotonic() + seconds
    deleted: dict[str, int] = {}
    for rule in found:
        table = rule.model._meta.db_table
        rows: QuerySet[Any] = rule.model._default_manager.filter(rule.over).order_by("pk")
        while time.monotonic() < deadline:
            batch = list(rows.values_list("pk", flat=True)[:BATCH])
            if batch:
                count, _ = rule.model._default_manager.filter(pk__in=batch).delete()
                deleted[table] = deleted.get(table, 0) + count
                metrics.SWEPT.labels(table).inc(count)
            if len(batch) < BATCH:
                break
    return deleted
