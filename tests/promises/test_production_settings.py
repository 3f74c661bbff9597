"""Production refuses to start when it would be unsafe, and each refusal says how to mend it."""

import base64
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.databases import ROOT
from tests.support.production_settings import environment

WEAK_KEY = base64.b64encode(b"0" * 32).decode()


def loaded(**changed: str | None) -> "subprocess.CompletedProcess[str]":
    """Load the production settings with some of a good environment changed; None takes a name away."""
    said = {name: value for name, value in {**environment(), **changed}.items() if value is not None}
    return subprocess.run(
        [
            sys.executable,
            "-c",
            "import config.settings.production as s; print(s.SECRET_KEY[:4], s.SESSION_COOKIE_NAME)",
        ],
        cwd=ROOT,
        env=said,
        capture_output=True,
        text=True,
    )


def test_a_good_environment_is_accepted() -> None:
    done = loaded()
    assert done.returncode == 0, done.stderr
    assert "__Host-stepward_session" in done.stdout


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"SECRET_KEY": None}, "SECRET_KEY is missing. Make one"),
        ({"SECRET_KEY": "short"}, "SECRET_KEY is short or a known default"),
        (
            {"SECRET_KEY": "django-insecure-" + "abcdefghijklmnopqrstuvwxyz0123456789" * 2},
            "SECRET_KEY is short or a known",
        ),
        ({"SECRET_KEY": "a" * 80}, "SECRET_KEY is short or a known default"),
        ({"MFA_SECRET_KEYS": None}, "MFA_SECRET_KEYS is missing. Make one"),
        ({"MFA_SECRET_KEYS": f"k1:{WEAK_KEY}"}, "MFA_SECRET_KEYS holds a key that is not random"),
        ({"MFA_SECRET_KEYS": "k1:AAAA"}, "MFA_SECRET_KEYS is malformed"),
        ({"PUBLIC_URL": "http://signin.example.org"}, "PUBLIC_URL is not https. Set it"),
        ({"PUBLIC_URL": None}, "PUBLIC_URL is not https. Set it"),
        ({"ALLOWED_HOSTS": "*"}, "ALLOWED_HOSTS holds a wildcard. Name each host"),
        ({"ALLOWED_HOSTS": ".example.org"}, "ALLOWED_HOSTS holds a wildcard. Name each host"),
        ({"DATABASE_URL": None}, "DATABASE_URL is not PostgreSQL. Set it"),
        ({"DATABASE_URL": "sqlite:////tmp/x.sqlite3"}, "DATABASE_URL is not PostgreSQL. Set it"),
        ({"REDIS_URL": None, "WEB_WORKERS": "2"}, "REDIS_URL is missing"),
        ({"DEBUG": "true"}, "DEBUG is on. Take it away"),
        ({"WEB_WORKERS": "many"}, "WEB_WORKERS is not a whole number. Set it between"),
    ],
)
def test_an_unsafe_environment_is_refused_with_the_sentence_that_mends_it(
    changed: dict[str, str | None], sentence: str
) -> None:
    done = loaded(**changed)
    assert done.returncode != 0
    assert sentence in done.stderr


def test_one_process_needs_no_redis() -> None:
    assert loaded(REDIS_URL=None, WEB_WORKERS="1").returncode == 0


def test_every_refusal_is_told_at_once() -> None:
    done = loaded(SECRET_KEY=None, PUBLIC_URL=None, DATABASE_URL=None)
    assert all(name in done.stderr for name in ("SECRET_KEY", "PUBLIC_URL", "DATABASE_URL"))


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret_key"
    file.write_text(environment()["SECRET_KEY"] + "\n")
    done = loaded(SECRET_KEY=None, SECRET_KEY_FILE=str(file))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(file.read_text()[:4])


def test_a_secret_given_twice_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "secret_key"
    file.write_text(environment()["SECRET_KEY"])
    assert "are both set" in loaded(SECRET_KEY_FILE=str(file)).stderr


def test_a_file_that_is_not_there_is_named_by_its_setting_alone(tmp_path: Path) -> None:
    done = loaded(SECRET_KEY=None, SECRET_KEY_FILE=str(tmp_path / "nothing"))
    assert "SECRET_KEY_FILE names a file that cannot be read" in done.stderr


def test_whether_a_request_came_by_https_is_believed_of_a_proxy_only() -> None:
    ask = "import config.settings.production as s; print(hasattr(s, 'SECURE_PROXY_SSL_HEADER'))"
    told = {
        proxies: subprocess.run(
            [sys.executable, "-c", ask],
            cwd=ROOT,
            env={**environment(), "TRUSTED_PROXIES": proxies},
            capture_output=True,
            text=True,
        ).stdout.strip()
        for proxies in ("0", "1")
    }
    assert told == {"0": "False", "1": "True"}


def test_the_deployment_checks_find_nothing_to_say_about_security() -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.support.production_settings"),
            *("manage.py", "check", "--deploy", "--tag", "security", "--fail-level", "WARNING"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
