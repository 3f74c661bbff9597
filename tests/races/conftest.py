"""Four server processes on one PostgreSQL, kept for all races of a worker; each race has people of its own."""

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import psycopg
import pytest

from tests.support.server import Server, running
from tests.support.soft_authenticator import SoftAuthenticator
from tests.support.visual_guard import ENROLMENT_REQUIRED, Answer, VisualGuardClient

PROCESSES = 4
AT_ONCE = 32
PEOPLE = 16
ENROLLED, WITHOUT = "enrolled_Native", "without_Native"
PASSWORD = "a password of its own"
T = TypeVar("T")

PROVISIONED: dict[str, Any] = {
    "mfa": {"mode": "off"},
    "clients": [
        {"client_id": ENROLLED, "name": "With a second factor", "mfa": {"mode": "required"}},
        {"client_id": WITHOUT, "name": "Without one", "mfa": {"mode": "off"}},
    ],
    "users": [{"username": f"racer-{number}", "password": PASSWORD, "clients": ["*"]} for number in range(PEOPLE)],
}


@dataclass
class Track:
    """The servers, and what sends to all of them at once."""

    servers: Sequence[Server]
    pool: ThreadPoolExecutor
    first_tokens: list[str] = field(default_factory=list)
    _people: Iterator[int] = field(default_factory=lambda: iter(range(PEOPLE)))

    def person(self, client_id: str = ENROLLED) -> list[VisualGuardClient]:
        """Somebody whom no other race knows, at each of the servers."""
        return self.clients(f"racer-{next(self._people)}", client_id)

    def clients(self, username: str, client_id: str) -> list[VisualGuardClient]:
        return [
            VisualGuardClient.of_server(server, client_id, username=username, password=PASSWORD)
            for server in self.servers
        ]

    def at_once(self, acts: Sequence[Callable[[], T]]) -> list[T]:
        """All acts in threads of their own, released together."""
        gate = threading.Barrier(len(acts))

        def run(act: Callable[[], T]) -> T:
            gate.wait(timeout=30)
            return act()

        return list(self.pool.map(run, acts))

    def spread(self, people: Sequence[T], number: int = AT_ONCE) -> list[T]:
        return list(itertools.islice(itertools.cycle(people), number))

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """What the database says; writes are committed."""
        with psycopg.connect(self.servers[0].database_url, autocommit=True) as connection:
            cursor = connection.execute(statement, values)
            return list(cursor.fetchall()) if cursor.description else []

    def no_errors(self) -> None:
        for server in self.servers:
            assert '"status": 500' not in server.log_text()
            assert '"status": 503' not in server.log_text()


@pytest.fixture(scope="session")
def _track(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Track]:
    with (
        running(PROVISIONED, tmp_path_factory.mktemp("races"), processes=PROCESSES) as servers,
        ThreadPoolExecutor(max_workers=100) as pool,
    ):
        track = Track(servers, pool)
        # The very first use of the keys, by all processes at once; `test_first_use` looks at what came of it.
        first = [client for client in track.clients("racer-0", WITHOUT) for _ in range(2)]
        answers = track.at_once([client.password_step for client in first])
        track.first_tokens = [answer.document["access_token"] for answer in answers]
        yield track


@pytest.fixture
def track(_track: Track) -> Iterator[Track]:
    yield _track
    _track.no_errors()


def enrolled(clients: Sequence[VisualGuardClient]) -> SoftAuthenticator:
    """Give the person an app."""
    due = clients[0].password_step()
    assert due.status == ENROLMENT_REQUIRED
    phone = clients[0].enrol_app(due.request_id)
    assert clients[0].redeem(due.request_id).http_status == 200
    return phone


def successes(answers: Sequence[Answer]) -> list[Answer]:
    return [answer for answer in answers if answer.http_status == 200]
