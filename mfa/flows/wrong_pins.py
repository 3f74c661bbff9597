"""Ten wrong PINs a minute for one secret, counted for all processes; then it rests (the contract's section 4).

Kept are keyed digests of secrets, each for the minute of its window: in Redis where there is one, for all servers, and
else in a file under `var/` that all processes of this machine have mapped, or, where that is only to be read as in the
image, in the folder that `serve` makes for its run. Where none can be written nothing is evaluated: what cannot be
counted could be guessed. `docs/decisions/0021` says why it is built this way.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import math
import mmap
import os
import struct
import threading
from collections import Counter, deque
from collections.abc import Callable
from functools import cache
from pathlib import Path
from time import monotonic
from typing import Final

from django.conf import settings

WRONG_PINS: Final = 10
WINDOW: Final = 60
"""Seconds, sliding: at no instant do more than ten wrong PINs lie in the minute behind it."""

Evaluate = Callable[[], int | None]
Verdict = tuple[int | None, int]
"""The matching time step, or None; and the seconds for which the secret rests, or 0."""

_REDIS_TIMEOUT: Final = 0.25
_REDIS_PAUSE: Final = 5.0
_NAME: Final = "wrong-pins.ring"
_ONLY_TO_READ: Final = {errno.EROFS, errno.EACCES, errno.EPERM}
_log = logging.getLogger("stepward.stateless")
_making = threading.Lock()


def counted(digest: bytes, evaluate: Evaluate, *, now: float) -> Verdict:
    """What `evaluate()` finds, a None being counted as a wrong PIN at `now`; (None, seconds) while the secret rests."""
    if settings.REDIS_URL:
        from redis import RedisError

        shared = _shared(settings.REDIS_URL)
        if shared.is_reachable:
            try:
                return shared.counted(digest, evaluate, now=now)
            except RedisError:
                shared.pause()
    try:
        with _making:  # Of threads that come first together only one opens the file.
            local = _local(settings.VAR_DIR, settings.RUN_DIR, os.getpid())
        return local.counted(digest, evaluate, now=now)
    except (OSError, ValueError) as error:
        _log.error("Wrong PINs cannot be counted on this machine, so no PIN is evaluated: %s.", type(error).__name__)
        return None, WINDOW


class SharedCount:
    """In Redis. The verdict on a PIN is one atomic call after its evaluation, right or wrong.

    So there is an order of verdicts, and at most ten wrong ones a minute in it; of a thousand guesses sent at once ten
    are answered, and the rest are told to wait, whatever their evaluation said.
    """

    def __init__(self, url: str) -> None:
        from limits import RateLimitItemPerMinute
        from limits.storage import RedisStorage
        from limits.strategies import MovingWindowRateLimiter

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
    """In a ring of records in a file that all processes of this machine have mapped.

    A right PIN costs no system call: each process keeps an index of its own, and sees by the ring's head whether others
    have written since. A wrong one is written in turn, one process at a time, so that at most ten are ever answered.
    """

    RECORDS: Final = 2**17
    """As many wrong PINs a minute. Past that nothing is evaluated, rather than forget what is still in its window."""

    _HEAD: Final = struct.Struct("=Q")
    _RECORD: Final = struct.Struct("=Q16sd")  # Its number, counted from one; the digest; the instant.

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Open for as long as the process lives; no more is ever written than was asked for, the rest is a hole.
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        size = self._HEAD.size + self.RECORDS * self._RECORD.size
        os.ftruncate(self._file, size)
        self._ring = mmap.mmap(self._file, size)
        self._turn = threading.Lock()
        self._index = threading.Lock()
        self._read = max(0, self._head() - self.RECORDS)
        self._in_order: deque[tuple[bytes, float]] = deque()
        self._wrong: dict[bytes, deque[float]] = {}
        self._unwritten: Counter[bytes] = Counter()

    def counted(self, digest: bytes, evaluate: Evaluate, *, now: float) -> Verdict:
        with self._index:
            rest = self._rest_of(digest, now, with_unwritten=True)
        if rest:
            return None, rest
        step = evaluate()
        if step is not None:
            return step, 0
        with self._index:
            self._unwritten[digest] += 1
        try:
            return None, self._write(digest, now)
        finally:
            with self._index:
                self._unwritten[digest] -= 1
                if not self._unwritten[digest]:
                    del self._unwritten[digest]

    def _write(self, digest: bytes, now: float) -> int:
        """0 once the wrong PIN is written; the seconds to wait where others were first and it must not be answered."""
        with self._turn:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                with self._index:
                    rest = self._rest_of(digest, now)
                    if not rest:
                        number = self._head() + 1
                        self._RECORD.pack_into(self._ring, self._place_of(number), number, digest, now)
                        self._HEAD.pack_into(self._ring, 0, number)
                return rest
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)

    def _rest_of(self, digest: bytes, now: float, *, with_unwritten: bool = False) -> int:
        """For how many seconds the secret rests, 0 if it does not; also when there is no room to count another PIN."""
        self._catch_up(now)
        if len(self._in_order) >= self.RECORDS:
            return WINDOW
        instants = [at for at in self._wrong.get(digest, ()) if now - WINDOW < at <= now + WINDOW]
        if len(instants) >= WRONG_PINS:
            return _seconds(instants[-WRONG_PINS] + WINDOW - now)
        if with_unwritten and len(instants) + self._unwritten[digest] >= WRONG_PINS:
            return WINDOW
        return 0

    def _catch_up(self, now: float) -> None:
        """Take into the index what was written since, and out of it what is past its window."""
        head = self._head()
        while self._read < head:
            number, digest, at = self._RECORD.unpack_from(self._ring, self._place_of(self._read + 1))
            if number != self._read + 1:
                break  # Its head was seen before the record itself; the next look finds it.
            self._wrong.setdefault(digest, deque()).append(at)
            self._in_order.append((digest, at))
            self._read += 1
        while self._in_order and not now - WINDOW < self._in_order[0][1] <= now + WINDOW:
            digest, _ = self._in_order.popleft()
            self._wrong[digest].popleft()
            if not self._wrong[digest]:
                del self._wrong[digest]

    def _head(self) -> int:
        """How many records were ever written."""
        head: int = self._HEAD.unpack_from(self._ring, 0)[0]
        return head

    def _place_of(self, number: int) -> int:
        return self._HEAD.size + (number - 1) % self.RECORDS * self._RECORD.size


@cache
def _shared(url: str) -> SharedCount:
    return SharedCount(url)


@cache
def _local(folder: Path, run: Path | None, process: int) -> LocalCount:
    """One for each process: neither a lock nor the file that is locked may go through a fork.

    `run` serves where `folder` may never be written, which is so for every process alike. One that went there because
    a disk is full for a moment would count apart from the others.
    """
    try:
        return LocalCount(folder / _NAME)
    except OSError as error:
        if run is None or error.errno not in _ONLY_TO_READ:
            raise
        return LocalCount(run / _NAME)


def _seconds(left: float) -> int:
    return max(1, min(WINDOW, math.ceil(left)))
