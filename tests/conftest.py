"""What every test may ask for. The servers of the run come from `tests.support.services`."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests.support import flushing
from tests.support.server import Server, running
from tests.support.services import chosen_database

# Two busy cores are no reason to call a property slow; what it finds is kept under var/.
hypothesis.settings.register_profile("stepward", deadline=None)
hypothesis.settings.load_profile("stepward")
hypothesis.configuration.set_hypothesis_home_dir("var/cache/hypothesis")


def pytest_configure() -> None:
    """SQLite's test database is a file, as the served one is: one in memory has other locks."""
    from django.conf import settings

    settings.VAR_DIR = Path(os.environ["STEPWARD_TEST_FOLDER"])
    # `serve` makes this folder too; without it WhiteNoise warns, and warnings are errors.
    Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)
    if chosen_database() == "sqlite":
        path = Path(os.environ["STEPWARD_TEST_FOLDER"]) / "test.sqlite3"
        settings.DATABASES["default"].setdefault("TEST", {})["NAME"] = str(path)
    flushing.install()


@pytest.fixture(autouse=True)
def _empty_cache() -> Iterator[None]:
    """No test finds another's limits or cached keys."""
    from django.core.cache import cache

    from identity import secret_store

    # Keys that an earlier test made and took back are good for this one too, if they do not change in the middle of it.
    secret_store._held.read_at = time.monotonic() if secret_store._held.signing else secret_store._held.read_at
    yield
    cache.clear()


@pytest.fixture
def redis_url() -> str:
    """A Redis database of this worker's own, also when the suite runs on SQLite."""
    return os.environ["STEPWARD_TEST_REDIS_URL"]


@pytest.fixture
def start_servers(tmp_path: Path) -> Iterator[Callable[..., list[Server]]]:
    """`start_servers(provisioned, processes=4)`: real server processes on one fresh database, gone after the test."""
    with ExitStack() as stack:

        def start(provisioned: Mapping[str, Any], **how: Any) -> list[Server]:
            return stack.enter_context(running(provisioned, tmp_path, **how))

        yield start


@pytest.fixture
def start_server(start_servers: Callable[..., list[Server]]) -> Callable[..., Server]:
    """`start_server(provisioned)`: one of them."""

    def start(provisioned: Mapping[str, Any], **how: Any) -> Server:
        return start_servers(provisioned, **how)[0]

    return start


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One Chromium for all browser tests of a worker."""
    from tests.support.browser import chromium

    with chromium() as opened:
        yield opened


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A fresh page; what it complains of in its console fails the test."""
    from tests.support import browser as support

    with support.page(browser) as opened:
        yield opened
