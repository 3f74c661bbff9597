"""The tutorial's commands and its Python program do what it says; its C# uses calls and fields that exist."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from config import openapi
from tests.support.server import Server
from tests.support.soft_authenticator import SoftAuthenticator

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "tutorial" / "first-integration.md").read_text()
PEOPLE = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[0])


def blocks(language: str, heading: str) -> list[str]:
    chapter = PAGE.partition(f"## {heading}")[2].partition("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", chapter, re.DOTALL)


def is_part_of(shown: Any, answered: Any) -> bool:
    """Whether all that is shown was answered, each value in its place."""
    if isinstance(shown, dict):
        return all(name in answered and is_part_of(value, answered[name]) for name, value in shown.items())
    return bool(shown == answered)


@pytest.mark.timeout(300)
def test_the_curl_lines_and_the_python_program_sign_in(start_server: Callable[..., Server], tmp_path: Path) -> None:
    server = start_server(PEOPLE)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    lines = "".join(blocks("sh", "2. "))
    assert lines.count("curl ") == 6
    done = subprocess.run(
        ["bash", "-eu"],
        input=lines.replace("http://localhost:5000", server.url),
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("400\n")
    answered = json.loads((tmp_path / "answer.json").read_text())
    (shown,) = map(json.loads, blocks("json", "2. "))
    shown["VGResponse"]["RequestId"] = answered["VGResponse"]["RequestId"]
    assert is_part_of(shown, answered)
    assert answered["VGResponse"]["AuthenticationState"]["Status"] == 268435457
    assert '"Status": 3' in done.stdout
    assert '"sub"' in done.stdout
    assert '"RecoveryCodes"' in done.stdout

    phone = SoftAuthenticator.scan((tmp_path / "qr.png").read_bytes())
    person = PEOPLE["users"][0]
    answers = [person["username"], person["password"], phone.next_code()]
    assert program(server, tmp_path, answers).endswith("Signed in as ada\n")


def test_the_python_program_enrols_who_has_no_authenticator(
    start_server: Callable[..., Server], tmp_path: Path
) -> None:
    server = start_server(PEOPLE)
    person = PEOPLE["users"][0]
    source = blocks("python", "3. ")[0]
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", source],
        cwd=tmp_path,
        env={**os.environ, "STEPWARD_URL": server.url},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    process.stdin.write(f"{person['username']}\n{person['password']}\n")
    process.stdin.flush()
    while "qr.png" not in process.stdout.readline():
        assert process.poll() is None
    phone = SoftAuthenticator.scan((tmp_path / "qr.png").read_bytes())
    said, _ = process.communicate(f"{phone.code()}\n", timeout=60)
    assert (process.returncode, said) == (0, "Signed in as ada\n")


def program(server: Server, folder: Path, answers: list[str]) -> str:
    done = subprocess.run(
        [sys.executable, "-c", blocks("python", "3. ")[0]],
        input="\n".join([*answers, ""]),
        cwd=folder,
        env={**os.environ, "STEPWARD_URL": server.url},
        text=True,
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_commands_that_make_the_server_are_those_that_there_are() -> None:
    assert "".join(blocks("sh", "1. ")).split("\n") == [
        "make setup",
        ".venv/bin/python manage.py migrate",
        ".venv/bin/python manage.py provision people.yaml",
        "make serve",
        "",
    ]
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"setup", "serve"} <= targets


def test_the_c_sharp_program_uses_calls_and_fields_that_exist() -> None:
    source = blocks("csharp", "4. ")[0]
    document = openapi.document()
    called = set(re.findall(r'"(/[\w./-]+)"|\$"(/[\w/.-]+)\?', source))
    assert {first or second for first, second in called} <= set(document["paths"])
    properties = set()
    for schema in document["components"]["schemas"].values():
        properties |= set(schema.get("properties", {}))
    sent = set(re.findall(r'\("(\w+)", ', source)) - {"Bearer"}
    read = set(re.findall(r'Property\("(\w+)"', source))
    assert {"Username", "MFASecureCode", "secureCode"} <= sent <= properties
    assert {"VGResponse", "MFAAvailables", "access_token"} <= read <= properties
