"""The examples of `docs/how-to/` do what they say: copied from the page, with only the host changed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from mfa.api.authenticatorapi.urls import urlpatterns
from mfa.api.totp.urls import urlpatterns as modern

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.django_db(transaction=True)

USE_OF_PYTHON = """
import sys, time
sys.path.insert(0, {root!r})
from mfa.primitives import totp

secret, picture = enrol("ada@example.com")
assert picture.startswith("data:image/png;base64,")
pin = totp.code_at(totp.decoded_base32(secret), time.time())
step = check(secret, pin, -1)
assert step and check(secret, pin, step) is None
assert is_right(secret, pin) and not is_right(secret, "no PIN")
for _ in range(12):
    last = check(secret, "no PIN", -1)
assert last is None and not is_right(secret, pin)
print("all as promised")
"""


def blocks(page: str, language: str, server: str) -> list[str]:
    text = (ROOT / "docs" / "how-to" / page).read_text()
    found = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    return [block.replace("https://id.example.com", server) for block in found]


@pytest.fixture
def server(live_server: LiveServer, settings: Settings) -> str:
    settings.PUBLIC_URL = live_server.url
    settings.ALLOWED_HOSTS = ["*"]
    return str(live_server.url)


def test_the_curl_examples(server: str, tmp_path: Path) -> None:
    answers = [
        subprocess.run(
            ["bash", "-ec", f'curl() {{ command curl -sS --fail-with-body "$@"; echo; }}\n{block}'],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )
        for block in blocks("stateless-with-curl.md", "bash", server)
    ]
    assert [answer.returncode for answer in answers] == [0, 0, 0], answers
    assert "Manually pair with GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ" in answers[0].stdout
    assert answers[0].stdout.strip().endswith("False")
    assert '"valid":false' in answers[1].stdout
    assert (tmp_path / "qr.png").read_bytes().startswith(b"\x89PNG")
    assert "ValidatePinResult>false<" in answers[2].stdout


def test_the_python_examples(server: str, tmp_path: Path) -> None:
    program = "\n".join([*blocks("stateless-with-python.md", "python", server), USE_OF_PYTHON.format(root=str(ROOT))])
    (tmp_path / "program.py").write_text(program)
    done = subprocess.run([sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "all as promised", done.stderr


def test_the_reference_names_every_address() -> None:
    text = (ROOT / "docs" / "reference" / "authenticatorapi.md").read_text()
    for pattern in [*urlpatterns, *modern]:
        assert f"/{pattern.pattern}" in text, pattern
