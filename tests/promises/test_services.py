"""A test run's own PostgreSQL and Redis: private, unprivileged, and gone with the run in whatever way it ends."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

ROOT = Path(__file__).resolve().parents[2]
KEEPER = ROOT / "tests" / "support" / "service_keeper.py"
pytestmark = [pytest.mark.postgresql_only, pytest.mark.timeout(300)]

# A run that starts the servers as the plugin does, says where they are, and waits to be killed.
RUN = """
import json, time
from tests.support.services import Services
services = Services()
print(json.dumps(services.start(["postgresql", "redis"])), flush=True)
time.sleep(60)
"""


def start(*command: str) -> "tuple[subprocess.Popen[str], dict[str, str]]":
    process = subprocess.Popen(command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout
    return process, json.loads(process.stdout.readline())


def end(process: "subprocess.Popen[str]") -> None:
    for stream in (process.stdin, process.stdout):
        assert stream
        stream.close()
    process.wait(timeout=30)


def servers_in(folder: str) -> list[psutil.Process]:
    """With what is asked of them, which may end at any moment: autovacuum's come and go."""
    return [process for process in psutil.process_iter(["name", "uids"]) if _works_in(process, folder)]


def _works_in(process: psutil.Process, folder: str) -> bool:
    try:
        return process.cwd().startswith(folder)
    except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
        return False


def test_the_servers_are_private_and_leave_nothing_behind() -> None:
    keeper, told = start(sys.executable, str(KEEPER), "postgresql", "redis")
    folder = Path(told["folder"])
    try:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        running = servers_in(told["folder"])
        assert {process.info["name"] for process in running} >= {"postgres", "redis-server"}
        assert 0 not in {process.info["uids"].effective for process in running}
        _only_the_password_lets_in(told)
    finally:
        end(keeper)
    assert keeper.returncode == 0
    assert not folder.exists()
    assert servers_in(told["folder"]) == []


def _only_the_password_lets_in(told: dict[str, str]) -> None:
    with psycopg.connect(told["database_url"]) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    host = told["database_url"].partition("@")[2]
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(f"postgres://stepward:guessed@{host}")
    with redis.Redis.from_url(told["redis_url"]) as client:
        assert client.ping()
    stranger = redis.Redis.from_url("redis://" + told["redis_url"].partition("@")[2])
    with stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()


def test_the_servers_go_with_a_run_that_is_killed() -> None:
    run, told = start(sys.executable, "-c", RUN)
    assert servers_in(told["folder"])
    run.send_signal(signal.SIGKILL)
    end(run)
    deadline = time.monotonic() + 60
    while servers_in(told["folder"]) or Path(told["folder"]).exists():
        assert time.monotonic() < deadline, "the servers outlive their run"
        time.sleep(0.1)


def pytest_run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Another run of pytest, which knows nothing of this one's servers."""
    own = ("STEPWARD_", "TEST_", "PYTEST_", "DATABASE_URL", "REDIS_URL")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    command = [sys.executable, "-m", "pytest", "-n0", *arguments]
    return subprocess.run(command, cwd=ROOT, env={**kept, **environment}, text=True, capture_output=True, check=False)


def test_the_header_says_which_servers_were_used() -> None:
    done = pytest_run("--collect-only", "tests/mfa/primitives")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "services: private PostgreSQL 18" in done.stdout
    assert "private Redis 6" in done.stdout


def test_a_run_without_its_servers_fails_and_skips_nothing() -> None:
    needs_a_database = "tests/promises/test_tooling.py::test_no_model_waits_for_a_migration"
    unreachable = pytest_run(needs_a_database, TEST_DATABASE_URL="postgres://nobody@127.0.0.1:1/none")
    assert "1 error in" in unreachable.stdout
    assert "skipped" not in unreachable.stdout
    misnamed = pytest_run(needs_a_database, STEPWARD_TEST_DATABASE="oracle")
    assert misnamed.returncode == pytest.ExitCode.USAGE_ERROR
    assert "STEPWARD_TEST_DATABASE is none of" in misnamed.stderr
