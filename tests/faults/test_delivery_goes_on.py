"""What is away or died for other reasons: the broker, or the process that should have sent."""

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from django.utils import timezone
from pytest_django import Settings

from mfa.flows import deliveries
from tests.support.ceremony import a_user
from tests.support.databases import fresh_database, manage
from tests.support.gateways import MailServer, mail_server
from tests.support.server import serve

GIVEN = """
from django.db import transaction
from django.utils import timezone
from mfa.delivery import outbox
from mfa.flows import deliveries
from identity.models import User
user = User(username="tt29", email="tt29@mail.example", password="!")
user.save()
now = timezone.now()
message = dict(template="password_changed", kind=2, destination=user.email, facts={"at": now.isoformat()}, language="en")
"""
PUT = """
with transaction.atomic():
    outbox.put(user, now=now, **message)
"""
# The shortest of three: any of them may meet a moment in which the machine stands still.
ENQUEUE_THREE = """
import time
took = []
for _ in range(3):
    begun = time.monotonic()
    with transaction.atomic():
        deliveries.enqueue(user, now=now, **message)
    took.append(time.monotonic() - begun)
assert min(took) < 2, took
"""


@pytest.fixture
def smtp() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


@pytest.fixture
def database(tmp_path: Path) -> Iterator[str]:
    with fresh_database(tmp_path) as url:
        yield url


def test_a_message_whose_process_died_before_it_began_is_sent_by_the_next_server(
    smtp: MailServer, database: str, tmp_path: Path
) -> None:
    said = {"DATABASE_URL": database, "REDIS_URL": "", "EMAIL_URL": f"smtp://127.0.0.1:{smtp.port}"}
    manage("shell", "--verbosity", "0", "--command", GIVEN + PUT, environment=said)
    assert smtp.received == []
    with serve(database, tmp_path, environment=said):
        deadline = time.monotonic() + 60
        while not smtp.received and time.monotonic() < deadline:
            time.sleep(0.1)
    assert [mail["Subject"] for mail in smtp.received] == ["Your password was changed"]


def test_a_broker_that_is_away_delays_nothing_and_loses_nothing(smtp: MailServer, database: str) -> None:
    said = {
        "DATABASE_URL": database,
        "REDIS_URL": "redis://127.0.0.1:1/0",  # Nothing listens on it.
        "EMAIL_URL": f"smtp://127.0.0.1:{smtp.port}",
    }
    manage("shell", "--verbosity", "0", "--command", GIVEN + ENQUEUE_THREE, environment=said)
    assert [mail["Subject"] for mail in smtp.received] == ["Your password was changed"] * 3


@pytest.mark.postgresql_only
@pytest.mark.django_db(transaction=True)
def test_the_queue_holds_the_id_of_a_row_and_nothing_else(redis_url: str, settings: Settings) -> None:
    settings.REDIS_URL = redis_url
    queue = redis.Redis.from_url(redis_url)
    queue.flushdb()
    user, now = a_user(email="anna@mail.example"), timezone.now()
    row = deliveries.enqueue(
        user, template="authenticator_added", kind=2, destination=user.email, language="en", now=now,
        facts={"label": "the secret label", "at": now.isoformat()},
    ).pk  # fmt: skip
    [message] = queue.lrange("stepward", 0, -1)
    arguments, named, _options = json.loads(base64.b64decode(json.loads(message)["body"]))
    assert (arguments, named) == ([str(row)], {})
    everything = f"{message!r} {queue.keys()!r}"
    for private in ("anna", "mail.example", "secret label", user.username, str(user.subject)):
        assert private not in everything
    queue.close()
