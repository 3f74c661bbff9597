"""Servers of one test's own, to be stopped and started: PostgreSQL, Redis, and people who hold an app already."""

import base64
import json
import secrets
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.support import service_keeper
from tests.support.databases import manage
from tests.support.server import Server
from tests.support.soft_authenticator import SoftAuthenticator
from tests.support.visual_guard import Answer, VisualGuardClient

CLIENT = "6f0f3c6e-0000-4000-8000-000000000001_Native"
PASSWORD = "a password of its own"


def provisioned(people: int) -> dict[str, Any]:
    """A public client that asks for a second factor, and so many people."""
    return {
        "clients": [{"client_id": CLIENT, "name": "Faults", "mfa": {"mode": "required"}}],
        "users": [{"username": f"p{n}", "password": PASSWORD, "clients": ["*"]} for n in range(people)],
    }


_ENROL = """
import json, base64, uuid
from django.utils import timezone
from identity.models import User
from mfa import secret_store
from mfa.models import Authenticator
now = timezone.now()
for name, secret in json.loads(GIVEN).items():
    user, key = User.objects.get(username=name), uuid.uuid4()
    sealed = secret_store.seal_for(
        user, base64.b64decode(secret), table="mfa_authenticator", row=str(key), purpose="totp"
    )
    Authenticator.objects.create(
        id=key, user=user, kind=4, label="phone", sealed_secret=sealed, created_at=now, confirmed_at=now
    )
"""


def with_apps(environment: dict[str, str], people: int) -> dict[str, SoftAuthenticator]:
    """Enrol an app for each of them, straight in the database; their phones."""
    held = {f"p{n}": secrets.token_bytes(20) for n in range(people)}
    given = json.dumps({name: base64.b64encode(secret).decode() for name, secret in held.items()})
    manage("shell", "--no-imports", "-c", f"GIVEN = {given!r}\n{_ENROL}", environment=environment)
    return {name: SoftAuthenticator(secret, "Stepward", name) for name, secret in held.items()}


def client_of(server: Server, name: str) -> VisualGuardClient:
    """An application of this person's; each call on a connection of its own would be slower and show less."""
    return VisualGuardClient.of_server(server, CLIENT, username=name, password=PASSWORD)


def get(server: Server, path: str) -> Answer:
    """One GET."""
    client = client_of(server, "nobody")
    return client.send("GET", path)


class Private:
    """One PostgreSQL and one Redis in a private folder; `keeper` is the test suite's own."""

    def __init__(self) -> None:
        self.keeper = service_keeper.Keeper()
        self.urls: dict[str, str] = {}
        self.running: dict[str, subprocess.Popen[str]] = {}

    def start(self, *wanted: str) -> None:
        for name in wanted:
            told = getattr(self.keeper, f"start_{name}")()
            self.urls |= {key: value for key, value in told.items() if key.endswith("_url")}
            self.running[name] = self.keeper.processes[-1]

    def stop(self, name: str, how: int = signal.SIGINT) -> None:
        """SIGINT ends PostgreSQL in order (its `fast` mode), SIGQUIT at once, as a crash does; SIGTERM ends Redis."""
        self.running[name].send_signal(how)
        self.running[name].wait(timeout=60)

    def start_again(self, name: str) -> None:
        """On the same port, with the same data."""
        command = [str(argument) for argument in self.running[name].args]  # type: ignore[union-attr]
        process = self.keeper.popen(command, f"{name}.log")
        self.keeper.processes.append(process)
        self.running[name] = process
        self.keeper.wait(process, lambda: self.answers(name), f"{name}.log")

    def answers(self, name: str) -> bool:
        if name == "redis":
            import redis

            try:
                with redis.Redis.from_url(self.urls["redis_url"]) as connection:
                    return bool(connection.ping())
            except redis.RedisError:
                return False
        import psycopg

        try:
            with psycopg.connect(self.urls["database_url"], connect_timeout=1):
                return True
        except psycopg.OperationalError:
            return False


@contextmanager
def private(*wanted: str) -> Iterator[Private]:
    """`private("postgresql", "redis")`: started, and gone after the test. What is committed is on disk."""
    services = Private()
    try:
        services.start(*wanted)
        if "postgresql" in wanted:
            import psycopg

            # The suite's servers forget on purpose, to be quick; a crash must find what was committed.
            with psycopg.connect(services.urls["database_url"], autocommit=True) as connection:
                connection.execute("ALTER ROLE stepward SET synchronous_commit = on")
        yield services
    finally:
        services.keeper.stop()
