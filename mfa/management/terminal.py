"""What commands for operators have in common."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from identity.management.commands.serve import one_at_a_time


def migrate_if_empty() -> None:
    """Make the tables of a new installation, so that what an operator does before the first `serve` works.

    A database with tables of an older version is not touched: when to migrate that is the operator's decision.
    """
    executor = MigrationExecutor(connection)
    if not executor.migration_plan(executor.loader.graph.leaf_nodes()):
        return
    if executor.loader.applied_migrations:
        raise CommandError("The database is of another version than this code. Run `manage.py migrate` first.")
    with one_at_a_time():
        call_command("migrate", verbosity=0, interactive=False)


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
