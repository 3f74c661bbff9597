"""Deleting what is over: a rule a table, in small batches, so that no statement holds many rows for long."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.contrib.sessions.models import Session as BrowserSession
from django.db.models import Model, Q, QuerySet

from identity import conf, metrics
from identity.models import AccessToken, Grant, Installation, PasswordTries, RefreshToken, Session

BATCH = 500
# Wrong passwords "in a row", over all networks, are kept as long as somebody might still be going on with them. Names
# that are nobody's are counted alike, or it would show that they are (ATTACKS A53); but of these only the newest are
# kept, so that trying names fills no disk.
_IN_A_ROW_KEPT = timedelta(days=30)
NOBODYS_KEPT = 100_000
_ENDED_SESSIONS_KEPT = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Rule:
    """Rows of `model` whose `column`, which has an index, lies before `before` are deleted, if they match `also`."""

    model: type[Model]
    column: str
    before: datetime | int
    also: Q = field(default_factory=Q)

    def rows(self) -> "QuerySet[Any]":
        """The oldest first: an order by primary key would have PostgreSQL read the whole table by that index."""
        return self.model._default_manager.filter(self.also, **{f"{self.column}__lt": self.before}).order_by(
            self.column
        )


def rules(now: datetime) -> list[Rule]:
    """identity's. Tokens stay a day longer than they are good, so that a late reuse is still recognised."""
    yesterday = now - timedelta(days=1)
    longest = timedelta(seconds=max(conf.refresh_token_lifetime(), conf.access_token_lifetime()))
    return [
        Rule(AccessToken, "expires", yesterday),
        Rule(RefreshToken, "expires", yesterday),
        Rule(Grant, "expires", yesterday),
        Rule(Session, "last_used_at", min(yesterday - longest, now - _ENDED_SESSIONS_KEPT)),
        Rule(BrowserSession, "expire_date", yesterday),
        *_rules_of_tries(now),
    ]


def _rules_of_tries(now: datetime) -> list[Rule]:
    """A network's count says nothing any more once window and lock are over; no lock is swept while it lasts."""
    installation = Installation.current()
    counted = timedelta(seconds=max(installation.lockout_window, installation.lockout_unlock_after))
    unlocked = Q(locked_until__lt=_milliseconds(now))
    in_a_row, nobodys = unlocked & Q(window_started=0), unlocked & Q(window_started=0, user__isnull=True)
    newest = PasswordTries.objects.filter(window_started=0, user__isnull=True).order_by("-updated")
    last_kept = newest.values_list("updated", flat=True)[NOBODYS_KEPT : NOBODYS_KEPT + 1].first()
    return [
        Rule(PasswordTries, "updated", _milliseconds(now - counted), unlocked & Q(window_started__gt=0)),
        Rule(PasswordTries, "updated", _milliseconds(now - _IN_A_ROW_KEPT), in_a_row),
        *([Rule(PasswordTries, "updated", last_kept + 1, nobodys)] if last_kept is not None else []),
    ]


def _milliseconds(instant: datetime) -> int:
    return int(instant.timestamp() * 1000)


def delete(found: Iterable[Rule], *, seconds: float) -> dict[str, int]:
    """Apply each rule until nothing is left or `seconds` are over, whichever is first; how many rows of each table.

    What is left over is found by the next sweep. Two sweeps at once only share the work.
    """
    deadline = time.monotonic() + seconds
    deleted: dict[str, int] = {}
    for rule in found:
        table = rule.model._meta.db_table
        while time.monotonic() < deadline:
            batch = list(rule.rows().values_list("pk", flat=True)[:BATCH])
            if batch:
                count, _ = rule.model._default_manager.filter(pk__in=batch).delete()
                deleted[table] = deleted.get(table, 0) + count
                metrics.SWEPT.labels(table).inc(count)
            if len(batch) < BATCH:
                break
    return deleted
