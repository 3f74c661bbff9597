"""Emptying the database between tests that commit: the guard of the audit trail stands aside, and the installation's
row, which the migrations made, comes back."""

from collections.abc import Iterable

from django.db.backends.base.operations import BaseDatabaseOperations

_flush = BaseDatabaseOperations.execute_sql_flush


def _flush_and_restore(operations: BaseDatabaseOperations, sql_list: Iterable[str]) -> None:
    from identity.models import Installation

    database = operations.connection
    with database.cursor() as cursor:
        guards: list[tuple[str, str]] = []
        if database.vendor == "sqlite":  # PostgreSQL truncates, which fires no trigger of a row.
            guards = cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _statement in guards:
            cursor.execute(f'DROP TRIGGER "{name}"')
        try:
            _flush(operations, sql_list)
        finally:
            for _name, statement in guards:
                cursor.execute(statement)
    Installation.objects.using(database.alias).get_or_create(pk=1)


def install() -> None:
    """From now on every flush of this process is one of these."""
    BaseDatabaseOperations.execute_sql_flush = _flush_and_restore  # type: ignore[assignment, method-assign]
