"""PostgreSQL and Redis of the bench's own, from the wheels of the test suite, but with what is committed on disk."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from tests.support.service_keeper import Keeper

# Later ones win over the test suite's, which forgets on purpose.
DURABLE = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "shared_buffers": "1GB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "on",
    "shared_preload_libraries": "pg_stat_statements",
}
_COUNTED = """
    SELECT query, calls FROM pg_stat_statements
    WHERE dbid = (SELECT oid FROM pg_database WHERE datname = %s) AND query NOT LIKE '%%pg_stat_statements%%'
    ORDER BY calls DESC
"""
_BORDERS = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "START TRANSACTION")


class DurableKeeper(Keeper):
    """The test suite's keeper, whose PostgreSQL writes to disk before it says that it has."""

    def popen(self, command: list[str], log: str) -> "subprocess.Popen[str]":
        if command[0].endswith("/postgres") and "-D" in command:
            command = [*command, *(part for name, value in DURABLE.items() for part in ("-c", f"{name}={value}"))]
        return super().popen(command, log)


@dataclass
class Services:
    """Both, running: where they are, their processes and versions."""

    database_url: str
    redis_url: str
    postgresql: int
    redis: int
    versions: str

    def database(self, name: str, template: str = "") -> str:
        """A fresh database of this name; its URL."""
        made = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
            connection.execute(made.format(sql.Identifier(name), sql.Identifier(template or "template1")))
        return urlunsplit(urlsplit(self.database_url)._replace(path=f"/{name}"))

    def redis_number(self, number: int) -> str:
        """The URL of another numbered database of the Redis."""
        return urlunsplit(urlsplit(self.redis_url)._replace(path=f"/{number}"))

    @contextmanager
    def counting(self, database: str) -> Iterator[dict[str, int]]:
        """Statements that reach `database` inside the block: text and count, there when the block has ended."""
        found: dict[str, int] = {}
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            self._track(connection, "top")
            connection.execute("SELECT pg_stat_statements_reset()")
            try:
                yield found
            finally:
                rows = connection.execute(_COUNTED, [database]).fetchall()
                found.update({str(query): int(calls) for query, calls in rows})
                self._track(connection, "none")

    @staticmethod
    def _track(connection: "psycopg.Connection[tuple[object, ...]]", what: str) -> None:
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        connection.execute(sql.SQL("ALTER SYSTEM SET pg_stat_statements.track = {}").format(sql.Literal(what)))
        connection.execute("SELECT pg_reload_conf()")
        connection.execute("SELECT pg_sleep(0.2)")


def without_borders(counted: dict[str, int]) -> int:
    """How many statements, aside of transaction marks and of what PostgreSQL asks itself about foreign keys."""
    return sum(
        calls
        for query, calls in counted.items()
        if not query.upper().startswith(_BORDERS) and not query.endswith("FOR KEY SHARE OF x")
    )


@contextmanager
def running() -> Iterator[Services]:
    """Start both; they are gone afterwards."""
    keeper = DurableKeeper()
    try:
        redis = keeper.start_redis()
        redis_pid = keeper.processes[-1].pid
        postgresql = keeper.start_postgresql()
        versions = f"{_version(postgresql['postgresql'])}, {_version(redis['redis'])}"
        services = Services(
            postgresql["database_url"], redis["redis_url"], keeper.processes[-1].pid, redis_pid, versions
        )
        with services.counting("postgres"):
            pass  # Counting costs a little; from here on it is off but where it is asked for.
        yield services
    finally:
        keeper.stop()


def _version(told: str) -> str:
    return told.partition(" on ")[0]
