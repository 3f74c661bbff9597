"""Which HTTP server, how many processes and threads, which pool: `python -m bench.servers` measures and prints tables.

1. A DRF view with one SELECT and one UPDATE (`bench.one_view`) under each server, the same pool everywhere.
2. The same view under the chosen server with other pools.
3. Our own code step, with tokens, under the servers that can run it.
4. What threads that nobody uses cost in memory.
5. How kept connections fall on two processes.

The rivals are installed into an environment of their own under var/bench/servers, apart from the project's locks. Each
run lasts three seconds after one of warming up, with eight clients on kept connections. `--write` keeps what was
printed in bench/RESULTS-servers.md.
"""

import os
import selectors
import signal
import socket
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from bench import load, processes
from bench import services as own_services
from bench import stepward as own
from bench.machine import facts
from bench.services import Services
from bench.serving import ROOT
from bench.ways import WAYS, Way, with_granian
from tests.support.service_keeper import free_port

RESULTS = Path(__file__).with_name("RESULTS-servers.md")
ENVIRONMENT = ROOT / "var" / "bench" / "servers"
RIVALS = ("granian==2.8.7", "gunicorn==27.0.1", "uvicorn==0.54.0", "httptools==0.9.0", "uvloop==0.23.0")
FRAMEWORK = ("Django==5.2.19", "djangorestframework==3.18.3", "psycopg[binary,pool]==3.3.9")
CLIENTS, WARM_UP, SECONDS = 8, 1.0, 3.0
ROWS = 1000


POOLS = ("none", "kept", "4", "8", "12")
OURS = ("granian WSGI 2×8", "granian WSGI 2×74", "gunicorn sync 2", "gunicorn gthread 2×8", "uvicorn 2")


@dataclass
class Seen:
    """What one run saw: answers a second, times in seconds, processor seconds of server and PostgreSQL an answer."""

    rate: float
    times: list[float]
    server: float
    postgresql: float
    memory: int
    threads: int
    share: str

    def row(self, name: str) -> str:
        ordered = sorted(self.times)
        p50, p99 = statistics.median(ordered), ordered[int(len(ordered) * 0.99)]
        return (
            f"| {name} | {self.rate:.0f} | {p50 * 1000:.1f} | {p99 * 1000:.1f} | {self.server * 1000:.2f} | "
            f"{self.postgresql * 1000:.2f} | {self.memory} | {self.threads} | {self.share} |"
        )


