"""PostgreSQL goes away and comes back under a running server: 503 meanwhile, no hand needed, nothing spent is forgotten."""

import signal
import threading
import time
from pathlib import Path

import pytest

from tests.faults.private import Private, client_of, get, private, provisioned, with_apps
from tests.support.databases import manage
from tests.support.server import Server, provision, serve
from tests.support.visual_guard import FACTOR_REQUIRED, SUCCESS, WRONG_CODE

POOLED = {"REDIS_URL": "", "DJANGO_SETTINGS_MODULE": "tests.faults.pooled_settings"}
pytestmark = [pytest.mark.postgresql_only, pytest.mark.timeout(240)]


class Asking(threading.Thread):
    """Gives a password again and again, and keeps what came of it."""

    def __init__(self, server: Server, name: str) -> None:
        super().__init__()
        self.server, self.name_of, self.statuses, self.broken = server, name, list[int](), list[str]()
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.is_set():
            try:
                self.statuses.append(client_of(self.server, self.name_of).password_step().http_status)
            except OSError as error:
                self.broken.append(type(error).__name__)
            time.sleep(0.05)

    def end(self) -> None:
        self.over.set()
        self.join()


def comes_back(server: Server, seconds: float = 30.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if get(server, "/readyz").http_status == 200:
            return True
        time.sleep(0.2)
    return False


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["in order", "like a crash"])
def test_a_restart_is_a_pause_and_not_an_error(how: int, tmp_path: Path) -> None:
    with private("postgresql") as services:
        url = services.urls["database_url"]
        manage("migrate", "--verbosity", "0", environment={"DATABASE_URL": url})
        provision(url, provisioned(10))
        phones = with_apps({"DATABASE_URL": url}, 10)
        with serve(url, tmp_path, workers=2, environment=POOLED) as server:
            _goes_through(services, server, how, phones)


def _goes_through(services: Private, server: Server, how: int, phones: dict) -> None:  # type: ignore[type-arg]
    client, phone = client_of(server, "p0"), phones["p0"]
    code = phone.code()
    opened = client.password_step()
    assert opened.status == FACTOR_REQUIRED
    assert client.code_step(opened, code).status == SUCCESS
    waiting = client_of(server, "p1")
    still_open = waiting.password_step()
    asking = [Asking(server, f"p{number}") for number in (5, 6, 7, 8)]
    for thread in asking:
        thread.start()
    time.sleep(1)
    services.stop("postgresql", how)
    time.sleep(2)
    away = client_of(server, "p9").password_step()
    assert (away.http_status, away.headers["content-type"]) == (503, "application/problem+json")
    assert int(away.headers["retry-after"]) > 0
    assert get(server, "/healthz").http_status == 200
    ready = get(server, "/readyz")
    assert (ready.http_status, "database" in ready.document["failing"]) == (503, True)
    services.start_again("postgresql")
    assert comes_back(server)
    time.sleep(1)
    for thread in asking:
        thread.end()
    seen = {status for thread in asking for status in thread.statuses}
    assert seen == {400, 503}
    assert not [broken for thread in asking for broken in thread.broken]
    # A code that was accepted before stays spent; a request that was open goes on.
    again = client.password_step()
    assert client.code_step(again, code).status == WRONG_CODE
    assert waiting.code_step(still_open, phones["p1"].code()).status == SUCCESS
    assert '"unhandled"' not in server.log_text()
