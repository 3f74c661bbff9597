"""Delivery inside the process, where no broker is configured: a few threads, and one that sweeps."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from django.db import DatabaseError, connections
from django.utils import timezone

from mfa.delivery import outbox

log = structlog.get_logger("stepward.delivery")

SWEEP_EVERY: Final = 2.0  # seconds


class _Process:
    """What this process has running. The threads are started by the first message.

    Codes and notices have threads of their own: people wait for a code, and a hundred notices must not stand before it.
    There are more of them than `places` lets one gateway have.
    They end with the process, after the message they are busy with.
    """

    def __init__(self) -> None:
        self.codes = ThreadPoolExecutor(max_workers=8, thread_name_prefix="deliver-code")
        self.notices = ThreadPoolExecutor(max_workers=1, thread_name_prefix="deliver-notice")
        self.under_way: dict[UUID, Future[None]] = {}
        self.sweeper: threading.Thread | None = None
        self.lock = threading.Lock()


_process = _Process()


def submit(delivery_id: UUID, now: datetime, *, urgent: bool) -> None:
    """Have one message sent soon. `now` is the caller's clock; the thread goes on from it."""
    asked = time.monotonic()
    pool = _process.codes if urgent else _process.notices
    future = pool.submit(_run, delivery_id, now, asked)
    _process.under_way[delivery_id] = future
    future.add_done_callback(lambda _done: _process.under_way.pop(delivery_id, None))


def under_way(delivery_id: UUID) -> "Future[None] | None":
    """The job that sends this message, if it is one of this process and not over yet."""
    return _process.under_way.get(delivery_id)


def start_sweeper(sweep: Callable[[datetime], int]) -> None:
    """Call `sweep` every two seconds from now on; asked again, nothing more is started."""
    with _process.lock:
        if _process.sweeper is None or not _process.sweeper.is_alive():
            _process.sweeper = threading.Thread(target=_sweep, args=(sweep,), name="delivery-sweeper", daemon=True)
            _process.sweeper.start()


def _run(delivery_id: UUID, now: datetime, asked: float) -> None:
    try:
        outbox.hand_over(delivery_id, now + timedelta(seconds=time.monotonic() - asked))
    except DatabaseError as error:  # The row is as it was; a sweep takes it up.
        log.warning("delivery interrupted", delivery=delivery_id.hex[:8], reason=type(error).__name__)
    finally:
        connections.close_all()


def _sweep(sweep: Callable[[datetime], int]) -> None:
    while True:
        time.sleep(SWEEP_EVERY)
        try:
            sweep(timezone.now())
        except Exception as error:  # noqa: BLE001  Whatever went wrong this time, the next sweep is due all the same.
            log.warning("sweep failed", reason=type(error).__name__)
        finally:
            connections.close_all()
