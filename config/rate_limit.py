"""Requests a minute for each address: in Redis where there is one, else in the process.

This limit is about load. What protects accounts is in the database and does not depend on it.
"""

from __future__ import annotations

import threading
from functools import cache
from math import ceil
from time import monotonic, time
from typing import Final

from django.conf import settings

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

    def seconds_to_wait(self, address: str, per_minute: int, cost: int = 1) -> int:
        """Count `cost` requests; 0 when the last may go on, else the seconds until the window of its address turns."""
        now = monotonic()
        with self._guard:
            ends, count = self._windows.get(address, (0.0, 0))
            if ends <= now:
                ends, count = now + _MINUTE, 0
                if len(self._windows) >= _MOST_ADDRESSES and address not in self._windows:
                    del self._windows[next(iter(self._windows))]
            self._windows[address] = ends, count + cost
            if now - self._swept_at > _MINUTE:
                self._swept_at = now
                self._windows = {key: window for key, window in self._windows.items() if window[0] > now}
        return 0 if count + cost <= per_minute else max(1, ceil(ends - now))


_local = LocalCount()


class Postpaid:
    """Fixed windows in Redis, told of an address's requests by the hundredth part of the limit.

    Each process lets a block of requests pass and then tells of them at once: so a caller who comes now and then costs
    no journey to Redis, and one who comes all the time a sixtieth of one. Each process may be wrong by less than a
    block; limits below 200 are told of each request. Whoever is past the limit is refused without asking again. While
    Redis is away the blocks are counted in the process.
    """

    def __init__(self, url: str) -> None:
        from limits.storage import RedisStorage
        from limits.strategies import FixedWindowRateLimiter

        self._limiter = FixedWindowRateLimiter(RedisStorage(url, socket_timeout=0.5, socket_connect_timeout=0.5))
        self._guard = threading.Lock()
        self._untold: dict[str, int] = {}
        self._refused: dict[str, float] = {}
        self._forgets_at = monotonic() + _MINUTE

    def seconds_to_wait(self, address: str, per_minute: int) -> int:
        """Count one request; 0 when it may go on, else the seconds until the window of its address turns."""
        now = monotonic()
        with self._guard:
            if now > self._forgets_at or len(self._untold) > _MOST_ADDRESSES:
                self._forgets_at = now + _MINUTE
                self._untold.clear()
                self._refused = {each: until for each, until in self._refused.items() if until > now}
            until = self._refused.get(address, 0.0)
            if until > now:
                return max(1, ceil(until - now))
            block = self._untold.get(address, 0) + 1
            if block < per_minute // 100:
                self._untold[address] = block
                return 0
            self._untold.pop(address, None)
        from redis import RedisError

        try:
            wait = self._ask(address, per_minute, block)
        except RedisError:
            wait = _local.seconds_to_wait(address, per_minute, block)
        if wait:
            with self._guard:
                self._refused[address] = monotonic() + wait
        return wait

    def _ask(self, address: str, per_minute: int, block: int) -> int:
        from limits import RateLimitItemPerMinute

        item = RateLimitItemPerMinute(per_minute)
        if self._limiter.hit(item, address, cost=block):
            return 0
        return max(1, int(self._limiter.get_window_stats(item, address).reset_time - time()) + 1)


@cache
def _shared(url: str) -> Postpaid:
    return Postpaid(url)


def prepare() -> None:
    """Load the library where there is Redis: a request that needs it would wait for it."""
    if settings.REDIS_URL:
        _shared(settings.REDIS_URL)


def seconds_to_wait(address: str, per_minute: int) -> int:
    """0 when the request may go on; else the seconds until the window turns. Counts the request."""
    counting = _shared(settings.REDIS_URL) if settings.REDIS_URL else _local
    return counting.seconds_to_wait(address, per_minute)
