"""`make demo` and the README's lines do what they say, as a person runs them."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
import zxingcpp
from PIL import Image

from demo import terminal
from mfa.primitives import qr_code
from tests.support.soft_authenticator import qr_alone

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.postgresql_only, pytest.mark.timeout(300)]


@contextmanager
def demo(folder: Path, *arguments: str, **environment: str) -> Iterator["subprocess.Popen[str]"]:
    """The demo as `make demo` starts it, its files in `folder`."""
    # What this test run decided for its own servers is not the demo's.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "STEPWARD_"))}
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "demo.play", *arguments],
        cwd=ROOT,
        env={**kept, "DEMO_FOLDER": str(folder), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # A shell that runs the suite in the background has it ignore Ctrl-C, and all that it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  It takes no lock.
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=60)
        assert process.stdout
        process.stdout.close()


def read_until(process: "subprocess.Popen[str]", text: str) -> str:
    assert process.stdout
    said = ""
    for line in process.stdout:
        said += line
        if text in line:
            return said
    raise AssertionError(f"The demo ended without saying {text!r}:\n{said}")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_the_demo_serves_on_and_the_lines_of_the_readme_work_as_printed(tmp_path: Path) -> None:
    folder = tmp_path / "var" / "demo"
    with demo(folder, PORT=str(free_port())) as process:
        first = read_until(process, "← 400")
        # Fifteen seconds on an idle machine: what else the suite does at the same time does not count.
        assert processor_seconds(process.pid) < 15
        rest = read_until(process, "Ctrl-C ends it.")
        assert "\033[" not in first + rest, "colours where there is no terminal"
        assert "The whole flow went as the contract says." in rest

        printed = pasted_into_a_shell(tmp_path)
        assert "268435457" in printed
        assert re.search(r'"Status": ?3\b', printed)
        assert printed.count('"access_token"') == 2

        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0


def processor_seconds(pid: int) -> float:
    """Spent so far by a process, by what it started, and by those it has waited for."""
    spent = sum(psutil.Process(pid).cpu_times()[:4])
    for process in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # It has just ended, and its parent's figures hold it now.
            spent += sum(process.cpu_times()[:4])
    return spent


def pasted_into_a_shell(folder: Path) -> str:
    """Run the README's block in a folder that looks like a checkout with `.venv/` and `var/demo/`."""
    readme = (ROOT / "README.md").read_text()
    block = re.search(r"## The flow in five lines.*?```sh\n(.*?)```", readme, re.DOTALL)
    assert block
    assert len(re.findall(r"^(?:\w+=\$\()?curl ", block.group(1), re.MULTILINE)) == 5
    (folder / ".venv").symlink_to(sys.prefix)
    done = subprocess.run(
        ["bash", "-eu"],
        input=block.group(1),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_taken_port_is_said_and_the_next_one_used(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("0.0.0.0", 0))  # noqa: S104 - As a server does that is in the demo's way.
        other.listen()
        taken = other.getsockname()[1]
        with demo(tmp_path, "--once", PORT=str(taken)) as process:
            assert process.stdout
            said = process.stdout.read()
            assert process.wait(timeout=60) == 0, said
    # Another server of this machine may have the very next one.
    used = re.match(rf"Port {taken} is taken; the demo uses (\d+)\.", said)
    assert used
    assert int(used.group(1)) > taken


def test_a_demo_that_goes_wrong_ends_at_once_with_an_error(tmp_path: Path) -> None:
    with demo(tmp_path, PORT=str(free_port()), REQUEST_LIFETIME="no number") as process:
        assert process.stdout
        said = process.stdout.read()
        assert process.wait(timeout=60) == 1
    assert "REQUEST_LIFETIME is not a whole number" in said


@pytest.mark.parametrize("size", [100, 300, 1000])
def test_a_phone_reads_the_code_that_the_terminal_shows(size: int) -> None:
    text = "otpauth://totp/Stepward:ada?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Stepward"
    lines = terminal.qr_lines(terminal.modules(qr_code.png(text, size)), colours=False)
    screen = Image.new("L", (len(lines[0]), 2 * len(lines)), 0)
    for row, line in enumerate(lines):
        for column, block in enumerate(line):
            screen.putpixel((column, 2 * row), 255 if block in "█▀" else 0)
            screen.putpixel((column, 2 * row + 1), 255 if block in "█▄" else 0)
    found = zxingcpp.read_barcodes(screen.resize((screen.width * 6, screen.height * 6)), formats=qr_alone())
    assert [code.text for code in found] == [text]
