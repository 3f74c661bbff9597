"""Growth: what an operation takes with 1,000, 100,000 and 1,000,000 people, who hold 1.5 authenticators each.

The three databases stand side by side, and one caller asks them by turns, operation by operation, so that a change of
the machine's mood meets them all. The people who are measured are true in every column. The rest are copies of one of
them with names, ids and addresses of their own, written by INSERT … SELECT; their sealed secrets open for nobody.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from bench import load, report, seed, services, stepward
from bench.load import Operation
from bench.run import say
from bench.services import Services
from bench.stepward import Stepward

SIZES = (1_000, 100_000, 1_000_000)
MEASURED = 600
ENROLMENTS = 40
# What a copy must not share with its original; everything else is the original's.
_PERSON: dict[str, LiteralString] = {
    "id": "nextval('identity_user_id_seq')",
    "subject": "gen_random_uuid()",
    "username": "'copy' || n",
    "username_key": "'copy' || n",
    "email": "'copy' || n || '@mail.example'",
}
_DATA_KEY: dict[str, LiteralString] = {"user_id": "copied.id"}
_APP: dict[str, LiteralString] = {"id": "gen_random_uuid()", "user_id": "copied.id"}
_MAILBOX: dict[str, LiteralString] = {
    "id": "gen_random_uuid()",
    "kind": "2",
    "label": "'mail'",
    "sealed_secret": "NULL",
    "destination": "owner.username || '@mail.example'",
}
Connection = psycopg.Connection[tuple[object, ...]]


def fill(url: str, people: int) -> None:
    """Bring the database to so many people; each holds an app, every second a mailbox as well."""
    with psycopg.connect(url, autocommit=True) as connection:
        held = _count(connection, "identity_user")
        original = connection.execute("SELECT id FROM identity_user WHERE username = 'p0'").fetchone()
        assert original
        connection.execute("SET synchronous_commit = off")
        numbers = (people - held, original[0])
        _copy(connection, "identity_user", _PERSON, "generate_series(1, %s) AS n WHERE source.id = %s", numbers)
        copies: LiteralString = "identity_user AS copied WHERE source.user_id = %s AND copied.username LIKE 'copy%%'"
        _copy(connection, "mfa_datakey", _DATA_KEY, copies, original)
        _copy(connection, "mfa_authenticator", _APP, copies, original)
        owners: LiteralString = "identity_user AS owner WHERE owner.id = source.user_id AND owner.id %% 2 = %s"
        _copy(connection, "mfa_authenticator", _MAILBOX, owners, (0,))
        connection.execute("VACUUM ANALYZE")


def _copy(
    connection: Connection, table: str, own: Mapping[str, LiteralString], beside: LiteralString, given: Sequence[object]
) -> None:
    """Rows of `table` once more, with columns of their own, for each row `beside` it."""
    described = connection.execute(sql.SQL("SELECT * FROM {} LIMIT 0").format(sql.Identifier(table))).description
    columns = [column.name for column in described or ()]
    values = [sql.SQL(own[column]) if column in own else sql.Identifier("source", column) for column in columns]
    told = sql.SQL("INSERT INTO {table} ({columns}) SELECT {values} FROM {table} AS source, ").format(
        table=sql.Identifier(table),
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
        values=sql.SQL(", ").join(values),
    )
    connection.execute(told + sql.SQL(beside), given)


def _count(connection: Connection, table: str) -> int:
    found = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))).fetchone()
    assert found
    return int(str(found[0]))


Make = Callable[[Stepward, int], Iterable[Operation]]


def operations() -> dict[str, tuple[Make, int]]:
    """What is measured, and how many of it in a round; enrolment aside."""
    return {
        "sign-in": (lambda server, count: (server.sign_in(n) for n in server.take(count)), 40),
        "password step": (lambda server, count: (server.password_step(n) for n in server.take(count)), 40),
        "code step": (lambda server, count: server.code_steps(count), 100),
        "refresh": (lambda server, count: (server.refresh() for _ in range(count)), 100),
        "panel: people": (lambda server, count: (server.people_page(n) for n in range(count)), 25),
    }


class Growth:
    """The databases and servers of one growth run."""

    def __init__(self, sizes: tuple[int, ...], rounds: int) -> None:
        self.sizes, self.rounds = sizes, rounds
        self.times: dict[tuple[str, int], list[float]] = {}
        self.servers: dict[int, Stepward] = {}
        self.fill_seconds = 0.0
        self.mib = 0

    def run(self) -> dict[str, Any]:
        with tempfile.TemporaryDirectory(prefix="stepward-bench-") as folder, ExitStack() as stack:
            running = stack.enter_context(services.running())
            for number, size in enumerate(self.sizes):
                self._start(stack, running, Path(folder), number, size)
            for number in range(self.rounds + 1):
                say(f"round {number} of {self.rounds}" if number else "warming up")
                self._round(kept=number > 0)
        names = dict.fromkeys(name for name, _ in self.times)
        p50 = {name: {str(size): self._median(name, size) for size in self.sizes} for name in names}
        smallest, largest = str(self.sizes[0]), str(self.sizes[-1])
        return {
            "sizes": list(self.sizes),
            "p50": p50,
            "ratios": {name: row[largest] / row[smallest] for name, row in p50.items()},
            "fill_seconds": self.fill_seconds,
            "mib": self.mib,
        }

    def _start(self, stack: ExitStack, running: Services, folder: Path, number: int, size: int) -> None:
        lacking = (self.rounds + 1) * ENROLMENTS
        having = min(MEASURED, size - lacking - 10)
        server = stack.enter_context(stepward.running(running, folder, having=having, lacking=lacking, number=number))
        started = time.perf_counter()
        url = server.environment["DATABASE_URL"]
        fill(url, size)
        self.fill_seconds = time.perf_counter() - started
        with psycopg.connect(url) as connection:
            found = connection.execute("SELECT pg_database_size(current_database()) / 1024 / 1024").fetchone()
            self.mib = int(str(found[0])) if found else 0
        self.servers[size] = server
        say(f"{size:,} people are there after {self.fill_seconds:.0f} s")

    def _round(self, *, kept: bool) -> None:
        for name, (make, count) in operations().items():
            for server in self.servers.values():
                self._rest(server)
            self._ask(name, {size: list(make(server, count)) for size, server in self.servers.items()}, kept=kept)
        begun: dict[int, dict[str, bytes]] = {size: {} for size in self.sizes}
        ids = {size: server.enrolments(ENROLMENTS) for size, server in self.servers.items()}
        first = {size: [server.qr(each, begun[size]) for each in ids[size]] for size, server in self.servers.items()}
        self._ask("enrolment: QR", first, kept=kept)
        second = {
            size: [server.confirm_shown(each, picture) for each, picture in begun[size].items()]
            for size, server in self.servers.items()
        }
        self._ask("enrolment: confirm", second, kept=kept)

    def _ask(self, name: str, given: Mapping[int, list[Operation]], *, kept: bool) -> None:
        """One caller, each size by turns, operation by operation."""
        ports = {self.servers[size].served.port: size for size in given}
        for port, times in load.by_turns({port: given[size] for port, size in ports.items()}).items():
            if kept:
                self.times.setdefault((name, ports[port]), []).extend(times)

    def _rest(self, server: Stepward) -> None:
        """The measured people come again sooner than their phones would show another code: no step counts as spent."""
        with psycopg.connect(server.environment["DATABASE_URL"], autocommit=True) as connection:
            connection.execute(
                "UPDATE mfa_authenticator SET last_time_step = -1 WHERE id = ANY(%s)",
                [[seed.authenticator_of(number) for number in range(server.having)]],
            )
        server.begin_anew()

    def _median(self, name: str, size: int) -> float:
        return statistics.median(self.times[name, size]) * 1000


def main(*, short: bool, write: bool) -> int:
    """Measure, print and write. `short`: 1,000 and 10,000 people, one round, and nothing written."""
    sizes, rounds = ((1_000, 10_000), 1) if short else (SIZES, 4)
    return report.publish_growth(Growth(sizes, rounds).run(), write=write and not short)
