"""The worker is killed in the middle of a key rotation: the rotation goes on and ends without a hand."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psycopg
import pytest
import redis

from tests.config.test_serving import descendants
from tests.faults.private import client_of, provisioned, with_apps
from tests.support.databases import fresh_database, manage
from tests.support.server import Server, provision, serve
from tests.support.visual_guard import SUCCESS

pytestmark = [pytest.mark.slow, pytest.mark.postgresql_only, pytest.mark.timeout(500)]

ROTATING = {"DJANGO_SETTINGS_MODULE": "tests.faults.two_keys_settings"}
DATA_KEYS = 8_000
SEALED = f"""
from identity.models import User
from identity.primitives import sealing
from mfa import conf, secret_store
from mfa.models import DataKey
people = User.objects.bulk_create(
    [User(username=f"sealed-{{n}}", username_key=f"sealed-{{n}}") for n in range({DATA_KEYS})], batch_size=2000
)
keys = []
for user in people:
    sealed, kid = secret_store._wrap(user, bytes(32))
    keys.append(DataKey(user=user, sealed=sealed, sealed_under=kid))
DataKey.objects.bulk_create(keys, batch_size=2000)
"""


def workers(server: Server) -> list[int]:
    """The Celery workers of this server."""
    return [
        pid for pid, command in descendants(server.process.pid).items() if "celery" in command and " worker" in command
    ]


def until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.01)
    return False


@contextmanager
def held_back(url: str, data_keys: int) -> Iterator[None]:
    """Meanwhile so many stay under the old key: whoever kills late finds the rotation in its middle all the same."""
    with psycopg.connect(url) as holder:
        held = "SELECT 1 FROM mfa_datakey WHERE sealed_under <> 'new' LIMIT %s FOR UPDATE"
        assert len(holder.execute(held, [data_keys]).fetchall()) == data_keys
        yield


def test_a_rotation_whose_worker_is_killed_twice_ends_by_itself(redis_url: str, tmp_path: Path) -> None:
    redis.Redis.from_url(redis_url).flushdb()
    said = {**ROTATING, "REDIS_URL": redis_url}
    with fresh_database(tmp_path) as url, psycopg.connect(url, autocommit=True) as database:
        provision(url, provisioned(1))
        phones = with_apps({"DATABASE_URL": url}, 1)
        manage("shell", "--no-imports", "-c", SEALED, environment={"DATABASE_URL": url})

        def state() -> tuple[str, int]:
            row = database.execute("SELECT state, resealed FROM mfa_keyrotation").fetchone()
            assert row
            return row[0], row[1]

        def has_come_to(number: int) -> bool:
            return state()[1] >= number

        def under(kid: str) -> int:
            row = database.execute("SELECT count(*) FROM mfa_datakey WHERE sealed_under = %s", [kid]).fetchone()
            assert row
            return int(row[0])

        with serve(url, tmp_path, background=True, environment=said) as server:
            killed_at: list[int] = []
            for further, held in ((1, 6000), (2500, 2000)):
                with held_back(url, held):
                    if not killed_at:
                        manage("rotate_keys", "--in-background", environment={**said, "DATABASE_URL": url})
                    assert until(partial(has_come_to, further), 90), server.log_text()
                    for pid in workers(server):
                        os.kill(pid, signal.SIGKILL)
                    killed_at.append(state()[1])
                    time.sleep(0.2)
                    assert state()[0] == "running", "it was killed in the middle"
            assert 0 < killed_at[0] < killed_at[1] < DATA_KEYS, killed_at
            assert state()[1] == under("new"), "what is noted is what was done"
            assert until(lambda: state()[0] == "finished", 120), server.log_text()
            assert state() == ("finished", DATA_KEYS + 1)
            assert under("new") == DATA_KEYS + 1
            client = client_of(server, "p0")
            assert client.code_step(client.password_step(), phones["p0"].code()).status == SUCCESS
