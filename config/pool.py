"""The pool of database connections lends first what came back last.

psycopg's pool hands its connections round, so that eight callers keep eight of PostgreSQL's processes awake where three
would do, each with cold caches of its own: docs/decisions/0056 has the figures. It has no setting for that, and Django
none for its class, hence this.
"""

from collections import deque
from typing import Any

from django.db import connections


class LastFirst(deque[Any]):
    """A queue that gives what was put in last."""

    def popleft(self) -> Any:
        return self.pop()


def prepare() -> int:
    """Change every database's pool before it lends anything; how many were changed. A second call finds none."""
    changed = 0
    for connection in connections.all():
        pool: Any = getattr(connection, "pool", None)
        idle = getattr(pool, "_pool", None)
        if isinstance(idle, deque) and not isinstance(idle, LastFirst):
            pool._pool = LastFirst(idle)
            changed += 1
    return changed
