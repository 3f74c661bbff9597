"""A server's clock jumps by two minutes: no code is accepted twice, and such a server does not start anew."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from tests.config.test_serving import until
from tests.faults.private import client_of, provisioned, with_apps
from tests.support.databases import ROOT, fresh_database
from tests.support.server import Server, provision, serve
from tests.support.visual_guard import SUCCESS, WRONG_CODE

pytestmark = [pytest.mark.postgresql_only, pytest.mark.timeout(180)]


def have_jumped(server: Server, clock: Path) -> bool:
    """Whether every process that answers for the server has."""
    (main,) = children(server.process.pid)
    return all(clock.with_suffix(f".{pid}").exists() for pid in children(main))


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def tell(clock: Path, seconds: int) -> None:
    """The file is there whole or not at all: it is read as soon as it is."""
    clock.with_suffix(".draft").write_text(str(seconds))
    clock.with_suffix(".draft").rename(clock)


@pytest.mark.parametrize("jump", [120, -120])
def test_no_code_is_accepted_twice_when_a_clock_jumps(jump: int, tmp_path: Path) -> None:
    signal = tmp_path / "jump"
    stepped = {"DJANGO_SETTINGS_MODULE": "tests.faults.stepped_settings", "STEPWARD_TEST_CLOCK": str(signal)}
    with fresh_database(tmp_path) as url:
        provision(url, provisioned(2))
        phones = with_apps({"DATABASE_URL": url}, 2)
        with serve(url, tmp_path) as true, serve(url, tmp_path, environment=stepped) as wrong:
            used = phones["p0"].code()
            client = client_of(true, "p0")
            assert client.code_step(client.password_step(), used).status == SUCCESS
            tell(signal, jump)
            assert until(lambda: have_jumped(wrong, signal))
            # The code of now, spent at the true server, at the one that has jumped.
            client = client_of(wrong, "p0")
            assert client.code_step(client.password_step(), used).status == WRONG_CODE
            # The other way round: what the jumped server takes, nobody takes again.
            there = phones["p1"].code(time.time() + jump)
            client = client_of(wrong, "p1")
            assert client.code_step(client.password_step(), there).status == SUCCESS
            for server in (wrong, true):
                client = client_of(server, "p1")
                assert client.code_step(client.password_step(), there).status == WRONG_CODE
            # Once true time has caught up with what was spent, the phone's codes are taken again, and nobody did anything.
            caught_up = max(jump, 0) + 35
            tell(tmp_path / "later", caught_up)
            moved = {**stepped, "STEPWARD_TEST_CLOCK": str(tmp_path / "later")}
            with serve(url, tmp_path, environment=moved) as later:
                assert until(lambda: have_jumped(later, tmp_path / "later"))
                client = client_of(later, "p1")
                code = phones["p1"].code(time.time() + caught_up)
                assert client.code_step(client.password_step(), code).status == SUCCESS
            assert not [server for server in (true, wrong, later) if '"unhandled"' in server.log_text()]
        with psycopg.connect(url) as connection:
            told = connection.execute(
                "SELECT username FROM identity_auditevent WHERE event = 'sign_in.completed' AND outcome = 'success'"
            ).fetchall()
    assert sorted(name for (name,) in told) == ["p0", "p1", "p1"], "the trail tells of each acceptance, once"


def test_a_server_whose_clock_is_far_from_the_databases_does_not_start(tmp_path: Path) -> None:
    signal = tmp_path / "jump"
    signal.write_text("120")
    with fresh_database(tmp_path) as url:
        done = subprocess.run(
            [sys.executable, "manage.py", "check", "--database", "default"],
            cwd=ROOT,
            env={
                **os.environ,
                "DATABASE_URL": url,
                "DJANGO_SETTINGS_MODULE": "tests.faults.stepped_settings",
                "STEPWARD_TEST_CLOCK": str(signal),
                "STEPWARD_TEST_JUMPS_AT_ONCE": "1",
            },
            capture_output=True,
            text=True,
        )
    assert done.returncode == 1
    assert re.search(r"This machine's clock and the database's differ by 1[12]\d s", done.stderr), done.stderr
    assert "Let both follow a time server" in done.stderr
