"""Held calls: a client that sent a link waits inside its call, but never more clients than half of the threads."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from django.conf import settings

from mfa import conf

_WAIT = re.compile(r"(?:^|,)\s*wait\s*=\s*(\d{1,4})\s*(?:,|;|$)", re.IGNORECASE)
_ASYNC = re.compile(r"(?:^|,)\s*respond-async\s*(?:,|;|$)", re.IGNORECASE)


@cache
def _places() -> threading.BoundedSemaphore:
    return threading.BoundedSemaphore(max(1, settings.WEB_THREADS // 2))


def seconds_wanted(prefer: str, *, polling: bool) -> float:
    """How long the caller may be held, by its `Prefer` header (RFC 7240): a link's whole life unless it says less.

    A poll is not held unless it asks for it.
    """
    longest = conf.link_lifetime().total_seconds() + 1
    wait = _WAIT.search(prefer)
    if wait:
        return min(float(wait.group(1)), longest)
    return 0.0 if polling or _ASYNC.search(prefer) else longest


@contextmanager
def place(wanted: float) -> Iterator[float]:
    """Take one of the places for held calls; the seconds that may be waited, 0 when none is free."""
    if wanted <= 0 or not _places().acquire(blocking=False):
        yield 0.0
        return
    try:
        yield wanted
    finally:
        _places().release()
