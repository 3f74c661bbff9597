"""Servers under measurement: started, waited for until every worker listens, and what their processes cost."""

import base64
import http.client
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import load, processes
from bench.services import Services
from tests.support.service_keeper import free_port

ROOT = Path(__file__).resolve().parents[1]
WORKERS = 2
READY_WITHIN = 60.0  # seconds


@dataclass
class Served:
    """A running server on `port`; `workers` are the processes that answer there."""

    name: str
    port: int
    process: "subprocess.Popen[bytes]"
    services: Services
    database: str
    workers: list[int] = field(default_factory=list)
    background: set[int] | None = None

    def costs(self) -> dict[str, float]:
        """Processor seconds so far: of the web processes, of those in the background, of PostgreSQL and of Redis."""
        everything = processes.tree(self.process.pid)
        if self.background is None:
            self.background = {pid for pid in everything if "celery" in processes.command(pid)}
        return {
            "server": processes.processor_seconds(pid for pid in everything if pid not in self.background),
            "background": processes.processor_seconds(self.background),
            "postgresql": processes.processor_seconds(processes.tree(self.services.postgresql)),
            "redis": processes.processor_seconds([self.services.redis]),
        }

    def memory(self) -> dict[str, int]:
        return processes.memory(processes.tree(self.process.pid))


@contextmanager
def served(
    name: str,
    command: Sequence[str],
    environment: Mapping[str, str],
    services: Services,
    *,
    database: str,
    port: int,
    probe: str,
    folder: Path,
    cwd: Path = ROOT,
) -> Iterator[Served]:
    """Run the command until the block ends; it is ready when all its workers listen and `probe` is answered."""
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        server = Served(name, port, process, services, database)
        _wait(server, probe, log)
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=15)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class Seeder:
    """A process that writes rows through a server's own models: a call is a line of JSON, and so is its answer."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], cwd: Path = ROOT) -> None:
        self.process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def call(self, *call: object) -> Any:
        assert self.process.stdin
        assert self.process.stdout
        print(json.dumps(call), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("the seeding process ended; the reason stands above")
        return json.loads(line)

    def close(self) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


def _wait(server: Served, probe: str, log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while True:
        server.workers = processes.listeners(server.port, processes.tree(server.process.pid))
        if len(server.workers) == WORKERS and _answers(server.port, probe):
            return
        if server.process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"{server.name} did not start:\n{log.read_text(errors='replace')[-4000:]}")
        time.sleep(0.1)


def _answers(port: int, probe: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", probe, headers={"Host": load.HOST, "X-Forwarded-Proto": "https"})
        return connection.getresponse().status < 500
    except OSError:
        return False
    finally:
        connection.close()


def granian(python: Path | str, application: str, port: int, threads: int) -> list[str]:
    """The command for a WSGI application on the HTTP server, workers and options that `manage.py serve` uses."""
    return [
        *(str(python), "-m", "granian", "--interface", "wsgi", "--http", "1", "--no-ws"),
        *("--host", "127.0.0.1", "--port", str(port), "--workers", str(WORKERS), "--blocking-threads", str(threads)),
        *("--backlog", "4096", "--backpressure", "2048"),
        *("--no-access-log", "--log-level", "error", application),
    ]


def production(services: Services, database_url: str, redis_number: int, folder: Path) -> dict[str, str]:
    """What an operator says of an installation behind one proxy; keys are made for this run."""
    port = free_port()
    return {
        "DJANGO_SETTINGS_MODULE": "config.settings.production",
        "STEPWARD_VAR": str(folder),
        "PORT": str(port),
        "BIND_ADDRESS": "127.0.0.1",
        "PUBLIC_URL": f"https://{load.HOST}",
        "TRUSTED_PROXIES": "1",
        "SECRET_KEY": secrets.token_urlsafe(64),
        "MFA_SECRET_KEYS": f"k1:{base64.b64encode(secrets.token_bytes(32)).decode()}",
        "DATABASE_URL": database_url,
        "REDIS_URL": services.redis_number(redis_number),
        "EMAIL_URL": "smtp+tls://mail.example.org:587",
        "DEFAULT_FROM_EMAIL": f"sign-in@{load.HOST}",
        "WEB_WORKERS": str(WORKERS),
    }


MANAGE = (sys.executable, str(ROOT / "manage.py"))
