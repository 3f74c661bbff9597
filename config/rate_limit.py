"""Requests a minute for each address: in Redis where there is one, else in the process.

This limit is about load. What protects accounts is in the database and does not depend on it.
"""

import time
from functools import cache

from django.conf import settings
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage, RedisStorage, Storage
from limits.strategies import FixedWindowRateLimiter
from redis import RedisError


@cache
def _in_process() -> FixedWindowRateLimiter:
    return FixedWindowRateLimiter(MemoryStorage())


@cache
def _shared() -> FixedWindowRateLimiter | None:
    if not settings.REDIS_URL:
        return None
    storage: Storage = RedisStorage(settings.REDIS_URL, socket_timeout=0.5, socket_connect_timeout=0.5)
    return FixedWindowRateLimiter(storage)


def seconds_to_wait(address: str, per_minute: int) -> int:
    """0 when the request may go on; else the seconds until the window turns. Counts the request."""
    item = RateLimitItemPerMinute(per_minute)
    limiter = _shared()
    if limiter is not None:
        try:
            return _ask(limiter, item, address)
        except RedisError:
            pass  # Without Redis each process still counts what it sees itself.
    return _ask(_in_process(), item, address)


def _ask(limiter: FixedWindowRateLimiter, item: RateLimitItemPerMinute, address: str) -> int:
    if limiter.hit(item, address):
        return 0
    return max(1, int(limiter.get_window_stats(item, address).reset_time - time.time()) + 1)
