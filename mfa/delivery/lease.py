"""A lease on a message is kept up while its gateway is being spoken to."""

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Final

from django.db import DatabaseError, InterfaceError, connection, connections

from mfa.models.delivery import Delivery, DeliveryState

LEASE: Final = timedelta(seconds=10)
"""How soon another worker may take up the message of one that was killed."""

_RENEW_EVERY: Final = 3.0
"""Seconds; three renewals may be missed before the lease is lost."""

_LONGEST: Final = timedelta(seconds=120)
"""A gateway that has not answered by then has hung; its message is free for another attempt."""


@contextmanager
def kept(delivery_id: uuid.UUID, lease: uuid.UUID, clock: Callable[[], datetime]) -> Iterator[None]:
    """Hold the lease for as long as the block runs. The caller's database connection is given back meanwhile."""
    over = threading.Event()
    keeper = threading.Thread(target=_keep, args=(delivery_id, lease, clock, over), name="lease-keeper", daemon=True)
    give_back_connection()
    keeper.start()
    try:
        yield
    finally:
        over.set()
        keeper.join()


def give_back_connection() -> None:
    """Nobody sits on a database connection while waiting for something else, unless inside a transaction."""
    if not connection.in_atomic_block:
        connection.close()


def _keep(delivery_id: uuid.UUID, lease: uuid.UUID, clock: Callable[[], datetime], over: threading.Event) -> None:
    begun = clock()
    while not over.wait(_RENEW_EVERY) and clock() - begun < _LONGEST:
        try:
            Delivery.objects.filter(pk=delivery_id, lease=lease, state=DeliveryState.WAITING).update(
                leased_until=clock() + LEASE
            )
        except (DatabaseError, InterfaceError):
            continue  # The database may be back before the lease runs out.
        finally:
            connections.close_all()