HEAD = (
    "| {} | a second | p50 ms | p99 ms | server CPU ms | PostgreSQL CPU ms | MiB (PSS) | threads | connections |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


class Caller:
    """One client; keeps its connection where the server does, else opens another."""

    def __init__(self, port: int) -> None:
        self.port, self.received, self.began = port, bytearray(), 0.0
        self.socket = socket.create_connection(("127.0.0.1", port))

    def ask(self, words: bytes) -> None:
        self.began = time.perf_counter()
        self.socket.sendall(words)

    def hear(self) -> tuple[int, bool] | None:
        """The status, once all of the answer is there, and whether the connection stays."""
        part = self.socket.recv(1 << 16)
        self.received += part
        end = self.received.find(b"\r\n\r\n")
        if not part:
            raise load.WrongAnswer(f"the server hung up after {bytes(self.received[:200])!r}")
        if end < 0:
            return None
        head = bytes(self.received[:end]).lower()
        length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        if len(self.received) < end + 4 + length:
            return None
        self.received.clear()
        return int(head[9:12]), b"connection: close" not in head


def drive(
    way: Way,
    port: int,
    asks: Iterator[bytes],
    costs: Callable[[], tuple[float, float]],
    workers: Sequence[int],
    clients: int,
) -> tuple[float, list[float], float, float, str]:
    """Keep the clients busy; rate, times, server and PostgreSQL seconds an answer, and how connections were dealt."""
    callers = [Caller(port) for _ in range(clients)]
    if way.by_hash:
        for caller, dealt in zip(callers, load.connections(port, clients, workers), strict=True):
            caller.socket.close()
            caller.socket = dealt
    times: list[float] = []
    with selectors.DefaultSelector() as selector:
        for caller in callers:
            selector.register(caller.socket, selectors.EVENT_READ, caller)
            caller.ask(next(asks))
        opens = time.perf_counter() + WARM_UP
        before: tuple[float, float] | None = None
        share = ""
        while before is None or time.perf_counter() < opens + SECONDS:
            for key, _ in selector.select(timeout=10):
                _answered(key.data, selector, asks, times)
            if before is None and time.perf_counter() >= opens:
                times.clear()
                share = dealt_to(port, callers, workers)
                before, opens = costs(), time.perf_counter()
        seconds, after = time.perf_counter() - opens, costs()
    for caller in callers:
        caller.socket.close()
    done = len(times)
    return done / seconds, times, (after[0] - before[0]) / done, (after[1] - before[1]) / done, share


def _answered(caller: Caller, selector: selectors.BaseSelector, asks: Iterator[bytes], times: list[float]) -> None:
    heard = caller.hear()
    if heard is None:
        return
    status, stays = heard
    if status != 200:
        raise load.WrongAnswer(f"status {status}")
    times.append(time.perf_counter() - caller.began)
    if not stays:
        selector.unregister(caller.socket)
        caller.socket.close()
        caller.socket = socket.create_connection(("127.0.0.1", caller.port))
        selector.register(caller.socket, selectors.EVENT_READ, caller)
    caller.ask(next(asks))


def dealt_to(port: int, callers: Sequence[Caller], workers: Sequence[int]) -> str:
    """How many of the connections each process holds: `4 + 4`."""
    with suppress(OSError):
        remotes = [caller.socket.getsockname()[1] for caller in callers]
        held = Counter(processes.holders(port, remotes, workers).values())
        return " + ".join(str(held[pid]) for pid in workers)
    return ""


@contextmanager
def started(
    way: Way, python: str, application: str, environment: dict[str, str]
) -> Iterator[tuple[int, int, list[int]]]:
    """The port, the main process and those that answer."""
    port = free_port()
    with tempfile.TemporaryFile() as log:
        main = subprocess.Popen(
            way.command(python, application, port),
            env={**os.environ, **environment},
            cwd=ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield port, main.pid, _answering(way, main, port, log.fileno())
        finally:
            main.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                main.wait(timeout=10)
            with suppress(ProcessLookupError):
                os.killpg(main.pid, signal.SIGKILL)
            main.wait()


def _answering(way: Way, main: "subprocess.Popen[bytes]", port: int, log: int) -> list[int]:
    deadline = time.monotonic() + 60
    while main.poll() is None and time.monotonic() < deadline:
        below = [pid for pid in processes.tree(main.pid) if pid != main.pid]
        found = [pid for pid in processes.listeners(port, below) if "resource_tracker" not in _line(pid)]
        if len(found) == way.processes:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)) as probe:
                probe.settimeout(20)
                probe.sendall(
                    b"GET /nothing HTTP/1.1\r\nHost: " + load.HOST.encode() + b"\r\nConnection: close\r\n\r\n"
                )
                if probe.recv(100):
                    time.sleep(0.5)
                    return found
        time.sleep(0.1)
    raise SystemExit(f"{way.name} did not start:\n{os.pread(log, 4000, 0).decode(errors='replace')}")


def _line(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text()
    return ""


def threads_of(pids: Sequence[int]) -> int:
    return sum(len(list(Path(f"/proc/{pid}/task").iterdir())) for pid in pids)


def measured(
    way: Way,
    python: str,
    application: str,
    environment: dict[str, str],
    services: Services,
    asks: Iterator[bytes],
    clients: int = CLIENTS,
) -> Seen:
    """Start it, ask it, stop it."""
    with started(way, python, application, environment) as (port, main, workers):

        def costs() -> tuple[float, float]:
            trees = processes.tree(main), processes.tree(services.postgresql)
            return processes.processor_seconds(trees[0]), processes.processor_seconds(trees[1])

        rate, times, server, postgresql, share = drive(way, port, asks, costs, workers, clients)
        memory = processes.memory(processes.tree(main))["pss"]
        return Seen(rate, times, server, postgresql, memory, threads_of(workers), share)


def one_view_asks() -> Iterator[bytes]:
    words = load.form("/one", {"x": "1"})
    while True:
        yield words


def prepared(services: Services) -> str:
    url = services.database("one_view")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE bench_row (id bigint PRIMARY KEY, seen integer NOT NULL)")
        connection.execute("INSERT INTO bench_row SELECT number, 0 FROM generate_series(0, %s) AS number", [ROWS])
    return url


def rivals_python() -> str:
    """The environment of the rivals, made where it is missing."""
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, *RIVALS, *FRAMEWORK], check=True)
    return str(python)


