"""A worker is killed with SIGKILL in mid-delivery, twenty times: every message arrives, and who comes twice is explained.

Real Celery workers and beat on a real Redis, a real SMTP server that takes its time. A message comes twice only when its
worker died between the gateway's yes and our commit: then a second worker cannot know, and a message too many is better
than none. It carries the same Message-ID and the same text.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest
import redis
from django.conf import settings as django_settings
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import Settings

from mfa.flows import deliveries
from mfa.models import Delivery
from mfa.models.authenticator import Kind
from mfa.models.delivery import DeliveryState
from tests.support.ceremony import a_user
from tests.support.databases import ROOT, named
from tests.support.gateways import MailServer, mail_server

pytestmark = [pytest.mark.postgresql_only, pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]

KILLS = 20
MESSAGES_EACH = 6


@pytest.fixture
def smtp() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


@contextmanager
def running(command: list[str], environment: dict[str, str], log: Path) -> Iterator["subprocess.Popen[str]"]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=output, text=True
        )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def environment(smtp: MailServer, redis_url: str) -> dict[str, str]:
    database = named(os.environ["DATABASE_URL"], str(connection.settings_dict["NAME"]))
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings.test",
        "DATABASE_URL": database,
        "REDIS_URL": redis_url,
        "EMAIL_URL": f"smtp://127.0.0.1:{smtp.port}",
    }


def start_worker(nursery: "subprocess.Popen[str]") -> int:
    """A new worker; returns its process id."""
    assert nursery.stdin
    assert nursery.stdout
    nursery.stdin.write("worker\n")
    nursery.stdin.flush()
    return int(nursery.stdout.readline())


def cause_messages(number: int) -> list[UUID]:
    """Notices of one person, committed together; their ids."""
    user = a_user()
    with transaction.atomic():
        return [
            deliveries.enqueue(
                user, template="authenticator_added", kind=Kind.EMAIL, destination=user.email,
                facts={"label": f"phone {each}", "at": timezone.now().isoformat()}, language="en", now=timezone.now(),
            ).pk
            for each in range(number)
        ]  # fmt: skip


def until(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether `condition` came true within that time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_every_message_of_killed_workers_arrives(
    smtp: MailServer, redis_url: str, settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.REDIS_URL = redis_url
    redis.Redis.from_url(redis_url).flushdb()
    smtp.seconds = lambda: random.uniform(0.02, 0.15)
    said = environment(smtp, redis_url)
    nursery = [sys.executable, "-m", "tests.faults.worker_nursery"]
    beat = [sys.executable, "-m", "celery", "-A", "config.celery", "--quiet", "beat", "--pidfile=",
            f"--schedule={tmp_path / 'beat'}", "--loglevel=WARNING"]  # fmt: skip
    caused: list[UUID] = []
    with running(nursery, said, tmp_path / "workers.log") as workers, running(beat, said, tmp_path / "beat.log"):
        worker = start_worker(workers)
        for _ in range(KILLS):
            begun = smtp.begun
            caused += cause_messages(MESSAGES_EACH)
            assert until(partial(smtp.has_begun_after, begun), 60), (tmp_path / "workers.log").read_text()
            time.sleep(random.uniform(0, 0.25))
            os.kill(worker, signal.SIGKILL)
            worker = start_worker(workers)
        arrived = until(lambda: not Delivery.objects.filter(state=DeliveryState.WAITING).exists(), 120)
        os.kill(worker, signal.SIGKILL)
    assert arrived, (tmp_path / "workers.log").read_text()
    assert set(Delivery.objects.values_list("state", flat=True)) == {DeliveryState.SENT}
    copies = Counter(str(mail["Message-ID"]) for mail in smtp.received)
    ids = {f"<{row}@{django_host()}>": row for row in caused}
    assert set(copies) == set(ids), "every message arrived, and nothing else did"
    attempts = dict(Delivery.objects.values_list("pk", "attempts"))
    unexplained = [row for message, row in ids.items() if copies[message] > attempts[row]]
    assert not unexplained, "every copy but the last is of a worker that died before it could note the gateway's yes"
    texts: dict[str, set[str]] = {message: set() for message in ids}
    for mail in smtp.received:
        body = mail.get_body(("plain",))
        assert body
        texts[str(mail["Message-ID"])].add(body.get_content())
    assert all(len(bodies) == 1 for bodies in texts.values()), "a copy says what the first one said"
    logged = (tmp_path / "workers.log").read_text() + (tmp_path / "beat.log").read_text()
    assert "mail.example" not in logged
    assert "phone 1" not in logged
    with capsys.disabled():
        print(
            f"\n{KILLS} kills, {len(caused)} messages; {sum(number > 1 for number in attempts.values())} of them were in "
            f"the hands of a killed worker, and of these {sum(count > 1 for count in copies.values())} came twice or more"
        )


def django_host() -> str:
    """The host part of our Message-IDs."""
    return str(django_settings.PUBLIC_URL).split("//")[1].split(":")[0]
