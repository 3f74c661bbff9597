"""Ten wrong PINs a minute for one secret, counted for all processes; then it rests (the contract's section 4).

Kept are keyed digests of secrets, each for the minute of its window: in Redis where there is one, for all servers, and
else in a small SQLite file under `var/`, for all processes of this machine. Where neither can be written nothing is
evaluated: what cannot be counted could be guessed. `docs/decisions/0021` says why it is built this way.
"""

from __future__ import annotations

import fcntl
import logging
import math
import os
import sqlite3
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from time import monotonic
from typing import Final

from django.conf import settings
from limits import RateLimitItemPerMinute
from limits.storage import RedisStorage
from limits.strategies import MovingWindowRateLimiter
from redis import RedisError

WRONG_PINS: Final = 10
WINDOW: Final = 60
"""Seconds, sliding: at no instant do more than ten wrong PINs lie in the minute behind it."""

Evaluate = Callable[[], int | None]
Verdict = tuple[int | None, int]
"""The matching time step, or None; and the seconds for which the secret rests, or 0."""

_REDIS_TIMEOUT: Final = 0.25
_REDIS_PAUSE: Final = 5.0
_log = logging.getLogger("stepward.stateless")
_making = threading.Lock()


def counted(digest: bytes, evaluate: Evaluate, *, now: float) -> Verdict:
    """What `evaluate()` finds, a None being counted as a wrong PIN at `now`; (None, seconds) while the secret rests."""
    if settings.REDIS_URL:
        shared = _shared(settings.REDIS_URL)
        if shared.is_reachable:
            try:
                return shared.counted(digest, evaluate, now=now)
            except RedisError:
                shared.pause()
    try:
        with _making:  # Of threads that come first together only one opens the file.
            local = _local(str(settings.VAR_DIR), os.getpid())
        return local.counted(digest, evaluate, now=now)
    except (OSError, sqlite3.Error) as error:
        _log.error("Wrong PINs cannot be counted under var/, so no PIN is evaluated: %s.", type(error).__name__)
        return None, WINDOW


class SharedCount:
    """In Redis. The verdict on a PIN is one atomic call after its evaluation, right or wrong.

    So there is an order of verdicts, and at most ten wrong ones a minute in it; of a thousand guesses sent at once ten
    are answered, and the rest are told to wait, whatever their evaluation said.
    """

    def __init__(self, url: str) -> None:
        storage = RedisStorage(url, socket_timeout=_REDIS_TIMEOUT, socket_connect_timeout=_REDIS_TIMEOUT)
        self._limiter = MovingWindowRateLimiter(storage)
        self._item = RateLimitItemPerMinute(WRONG_PINS, namespace="stepward.wrong_pins")
        self._paused_until = 0.0

    @property
    def is_reachable(self) -> bool:
        return monotonic() >= self._paused_until

    def pause(self) -> None:
        """Redis did not answer: for some seconds this machine counts by itself, rather than wait at each request."""
        self._paused_until = monotonic() + _REDIS_PAUSE
        _log.warning("Redis does not answer; wrong PINs are counted on this machine alone for a moment.")

    def counted(self, digest: bytes, evaluate: Evaluate, *, now: float) -> Verdict:
        name = digest.hex()
        step = evaluate()
        allowed = self._limiter.hit(self._item, name) if step is None else self._limiter.test(self._item, name)
        if allowed:
            return step, 0
        reset = self._limiter.get_window_stats(self._item, name).reset_time
        return None, _seconds(reset - now)


class LocalCount:
    """In a SQLite file that all processes of this machine share. They take turns: one PIN is looked up, evaluated and
    counted at a time, some 20 to 50 µs each, so that a crowd of parallel guesses is answered as one after another is.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._thread_lock = threading.Lock()
        # Open for as long as the process lives, as the database is.
        self._process_lock = os.open(path.with_suffix(".lock"), os.O_WRONLY | os.O_CREAT, 0o600)
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
        path.chmod(0o600)
        self._pruned_at = 0.0
        with self._thread_lock:
            fcntl.flock(self._process_lock, fcntl.LOCK_EX)
            try:
                self._database.executescript(_SCHEMA)
            finally:
                fcntl.flock(self._process_lock, fcntl.LOCK_UN)

    def counted(self, digest: bytes, evaluate: Evaluate, *, now: float) -> Verdict:
        with self._thread_lock:
            fcntl.flock(self._process_lock, fcntl.LOCK_EX)
            try:
                return self._in_turn(digest, evaluate, now)
            finally:
                fcntl.flock(self._process_lock, fcntl.LOCK_UN)

    def _in_turn(self, digest: bytes, evaluate: Evaluate, now: float) -> Verdict:
        wrong, oldest = self._database.execute(_COUNT, (digest, now - WINDOW, now + WINDOW)).fetchone()
        if wrong >= WRONG_PINS:
            return None, _seconds(oldest + WINDOW - now)
        step = evaluate()
        if step is None:
            self._database.execute(_ADD, (digest, now))
            self._prune(now)
        return step, 0

    def _prune(self, now: float) -> None:
        """Once a second. What lies ahead of now was written before the clock was set back, and counts no longer."""
        if not self._pruned_at <= now < self._pruned_at + 1:
            self._database.execute(_FORGET, (now - WINDOW, now + WINDOW))
            self._pruned_at = now


# Nothing here outlives a minute, so a crash may take it: no write waits for the disk.
_SCHEMA: Final = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -512;
PRAGMA secure_delete = ON;
CREATE TABLE IF NOT EXISTS wrong_pin (digest BLOB NOT NULL, at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS wrong_pin_of_digest ON wrong_pin (digest, at);
CREATE INDEX IF NOT EXISTS wrong_pin_at ON wrong_pin (at);
"""
_COUNT: Final = "SELECT count(*), min(at) FROM wrong_pin WHERE digest = ? AND at > ? AND at <= ?"
_ADD: Final = "INSERT INTO wrong_pin VALUES (?, ?)"
_FORGET: Final = "DELETE FROM wrong_pin WHERE at <= ? OR at > ?"


@cache
def _shared(url: str) -> SharedCount:
    return SharedCount(url)


@cache
def _local(folder: str, process: int) -> LocalCount:
    """One for each process: neither a lock nor a connection of SQLite may go through a fork."""
    return LocalCount(Path(folder) / "wrong-pins.sqlite3")


def _seconds(left: float) -> int:
    return max(1, min(WINDOW, math.ceil(left)))
