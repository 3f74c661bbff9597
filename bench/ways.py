"""Ways to serve an application: each HTTP server, with so many processes and threads, as a command."""

from collections.abc import Callable
from dataclasses import dataclass

from bench.serving import granian

Command = Callable[[str, str, int], list[str]]  # of a Python, an application and a port


@dataclass(frozen=True)
class Way:
    """One way to serve: what it is called, and its command for an application on a port."""

    name: str
    processes: int
    command: Command
    interface: str = "wsgi"

    @property
    def by_hash(self) -> bool:
        """Granian's processes listen for themselves (SO_REUSEPORT); others share one socket, and the idle accept."""
        return self.name.startswith("granian") and self.processes > 1


def with_granian(workers: int, threads: int, interface: str = "wsgi") -> Command:
    def command(python: str, application: str, port: int) -> list[str]:
        words = granian(python, application, port, threads)
        words[words.index("wsgi")] = interface
        words[words.index("--workers") + 1] = str(workers)
        if interface != "wsgi":
            place = words.index("--blocking-threads")
            del words[place : place + 2]
        return words

    return command


def with_gunicorn(workers: int, kind: str, threads: int = 1) -> Command:
    def command(python: str, application: str, port: int) -> list[str]:
        words = [python, "-m", "gunicorn", "--workers", str(workers), "--worker-class", kind, "--log-level", "error"]
        return [*words, "--threads", str(threads), "--keep-alive", "20", "--bind", f"127.0.0.1:{port}", application]

    return command


def with_uvicorn(workers: int) -> Command:
    def command(python: str, application: str, port: int) -> list[str]:
        words = [python, "-m", "uvicorn", "--workers", str(workers), "--port", str(port), "--no-access-log"]
        return [*words, "--log-level", "error", application]

    return command


WAYS = (
    Way("granian WSGI 2×4", 2, with_granian(2, 4)),
    Way("granian WSGI 2×8", 2, with_granian(2, 8)),
    Way("granian WSGI 1×8", 1, with_granian(1, 8)),
    Way("granian WSGI 2×74", 2, with_granian(2, 74)),
    Way("gunicorn sync 2", 2, with_gunicorn(2, "sync")),
    Way("gunicorn sync 4", 4, with_gunicorn(4, "sync")),
    Way("gunicorn gthread 2×4", 2, with_gunicorn(2, "gthread", 4)),
    Way("gunicorn gthread 2×8", 2, with_gunicorn(2, "gthread", 8)),
    Way("granian ASGI 2", 2, with_granian(2, 1, "asgi"), "asgi"),
    Way("uvicorn 2", 2, with_uvicorn(2), "asgi"),
)
