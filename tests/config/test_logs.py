"""Lines of the access log wait for each other for a moment; none is lost, torn or out of its turn."""

import io
import json
import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import httpx
import pytest

from config.logs import Output
from tests.support.server import Server


@pytest.fixture
def output(monkeypatch: pytest.MonkeyPatch) -> Output:
    monkeypatch.setattr(Output, "current", None)
    return Output(io.StringIO())


def written(output: Output) -> list[str]:
    assert isinstance(output.stream, io.StringIO)
    return output.stream.getvalue().splitlines()


def test_a_line_is_written_within_a_moment(output: Output) -> None:
    output.write("one")
    output.write("two")
    deadline = time.monotonic() + 30
    while len(written(output)) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert written(output) == ["one", "two"]
    output.write("three")
    while len(written(output)) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_record_is_written_at_once_after_the_lines_before_it(output: Output) -> None:
    output.write("before")
    output.handle(logging.LogRecord("stepward", logging.WARNING, "", 0, "now", None, None))
    assert written(output) == ["before", "now"]


def test_of_many_threads_every_line_is_written_once_and_whole(output: Output) -> None:
    def write(name: str) -> None:
        for number in range(500):
            output.write(f"{name}-{number:03}")
            if number % 100 == 0:
                output.flush()

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcdefgh"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    output.flush()
    assert sorted(written(output)) == [f"{name}-{number:03}" for name in "abcdefgh" for number in range(500)]
    for name in "abcdefgh":
        of_one = [line for line in written(output) if line[0] == name]
        assert of_one == sorted(of_one)


def test_a_process_that_ends_has_written_its_last_line() -> None:
    script = (
        "import logging, sys; from config.logs import Output; logging.getLogger().addHandler(Output(sys.stdout));"
        "Output.current.write('last')"
    )
    done = subprocess.run([sys.executable, "-c", script], text=True, capture_output=True, check=True)
    assert done.stdout == "last\n"


def test_nobody_reading_any_more_ends_nothing(output: Output) -> None:
    output.stream.close()
    output.write("to nobody")
    time.sleep(3 * Output.LONGEST)
    output.stream = io.StringIO()
    output.write("to somebody")
    deadline = time.monotonic() + 30
    while "to somebody" not in written(output):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_server_that_is_asked_to_end_has_logged_its_last_request(start_server: Callable[..., Server]) -> None:
    server = start_server({})
    assert httpx.get(f"{server.url}/.well-known/jwks.json").status_code == 200
    server.stop(signal.SIGTERM)
    lines = [json.loads(line) for line in server.log_text().splitlines()]
    assert any(line.get("route") == ".well-known/jwks.json" for line in lines)
