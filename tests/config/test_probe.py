"""What a health check of the image says: yes, or which part fails."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from config import probe


class Stub(BaseHTTPRequestHandler):
    """Answers 503 with a document that holds what was asked for; 200 at /healthz."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/healthz" else 503)
        self.end_headers()
        self.wfile.write(f'{{"failing": ["cache"], "asked": "{self.path}"}}'.encode())

    def log_message(self, *_arguments: object) -> None:
        return


@pytest.fixture
def server() -> Iterator[str]:
    stub = HTTPServer(("127.0.0.1", 0), Stub)
    thread = threading.Thread(target=stub.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{stub.server_port}"
    stub.shutdown()
    stub.server_close()
    thread.join()


def test_what_is_well_is_said_without_a_word(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert probe.answers(f"{server}/healthz")
    assert capsys.readouterr() == ("", "")


def test_a_no_is_printed_with_its_reason(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert not probe.answers(f"{server}/readyz?need=database,cache")
    said = capsys.readouterr().err
    assert said == '503 {"failing": ["cache"], "asked": "/readyz?need=database,cache"}\n'


def test_no_answer_is_told_by_its_kind(capsys: pytest.CaptureFixture[str]) -> None:
    assert not probe.answers("http://127.0.0.1:1/healthz")
    assert capsys.readouterr().err == "ConnectionRefusedError\n"
