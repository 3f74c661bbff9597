"""Web processes are killed in mid-request, at random moments: no code is accepted twice, and no event is lost.

Eight moments in the suite; STEPWARD_KILLS=50 for more.
"""

import os
import random
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.config.test_serving import descendants
from tests.faults.private import client_of, get, provisioned, with_apps
from tests.support.databases import fresh_database, manage
from tests.support.server import Server, provision, serve
from tests.support.soft_authenticator import SoftAuthenticator
from tests.support.visual_guard import SUCCESS, Answer

KILLS = int(os.environ.get("STEPWARD_KILLS", "8"))

pytestmark = [pytest.mark.postgresql_only, pytest.mark.timeout(900)]

LEDGER = """
from identity.models import AuditEvent, Session
from mfa.models import AuthenticationRequest
completed = AuditEvent.objects.filter(event="sign_in.completed", outcome="success")
print(completed.count(), Session.objects.count(), AuthenticationRequest.objects.filter(state="completed").count())
for row in completed.values_list("username", flat=True):
    print(row)
"""


def test_a_killed_process_costs_an_answer_and_nothing_else(tmp_path: Path) -> None:
    with fresh_database(tmp_path) as url:
        provision(url, provisioned(KILLS))
        phones = with_apps({"DATABASE_URL": url}, KILLS)
        with serve(url, tmp_path, workers=2) as server:
            given = {name: _one_kill(server, name, phone) for name, phone in phones.items()}
            unhandled = '"unhandled"' in server.log_text()
        lines = manage("shell", "--no-imports", "-c", LEDGER, environment={"DATABASE_URL": url}).split()
    completed, sessions, requests = map(int, lines[:3])
    names = lines[3:]
    assert completed == sessions == requests, "tokens, trail and requests tell the same story"
    assert len(set(names)) == len(names), "a code gave tokens twice"
    assert all(count <= 1 for count in given.values())
    assert {name for name, count in given.items() if count} <= set(names), "tokens were given without an event"
    assert not unhandled


def _one_kill(server: Server, name: str, phone: SoftAuthenticator) -> int:
    """Submit a code, kill whichever processes there are meanwhile, try the same code again; how often tokens came."""
    code = phone.code()
    tokens = 0
    for attempt in range(3):
        answers: list[Answer] = []
        caller = threading.Thread(target=_sign_in, args=(server, name, code, answers))
        caller.start()
        if attempt == 0:
            time.sleep(random.uniform(0, 0.12))
            _kill_workers(server)
        caller.join()
        tokens += sum(answer.http_status == 200 and answer.status == SUCCESS for answer in answers)
        _wait_until_it_answers(server)
    return tokens


def _sign_in(server: Server, name: str, code: str, answers: list[Answer]) -> None:
    client = client_of(server, name)
    try:
        opened = client.password_step()
        if opened.http_status == 400 and opened.factors:
            answers.append(client.code_step(opened, code))
    except (OSError, EOFError):
        pass  # The answer that the killed process owed.
    except Exception as error:
        if type(error).__module__ != "http.client":
            raise


def _kill_workers(server: Server) -> None:
    for main in descendants(server.process.pid):
        for worker in descendants(main) if Path(f"/proc/{main}").exists() else {}:
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)


def _wait_until_it_answers(server: Server) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if get(server, "/healthz").http_status == 200:
                return
        except Exception:  # noqa: BLE001  Refused, reset, cut: it is not up yet.
            time.sleep(0.1)
    raise AssertionError(server.log_text()[-3000:])
