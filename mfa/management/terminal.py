"""What commands for operators have in common."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_audit_log() -> Iterator[None]:
    """The audit trail keeps each change; on the terminal the lines for people are enough."""
    log = logging.getLogger("stepward.audit")
    before = log.level
    log.setLevel(logging.WARNING)
    try:
        yield
    finally:
        log.setLevel(before)
