"""Password hashes, a few at a time: each takes 19 MiB and a core, and a burst must starve nothing else."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TypeVar

from django.contrib.auth.hashers import check_password, get_hasher, identify_hasher, make_password
from django.db import connection

from identity import conf, metrics
from identity.errors import Overloaded

_RETRY_AFTER_SECONDS = 2
_T = TypeVar("_T")


class HashQueue:
    """`slots` hashes at a time; at most `places` callers wait; one more is refused at once."""

    def __init__(self, slots: int, places: int) -> None:
        self._slots = threading.BoundedSemaphore(slots)
        self._places = places
        self._waiting = 0
        self._guard = threading.Lock()

    @property
    def waiting(self) -> int:
        return self._waiting

    @contextmanager
    def slot(self, before_waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Hold a slot, waiting for it when none is free; raises Overloaded when the queue is full."""
        if not self._slots.acquire(blocking=False):
            before_waiting()
            self._wait()
        try:
            yield
        finally:
            self._slots.release()

    def _wait(self) -> None:
        with self._guard:
            if self._waiting >= self._places:
                raise _refusal()
            self._waiting += 1
        metrics.HASH_WAITING.inc()
        try:
            self._slots.acquire()
        finally:
            metrics.HASH_WAITING.dec()
            with self._guard:
                self._waiting -= 1


@cache
def queue() -> HashQueue:
    """The process's one queue."""
    return HashQueue(conf.hash_slots(), conf.hash_queue())


@cache
def _nobodys_hash() -> str:
    """A hash with today's parameters that belongs to no account: what an unknown name is compared with."""
    return make_password("nobody's password")


def matches(password: str, encoded: str | None) -> bool:
    """Whether the password is right. Without a usable hash the same work is done, and the answer is no."""
    known = encoded is not None and encoded.startswith("argon2$")
    target = encoded if known and encoded is not None else _nobodys_hash()
    right = _with_slot(lambda: check_password(password, target, setter=None))
    return right and known


def make(password: str) -> str:
    """A new hash with today's parameters."""
    return _with_slot(lambda: make_password(password))


def is_out_of_date(encoded: str) -> bool:
    """Whether the hash was made with other parameters than today's."""
    return bool(identify_hasher(encoded).must_update(encoded)) or not encoded.startswith(str(get_hasher().algorithm))


def _with_slot(work: Callable[[], _T]) -> _T:
    """Do the work in a slot, and lend the database connection to others while waiting for one."""
    asked = time.perf_counter()
    with queue().slot(_lend_connection):
        metrics.HASH_WAIT_SECONDS.observe(time.perf_counter() - asked)
        with metrics.HASH_SECONDS.time():
            try:
                return work()
            except MemoryError:
                raise _refusal() from None


def _refusal() -> Overloaded:
    """Counted here, as those who answer it are many."""
    metrics.UNAVAILABLE.labels("hash_queue").inc()
    return Overloaded(_RETRY_AFTER_SECONDS)


def _lend_connection() -> None:
    if not connection.in_atomic_block:
        connection.close()
