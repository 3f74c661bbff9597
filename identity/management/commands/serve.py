"""`manage.py serve`: migrate, then serve on PORT; with REDIS_URL set, run the Celery worker and beat as well."""

import errno
import fcntl
import json
import os
import socket
import sys
import tempfile
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import structlog
from django.conf import settings
from django.core import checks
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

log = structlog.get_logger("stepward.serve")

# Any number will do, as long as every process asks for the same one.
MIGRATION_LOCK = 0x57E9_0001
# What a stopping server leaves to requests under way; a held link call is cut, and its client polls.
GRACE_SECONDS = 8
# glibc gives back each hash's 19 MiB and takes it anew, a page fault for every 4 KiB; docs/decisions/0051 measures it.
ALLOCATOR = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(32 * 1024 * 1024),
    "MALLOC_TRIM_THRESHOLD_": str(128 * 1024 * 1024),
}


class Command(BaseCommand):
    help = "Migrates, then serves on PORT; with REDIS_URL set, the Celery worker and beat run beside it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--no-migrate", action="store_true", help="the database is migrated elsewhere")
        parser.add_argument("--web-only", action="store_true", help="the Celery worker and beat run elsewhere")

    def handle(self, *args: object, **options: Any) -> None:
        """Ends by becoming `config.supervisor`: the process keeps its id, and Django's memory is given back."""
        _refuse_a_taken_port()
        if not options["no_migrate"]:
            with one_at_a_time():
                call_command("migrate", verbosity=0, interactive=False)
        self.check(databases=["default"])
        if getattr(settings, "REFUSES_WARNINGS", False):
            self.check(tags=[checks.Tags.security], include_deployment_checks=True, fail_level=checks.WARNING)
        Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="stepward-"))
        background = [] if options["web_only"] or not settings.REDIS_URL else [worker_command(), beat_command(folder)]
        plan = {
            "web": web_command(),
            "workers": settings.WEB_WORKERS,
            "background": background,
            "folder": str(folder),
            "grace": GRACE_SECONDS,
        }
        log.info(
            "serving",
            url=settings.PUBLIC_URL,
            port=settings.PORT,
            processes=settings.WEB_WORKERS,
            background=bool(background),
        )
        connection.close()
        sys.stdout.flush()
        environment = {**ALLOCATOR, **os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder), "STEPWARD_RUN": str(folder)}
        os.chdir(settings.BASE_DIR)
        os.execve(sys.executable, [sys.executable, "-m", "config.supervisor", json.dumps(plan)], environment)  # noqa: S606


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Of several servers that start together one migrates at a time; those that follow find nothing to do."""
    if connection.vendor == "postgresql":
        # A connection of its own: the lock lives as long as its session, whatever the migrations do to theirs.
        with psycopg.connect(**connection.get_connection_params(), autocommit=True) as session:
            session.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
            yield
        return
    settings.VAR_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (settings.VAR_DIR / "migrate.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def web_command() -> list[str]:
    """Granian with a thread for each caller who may wait for a password hash, and WEB_THREADS for all others.

    A waiting caller holds a thread. With fewer threads a burst of passwords would keep codes waiting behind them, and
    the refusal past the queue would never be reached.
    """
    threads = settings.WEB_THREADS + settings.PASSWORD_HASH_SLOTS + settings.PASSWORD_HASH_QUEUE
    return [
        *(sys.executable, "-m", "granian", "--interface", "wsgi", "--http", "1", "--no-ws"),
        *("--host", settings.BIND_ADDRESS, "--port", str(settings.PORT)),
        *("--workers", str(settings.WEB_WORKERS), "--blocking-threads", str(threads)),
        # Counted in connections, idle ones among them; past it they wait to be accepted and are not reset.
        *("--backlog", "4096", "--backpressure", "2048"),
        # Ends idle and dripping connections alike; longer than a proxy keeps its own, so that no request meets the end.
        *("--http1-header-read-timeout", "60000", "--http1-buffer-size", str(64 * 1024)),
        *("--respawn-failed-workers", "--workers-kill-timeout", str(GRACE_SECONDS)),
        *("--no-access-log", "--log-level", "error", "config.wsgi:application"),
    ]


def worker_command() -> list[str]:
    """One process with threads: what it does is waiting for gateways."""
    return [
        *(sys.executable, "-m", "celery", "--app", "config.celery", "--quiet", "worker", "--pool", "threads"),
        *("--concurrency", "8", "--without-gossip", "--without-mingle", "--loglevel", "WARNING"),
    ]


def beat_command(folder: Path) -> list[str]:
    """Its schedule file goes with the run: every task may be sent twice or missed once without harm."""
    schedule = str(folder / "beat")
    return [
        *(sys.executable, "-m", "celery", "--app", "config.celery", "--quiet", "beat"),
        *("--schedule", schedule, "--pidfile", "", "--loglevel", "WARNING"),
    ]


def _refuse_a_taken_port() -> None:
    """Granian shares its port among its processes, and so would share it with a stranger's server as well."""
    family = socket.AF_INET6 if ":" in settings.BIND_ADDRESS else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.BIND_ADDRESS, settings.PORT))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise CommandError(f"Port {settings.PORT} is taken. Name another with PORT=….") from None
            raise CommandError(
                f"{settings.BIND_ADDRESS}:{settings.PORT} cannot be listened on ({error.strerror}). "
                "Set BIND_ADDRESS to an address of this machine and PORT above 1023."
            ) from None
