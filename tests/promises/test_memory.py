"""A serving worker is small: under 120 MiB, and 19 MiB for each slot that hashes passwords."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench import memory
from tests.support.databases import fresh_database
from tests.support.server import Server
from tests.support.soft_authenticator import SoftAuthenticator
from tests.support.visual_guard import SUCCESS, VisualGuardClient

CLIENT = "6f0f3c6e-0000-4000-8000-000000000001_Native"
PROVISIONED: dict[str, Any] = {
    "clients": [{"client_id": CLIENT, "name": "Small", "mfa": {"mode": "required"}}],
    "users": [{"username": "tt29", "password": "correct horse", "clients": ["*"]}],
}
# Heavy, and of no use to a sign-in: for gateways, other servers, documents, coloured tracebacks.
UNUSED = ("apprise", "requests", "urllib3", "markdown", "jsonschema", "charset_normalizer", "pygments", "rich")
# Of use where REDIS_URL is set.
FOR_REDIS = ("celery", "kombu", "redis", "limits")


def test_after_a_sign_in_nothing_heavy_is_loaded_that_it_did_not_need(start_server: Callable[..., Server]) -> None:
    environment = {"DJANGO_SETTINGS_MODULE": "tests.promises.loaded_settings", "REDIS_URL": ""}
    server = start_server(PROVISIONED, environment=environment)
    client = VisualGuardClient.of_server(server, CLIENT, username="tt29", password="correct horse")
    opened = client.password_step()
    phone = SoftAuthenticator.scan(client.qr(opened.request_id).body)
    client.confirm(opened.request_id, phone.code())
    assert client.redeem(opened.request_id).status == SUCCESS
    loaded = set(json.loads(client.send("GET", "/modules").body))
    assert {"django", "segno", "argon2"} <= loaded
    assert sorted(loaded.intersection((*UNUSED, *FOR_REDIS))) == []
    if server.database_url.startswith("sqlite"):
        assert "psycopg" not in loaded


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_worker_stays_under_its_bound_after_sign_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After 240; `python -m bench.memory` does the 1,000, and past the first hundred it grows by less than 1 MiB."""
    with fresh_database(tmp_path) as url:
        monkeypatch.setenv("DATABASE_URL", url)
        monkeypatch.setenv("REDIS_URL", "")
        found = memory.measure(users=60)
    assert found.sign_ins == 240
    assert found.worker > found.before[0][0], "the hashes took no memory: the wrong processes were measured"
    assert found.worker < found.bound - 5
