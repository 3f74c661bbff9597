"""Requests a minute for each address: in Redis where there is one, else in the process.

This limit is about load. What protects accounts is in the database and does not depend on it.
"""

from __future__ import annotations

import threading
from functools import cache
from math import ceil
from time import monotonic, time
from typing import TYPE_CHECKING, Final

from django.conf import settings

if TYPE_CHECKING:
    from limits.strategies import FixedWindowRateLimiter

_MINUTE: Final = 60.0
_MOST_ADDRESSES: Final = 100_000


class LocalCount:
    """Fixed windows in a dictionary.

    The memory of `limits` does the same with a lock, a sorted list and a timer thread for each address: 14 % of the
    processor time of a short request. Here an address costs 200 bytes until its window is over, and the oldest goes
    when there are too many.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._windows: dict[str, tuple[float, int]] = {}
        self._swept_at = monotonic()

    def seconds_to_wait(self, address: str, per_minute: int) -> int:
        """Count one request; 0 when it may go on, else the seconds until the window of its address turns."""
        now = monotonic()
        with self._guard:
            ends, count = self._windows.get(address, (0.0, 0))
            if ends <= now:
                ends, count = now + _MINUTE, 0
                if len(self._windows) >= _MOST_ADDRESSES and address not in self._windows:
                    del self._windows[next(iter(self._windows))]
            self._windows[address] = ends, count + 1
            if now - self._swept_at > _MINUTE:
                self._swept_at = now
                self._windows = {key: window for key, window in self._windows.items() if window[0] > now}
        return 0 if count < per_minute else max(1, ceil(ends - now))


_local = LocalCount()


@cache
def _shared(url: str) -> FixedWindowRateLimiter:
    from limits.storage import RedisStorage
    from limits.strategies import FixedWindowRateLimiter

    return FixedWindowRateLimiter(RedisStorage(url, socket_timeout=0.5, socket_connect_timeout=0.5))


def prepare() -> None:
    """Load the library where there is Redis: every request needs it, and the first would wait for it."""
    if settings.REDIS_URL:
        _shared(settings.REDIS_URL)


def seconds_to_wait(address: str, per_minute: int) -> int:
    """0 when the request may go on; else the seconds until the window turns. Counts the request."""
    url = settings.REDIS_URL
    if url:
        from redis import RedisError

        try:
            return _ask(_shared(url), address, per_minute)
        except RedisError:
            pass  # Without Redis each process still counts what it sees itself.
    return _local.seconds_to_wait(address, per_minute)


def _ask(limiter: FixedWindowRateLimiter, address: str, per_minute: int) -> int:
    from limits import RateLimitItemPerMinute

    item = RateLimitItemPerMinute(per_minute)
    if limiter.hit(item, address):
        return 0
    return max(1, int(limiter.get_window_stats(item, address).reset_time - time()) + 1)