def compare_servers(services: Services, python: str) -> None:
    url = prepared(services)
    say("\n### One SELECT, one UPDATE, through DRF (pool of 12)\n\n" + HEAD.format("server"))
    for way in WAYS:
        said = {"BENCH_DATABASE": url, "BENCH_POOL": "12"}
        seen = measured(way, python, f"bench.one_view:{way.interface}", said, services, one_view_asks())
        say(seen.row(way.name))
    chosen = WAYS[1]
    say(f"\n### The same under {chosen.name}, by pool\n\n" + HEAD.format("pool"))
    for pool in POOLS:
        said = {"BENCH_DATABASE": url, "BENCH_POOL": pool}
        seen = measured(chosen, python, "bench.one_view:wsgi", said, services, one_view_asks())
        say(seen.row({"none": "none, a connection a request", "kept": "none, CONN_MAX_AGE=None"}.get(pool, pool)))


def code_asks(server: own.Stepward, count: int) -> Iterator[bytes]:
    """Code steps of requests that are open already."""
    numbers = server.take(count)
    ids = server.seeder.call("requests", "code", numbers.start, count)
    return iter([server.code(number, request_id) for number, request_id in zip(numbers, ids, strict=True)])


def compare_our_own(services: Services, python: str, folder: Path) -> None:
    packages = sysconfig.get_paths()["purelib"]
    say("\n### Our code step, with access, refresh and ID token\n\n" + HEAD.format("server"))
    with own.running(services, folder, having=9000, lacking=0, number=1) as server:
        settings = {**server.environment, "PYTHONPATH": f"{ROOT}:{packages}"}
        for way in (way for way in WAYS if way.name in OURS):
            asks = code_asks(server, 1500)
            seen = measured(way, python, f"config.{way.interface}:application", settings, services, asks)
            say(seen.row(way.name))


def threads_and_memory(services: Services, python: str) -> None:
    url = prepared(services)
    say("\n### Threads that may be used, eight clients, then 64 at once\n")
    say("| blocking threads a process | MiB with 8 clients | MiB after 64 at once | threads then |\n|---|---|---|---|")
    for threads in (8, 16, 32, 74):
        way = Way(f"2×{threads}", 2, with_granian(2, threads))
        said = {"BENCH_DATABASE": url, "BENCH_POOL": "12"}
        few = measured(way, python, "bench.one_view:wsgi", said, services, one_view_asks())
        many = measured(way, python, "bench.one_view:wsgi", said, services, one_view_asks(), clients=64)
        say(f"| {threads} | {few.memory} | {many.memory} | {many.threads} |")


def how_connections_fall(services: Services, python: str) -> None:
    url = prepared(services)
    say("\n### How eight kept connections fall on two processes, 100 times\n")
    say("| server | 4+4 | 5+3 | 6+2 | 7+1 | 8+0 |\n|---|---|---|---|---|---|")
    for way in (WAYS[1], WAYS[7], WAYS[9]):
        said = {"BENCH_DATABASE": url, "BENCH_POOL": "12"}
        with started(way, python, f"bench.one_view:{way.interface}", said) as (port, _main, workers):
            found = Counter(max(_fall(port, workers)) for _ in range(100))
        say(f"| {way.name} | " + " | ".join(str(found[most]) for most in (4, 5, 6, 7, 8)) + " |")


def _fall(port: int, workers: Sequence[int]) -> list[int]:
    callers = [Caller(port) for _ in range(8)]
    words = next(one_view_asks())
    for caller in callers:
        caller.ask(words)
    for caller in callers:
        while caller.hear() is None:
            pass
    held = Counter(processes.holders(port, [caller.socket.getsockname()[1] for caller in callers], workers).values())
    for caller in callers:
        caller.socket.close()
    return [held[pid] for pid in workers]


_said: list[str] = []


def say(text: str) -> None:
    print(text, flush=True)
    _said.append(text)


def main() -> None:
    python = rivals_python()
    say(f"{facts()}, {datetime.now(UTC):%Y-%m-%d}\n")
    with own_services.running() as services, tempfile.TemporaryDirectory() as folder:
        say(services.versions)
        compare_servers(services, python)
        compare_our_own(services, python, Path(folder))
        threads_and_memory(services, python)
        how_connections_fall(services, python)
    if "--write" in sys.argv[1:]:
        RESULTS.write_text(
            "# HTTP servers, threads and pools\n\n`python -m bench.servers --write`\n\n" + "\n".join(_said) + "\n"
        )


if __name__ == "__main__":
    main()
