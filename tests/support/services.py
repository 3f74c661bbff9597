"""A pytest plugin: a private PostgreSQL and a private Redis for one test run, from wheels.

`TEST_DATABASE_URL` and `TEST_REDIS_URL` name others instead: a role that may create databases, and a Redis whose
numbered databases may be emptied. `STEPWARD_TEST_DATABASE` chooses between `postgresql` (default) and `sqlite`; on
SQLite the suite runs as the embedded default does, with cache and limits inside the process. The settings read what is
decided here from `DATABASE_URL` and `REDIS_URL`. A server that does not start ends the run: nothing is ever skipped for
want of one.
"""

import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

CHOICES = ("postgresql", "sqlite")
# Set by the controller, so that xdist's workers find the servers running.
RUNNING = "STEPWARD_TEST_SERVICES"


class Services:
    """The private servers of this run: started by `start`, told to go by closing their keeper's standard input."""

    def __init__(self) -> None:
        self.keeper: subprocess.Popen[str] | None = None

    def start(self, wanted: list[str]) -> dict[str, str]:
        """Start each of `wanted` (`postgresql`, `redis`); returns what the keeper tells: URLs, versions, folder."""
        self.keeper = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("service_keeper.py")), *wanted],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # Ctrl-C reaches pytest alone; the keeper notices that its standard input ends.
            start_new_session=True,
        )
        assert self.keeper.stdout
        answer = self.keeper.stdout.readline()
        if not answer:
            raise pytest.UsageError("The private test servers did not start; the reason stands above.")
        return dict(json.loads(answer))

    def stop(self) -> None:
        if self.keeper and self.keeper.stdin and self.keeper.stdout:
            self.keeper.stdin.close()
            self.keeper.wait(timeout=30)
            self.keeper.stdout.close()
            self.keeper = None


services = Services()


def chosen_database() -> str:
    """`postgresql` or `sqlite`, as `STEPWARD_TEST_DATABASE` says."""
    chosen = os.environ.get("STEPWARD_TEST_DATABASE") or "postgresql"
    if chosen not in CHOICES:
        raise pytest.UsageError(f"STEPWARD_TEST_DATABASE is none of {', '.join(CHOICES)}.")
    return chosen


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests() -> Generator[None, object, object]:
    """Before pytest-django reads the settings, which is why this is a wrapper: those run first."""
    if RUNNING in os.environ:
        _take_own_redis_database()
    else:
        _bring_services()
    try:
        return (yield)
    except BaseException:
        services.stop()
        raise


def _bring_services() -> None:
    database = chosen_database()
    named = {"postgresql": os.environ.get("TEST_DATABASE_URL", ""), "redis": os.environ.get("TEST_REDIS_URL", "")}
    wanted = [name for name in ("postgresql", "redis") if not named[name]]
    if database == "sqlite" and "postgresql" in wanted:
        wanted.remove("postgresql")
    told = services.start(wanted)
    redis_url = named["redis"] or told["redis_url"]
    os.environ["STEPWARD_TEST_RUN"] = secrets.token_hex(4)
    os.environ["STEPWARD_TEST_FOLDER"] = told["files"]
    if database == "sqlite":
        os.environ["DATABASE_URL"] = f"sqlite:///{os.environ['STEPWARD_TEST_FOLDER']}/served.sqlite3"
        os.environ.pop("REDIS_URL", None)
    else:
        os.environ["DATABASE_URL"] = named["postgresql"] or told["database_url"]
        os.environ["REDIS_URL"] = redis_url
    os.environ["STEPWARD_TEST_REDIS_URL"] = redis_url
    os.environ[RUNNING] = _described(database, named, told)


def _described(database: str, named: dict[str, str], told: dict[str, str]) -> str:
    def one(name: str, label: str) -> str:
        return f"{label} of {urlsplit(named[name]).hostname}" if named[name] else f"private {told[name]}"

    first = "SQLite" if database == "sqlite" else one("postgresql", "PostgreSQL")
    return f"{first}, {one('redis', 'Redis')}, as user {told['user']} in {told['folder']}"


def _take_own_redis_database() -> None:
    """Workers share the server, never a numbered database: one worker's flush must not empty another's cache."""
    worker = re.search(r"\d+$", os.environ.get("PYTEST_XDIST_WORKER", ""))
    number = int(worker.group()) + 1 if worker else 0
    for name in ("REDIS_URL", "STEPWARD_TEST_REDIS_URL"):
        if name in os.environ:
            os.environ[name] = urlunsplit(urlsplit(os.environ[name])._replace(path=f"/{number}"))


def pytest_report_header() -> str:
    return f"services: {os.environ.get(RUNNING, 'none')}"


_SLOW = {
    "tests/config/test_serving.py",
    "tests/config/test_telemetry.py",
    "tests/journeys/test_links_that_hold.py",
    "tests/mfa/admin/test_growth.py",
    "tests/mfa/flows/test_backup.py",
    "tests/mfa/flows/test_cleanup.py",
    "tests/promises/test_compose.py",
    "tests/promises/test_fuzzed_api.py",
    "tests/promises/test_memory.py",
    "tests/promises/test_services.py",
    "tests/promises/test_tutorial.py",
    "tests/races/test_requests.py",
}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what is slow; on SQLite, what PostgreSQL's run has said already is not said again."""
    for item in items:
        path = item.path.relative_to(config.rootpath).as_posix()
        if path.startswith("tests/faults/") or path in _SLOW:
            item.add_marker(pytest.mark.slow)
    if chosen_database() != "sqlite":
        return
    left_out = [item for item in items if _says_the_same_on_any_database(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]


def _says_the_same_on_any_database(item: pytest.Item) -> bool:
    if item.get_closest_marker("postgresql_only"):
        return True
    touches_one = bool(item.get_closest_marker("django_db")) or "db" in getattr(item, "fixturenames", ())
    return not touches_one and not {"primitives", "promises"}.isdisjoint(item.path.parts)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """The controller alone tidies up; workers find STEPWARD_TEST_SERVICES set by it."""
    if "PYTEST_XDIST_WORKER" in os.environ or "STEPWARD_TEST_FOLDER" not in os.environ:
        return
    if os.environ.get("TEST_DATABASE_URL") and chosen_database() == "postgresql":
        from tests.support.databases import drop_template

        drop_template(os.environ["DATABASE_URL"])
    services.stop()
