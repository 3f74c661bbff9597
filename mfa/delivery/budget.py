"""Sending budgets: how many messages one person, and one destination, may be sent (the contract's section 2.2).

Fixed windows in the database, spent by conditional updates, so that every process counts together and a restart
forgets nothing. The numbers leave room for a person in trouble, and none to flood a mailbox or run up a gateway's bill.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import IntegrityError, transaction
from django.db.models import F

from identity import secret_store as installation_keys
from mfa.models.delivery import SendingBudget

TEN_MINUTES: Final = 600
DAY: Final = 86400


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `messages` in each window of `window` seconds."""

    messages: int
    window: int


EACH_DESTINATION: Final = (Limit(10, TEN_MINUTES), Limit(40, DAY))
EACH_USER: Final = (Limit(15, TEN_MINUTES), Limit(60, DAY))
EACH_NOTICE: Final = (Limit(5, TEN_MINUTES), Limit(20, DAY))


class BudgetSpent(Exception):
    """Raised to undo what was already counted in the same transaction."""


def spend_for_code(user_pk: int, destination: str, now: datetime) -> bool:
    """Count one code for person and destination; False, and nothing counted, where either has had enough."""
    return _spend_all(
        [
            *((f"user:{user_pk}", limit) for limit in EACH_USER),
            *((f"destination:{destination}", limit) for limit in EACH_DESTINATION),
        ],
        now,
    )


def spend_for_notice(user_pk: int, template: str, now: datetime) -> bool:
    """Likewise for notices, which others may provoke: one kind of news is told a few times, not for ever."""
    return _spend_all([(f"notice:{user_pk}:{template}", limit) for limit in EACH_NOTICE], now)


def _spend_all(wanted: Iterable[tuple[str, Limit]], now: datetime) -> bool:
    # In one order everywhere, so that two callers never wait for each other.
    keyed = sorted(
        (installation_keys.digest("sending-budget", f"{whose}:{limit.window}"), limit) for whose, limit in wanted
    )
    try:
        with transaction.atomic():
            for key, limit in keyed:
                if not _spend(key, limit, int(now.timestamp()) // limit.window * limit.window):
                    raise BudgetSpent
    except BudgetSpent:
        return False
    return True


def _spend(key: str, limit: Limit, window_started: int) -> bool:
    rows = SendingBudget.objects.filter(pk=key)
    if rows.filter(window_started__lt=window_started).update(window_started=window_started, sent=1):
        return True
    if rows.filter(sent__lt=limit.messages).update(sent=F("sent") + 1):
        return True
    if rows.exists():
        return False
    try:
        with transaction.atomic():
            SendingBudget.objects.create(pk=key, sent=1, window_started=window_started)
    except IntegrityError:  # Another process opened the window first.
        return bool(rows.filter(sent__lt=limit.messages).update(sent=F("sent") + 1))
    return True
