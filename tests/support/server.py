"""A real server process, as `make serve` starts it: `with serve(database_url) as server: httpx.post(server.url + …)`."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from tests.support.databases import ROOT, fresh_database, manage

READY_WITHIN = 90.0  # seconds; about two are usual


@dataclass(frozen=True)
class Server:
    """A running server: where it listens, its process group, what it has logged."""

    url: str
    port: int
    process: "subprocess.Popen[bytes]"
    log: Path
    database_url: str
    environment: Mapping[str, str]

    def log_text(self) -> str:
        """Everything that the server wrote to standard output and standard error, lines that wait a moment included."""
        time.sleep(0.1)
        return self.log.read_text(errors="replace")

    def manage(self, *arguments: str, given: str | None = None) -> str:
        """Run manage.py with this server's settings and database."""
        return manage(*arguments, environment=dict(self.environment), given=given)

    def stop(self, how: int = signal.SIGTERM) -> None:
        """Ask it to end, as an operator does; what is left of its group after 10 s is killed."""
        if self.process.poll() is None:
            self.process.send_signal(how)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=10)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Options(TypedDict):
    """How `serve` starts a server."""

    workers: int
    threads: int
    background: bool
    environment: Mapping[str, str] | None


@contextmanager
def serve(
    database_url: str,
    folder: Path,
    *,
    workers: int = 1,
    threads: int = 8,
    background: bool = False,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """Start one server on a free port and wait until it answers; `environment` wins over everything else said here.

    `background` lets it start its Celery worker and beat too, where REDIS_URL is set.
    """
    port = _free_port()
    said = {
        "DJANGO_SETTINGS_MODULE": "config.settings.test",
        "DATABASE_URL": database_url,
        "PORT": str(port),
        "PUBLIC_URL": f"http://localhost:{port}",
        "WEB_WORKERS": str(workers),
        "WEB_THREADS": str(threads),
        "PYTHONUNBUFFERED": "1",
        "STEPWARD_VAR": str(folder / "var"),
        **(environment or {}),
    }
    log = folder / f"server-{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), "serve", "--no-migrate", *([] if background else ["--web-only"])],
            cwd=ROOT,
            env={**os.environ, **said},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = Server(said["PUBLIC_URL"], port, process, log, database_url, said)
    try:
        _wait_until_it_answers(server)
        yield server
    finally:
        server.stop()


@contextmanager
def running(
    provisioned: Mapping[str, Any],
    folder: Path,
    *,
    processes: int = 1,
    workers: int = 1,
    threads: int = 8,
    background: bool = False,
    environment: Mapping[str, str] | None = None,
) -> Iterator[list[Server]]:
    """`processes` servers on one fresh database that was brought to the state that `provisioned` declares."""
    with ExitStack() as stack:
        url = stack.enter_context(fresh_database(folder))
        provision(url, provisioned, environment)
        how: Options = {"workers": workers, "threads": threads, "background": background, "environment": environment}
        yield [stack.enter_context(serve(url, folder, **how)) for _ in range(processes)]


def provision(database_url: str, declared: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> str:
    """`manage.py provision -` on that database."""
    said = {**(environment or {}), "DATABASE_URL": database_url}
    return manage("provision", "-", environment=said, given=json.dumps(declared))


def _free_port() -> int:
    """One that is free now. Until its server listens it is free to others as well, so a run gives each out once."""
    given_out = os.environ.get("STEPWARD_TEST_FOLDER")
    while True:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = int(listener.getsockname()[1])
        if given_out is None:
            return port
        with suppress(FileExistsError):
            (Path(given_out) / f"port-{port}").touch(exist_ok=False)
            return port


def _wait_until_it_answers(server: Server) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while not _healthy(server.port):
        assert server.process.poll() is None, f"the server ended:\n{server.log_text()}"
        assert time.monotonic() < deadline, f"the server did not answer:\n{server.log_text()}"
        time.sleep(0.05)


def _healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
