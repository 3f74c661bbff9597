"""How many messages of one kind a process hands over at a time: one that hangs leaves threads to others."""

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from mfa.delivery.lease import give_back_connection

PLACES: Final = 6
"""Of the eight threads that send, in a Celery worker and in a process that sends for itself."""

HANGS_AFTER: Final = 2.0
"""Seconds. While the oldest hand-over of a full gateway is younger, others wait for its place; then they do not."""


class _Gateway:
    """When each hand-over under way began, oldest first."""

    def __init__(self) -> None:
        self.began: list[float] = []
        self.freed = threading.Condition()

    def enter(self) -> float | None:
        with self.freed:
            while len(self.began) >= PLACES:
                left = self.began[0] + HANGS_AFTER - time.monotonic()
                if left <= 0:
                    return None
                give_back_connection()
                self.freed.wait(left)
            self.began.append(time.monotonic())
            return self.began[-1]

    def leave(self, began: float) -> None:
        with self.freed:
            self.began.remove(began)
            self.freed.notify()


_gateways: defaultdict[int, _Gateway] = defaultdict(_Gateway)


@contextmanager
def place(kind: int) -> Iterator[bool]:
    """Whether this process may speak to the gateway of this kind now; False where it hangs for as many as may."""
    gateway = _gateways[kind]
    began = gateway.enter()
    try:
        yield began is not None
    finally:
        if began is not None:
            gateway.leave(began)
