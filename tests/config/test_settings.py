"""What the environment says becomes what Django is told."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import CacheHandler
from django.core.exceptions import ImproperlyConfigured
from django.db.utils import ConnectionHandler
from django.test import Client

from config import env
from config.settings.base import caches, database
from tests.support.databases import ROOT


def told(url: str) -> dict[str, Any]:
    """What the driver is given to connect with."""
    handed: dict[str, Any] = ConnectionHandler({"default": database(url)})["default"].get_connection_params()
    return handed


def test_what_a_database_s_address_asks_for_reaches_the_driver() -> None:
    """A certificate that nobody checks is no protection, and nothing would show that it is not checked."""
    asked = "sslmode=verify-full&sslrootcert=/secrets/ca%201.pem&target_session_attrs=read-write&connect_timeout=5"
    params = told(f"postgres://u:p@one:5432,two:5433/n?{asked}")
    assert {name: params[name] for name in ("sslmode", "sslrootcert", "target_session_attrs", "connect_timeout")} == {
        "sslmode": "verify-full",
        "sslrootcert": "/secrets/ca 1.pem",
        "target_session_attrs": "read-write",
        "connect_timeout": 5,
    }
    assert (params["host"], params["port"]) == ("one,two", "5432,5433")


def test_what_stepward_needs_of_a_database_cannot_be_asked_away() -> None:
    asked = database("postgres://u:p@h/n?pool=off&server_side_binding=no")["OPTIONS"]
    assert asked == database("postgres://u:p@h/n")["OPTIONS"]
    asked = database("postgres://u:p@h/n?atomic_requests=1&ATOMIC_REQUESTS=1&AUTOCOMMIT=0")
    assert (asked["ATOMIC_REQUESTS"], asked["AUTOCOMMIT"]) == (False, True)
    asked = database("sqlite:////tmp/n.sqlite3?transaction_mode=DEFERRED&cached_statements=7")["OPTIONS"]
    assert asked == {**database("sqlite:////tmp/n.sqlite3")["OPTIONS"], "cached_statements": 7}


@pytest.mark.timeout(30)
def test_a_redis_that_takes_calls_and_never_answers_holds_nobody() -> None:
    """As a firewall that drops what it does not know: without a time limit the probe of readiness hung with it."""
    from redis import RedisError

    with socket.create_server(("127.0.0.1", 0)) as silent:
        cache = CacheHandler(caches(f"redis://127.0.0.1:{silent.getsockname()[1]}/0"))["default"]
        with pytest.raises(RedisError):
            cache.get("readyz")


@pytest.mark.parametrize(
    ("public", "header"),
    [
        ("https://[2001:db8::1]", "[2001:db8::1]"),
        ("https://[2001:DB8:0:0::1]:8443", "[2001:db8::1]:8443"),
        ("http://[::1]:5000", "[::1]:5000"),
        ("https://203.0.113.7", "203.0.113.7"),
        ("https://id.example.com:8443", "id.example.com:8443"),
    ],
)
@pytest.mark.django_db
def test_the_server_answers_at_its_own_address(
    public: str, header: str, settings: Any, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ALLOWED_HOSTS", raising=False)
    settings.ALLOWED_HOSTS = env.allowed_hosts(public)
    assert client.get("/.well-known/jwks.json", headers={"host": header}).status_code == 200
    assert client.get("/healthz", headers={"host": "10.1.2.3:5000"}).status_code == 200
    assert client.get("/account/sign-in", headers={"host": header}).status_code == 200
    assert client.get("/account/sign-in", headers={"host": "[2001:db8::2]"}).status_code == 400


def test_an_address_may_be_named_without_its_brackets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_HOSTS", "id.example.com, 2001:db8::1,[2001:db8::2]")
    assert env.allowed_hosts("https://elsewhere") == ["id.example.com", "[2001:db8::1]", "[2001:db8::2]"]


def machine(folder: Path, own: str, **quotas: str) -> Path:
    """A root folder with this process in the group `own`, and `quotas` by group (`top` is the topmost)."""
    (folder / "proc/self").mkdir(parents=True)
    (folder / "proc/self/cgroup").write_text(f"1:cpu:/elsewhere\n0::{own}\n")
    for group, quota in quotas.items():
        place = folder / "sys/fs/cgroup" / ("" if group == "top" else group)
        place.mkdir(parents=True, exist_ok=True)
        (place / "cpu.max").write_text(f"{quota}\n")
    return folder


@pytest.mark.parametrize(
    ("own", "quotas", "expected"),
    [
        ("/", {}, 16),
        ("/", {"top": "max 100000"}, 16),
        ("/", {"top": "150000 100000"}, 2),
        ("/", {"top": "5000 100000"}, 1),
        ("/system.slice/stepward.service", {"system.slice/stepward.service": "300000 100000"}, 3),
        ("/system.slice/stepward.service", {"system.slice": "200000 100000"}, 2),
        ("/../../elsewhere", {"top": "400000 100000"}, 4),
        ("/", {"top": "100 0"}, 16),
    ],
)
def test_the_cores_are_those_that_the_control_groups_grant(
    own: str, quotas: dict[str, str], expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: set(range(16)))
    assert env.cores(machine(tmp_path, own, **quotas)) == expected


def test_control_groups_that_cannot_be_read_grant_what_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: set(range(16)))
    root = machine(tmp_path, "/", top="400000 100000")
    (root / "proc/self/cgroup").write_bytes(b"0::/a\xff\n")
    assert env.cores(root) == 4


def loaded(expression: str, **said: str) -> str:
    """What the settings say on a machine of 192 cores under this environment, or the sentence of their refusal."""
    script = f"from config import env; env.cores = lambda: 192; import config.settings.base as s; print({expression})"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **said},
        capture_output=True,
        text=True,
    )
    return done.stdout.strip() or done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize(("workers", "slots"), [("1", "64"), ("2", "64"), ("4", "48"), ("256", "1")])
def test_a_machine_of_many_cores_starts(workers: str, slots: str) -> None:
    assert loaded("s.PASSWORD_HASH_SLOTS", WEB_WORKERS=workers) == slots


@pytest.mark.parametrize(
    ("name", "text", "expression"),
    [
        ("PUBLIC_URL", "https://id.example.com", "s.PUBLIC_URL"),
        ("ALLOWED_HOSTS", "id.example.com", "s.ALLOWED_HOSTS[0]"),
        ("STATELESS_SECRET_MODE", "legacy", "s.STATELESS_SECRET_MODE"),
        ("ISSUER", "Example & Söhne", "s.ISSUER"),
        ("REDIS_URL", "redis://:p@h/0", "s.REDIS_URL"),
    ],
)
def test_a_setting_that_is_text_may_come_from_a_file(name: str, text: str, expression: str, tmp_path: Path) -> None:
    (tmp_path / "said").write_text(f"{text}\n")
    assert loaded(expression, **{f"{name}_FILE": str(tmp_path / "said")}) == text
    assert "are both set" in loaded(expression, **{name: text, f"{name}_FILE": str(tmp_path / "said")})


def test_the_issuer_is_stepward_unless_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert env.issuer() == "Stepward"
    monkeypatch.setenv("ISSUER", "Example Corp")
    assert env.issuer() == "Example Corp"


@pytest.mark.parametrize("name", ["Example: sign-in", "Example\nCorp", "x" * 65])
def test_a_name_that_no_app_can_show_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISSUER", name)
    with pytest.raises(ImproperlyConfigured, match="64 characters without a colon"):
        env.issuer()


def test_the_folder_of_a_run_is_the_one_that_serve_made(tmp_path: Path) -> None:
    assert loaded("s.RUN_DIR", STEPWARD_RUN=str(tmp_path)) == str(tmp_path)
    assert loaded("s.RUN_DIR", STEPWARD_RUN=str(tmp_path / "gone")) == loaded("s.RUN_DIR") == "None"
