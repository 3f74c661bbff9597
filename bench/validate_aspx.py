"""`Validate.aspx` against an empty Django view: `python -m bench.validate_aspx`, a minute and a half.

All are served in the same run, by turns, by the same Granian with the same number of processes and threads. The empty
view stands in four places: in a project as `startproject` makes it, which is the one to compare with; in a project
without any middleware; and in this one, as a call by programs and as a page. Every PIN is right, as at a busy sign-in,
or every PIN is wrong for a secret of its own, which is the dearest case: it is counted.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "RESULTS-validate.md"
SECRET = b"12345678901234567890"
FLOOR = 0.70


@dataclass(frozen=True)
class Case:
    """One thing to ask again and again; `path` is called before each request."""

    name: str
    server: str
    path: Callable[[], str]
    answer: bytes


@dataclass(frozen=True)
class Figure:
    """What one round of one case gave; `cpu` is the server's processor time for each request, in seconds."""

    rate: float
    p50: float
    p99: float
    cpu: float


def right_pin() -> str:
    from mfa.primitives import totp

    now = time.time()
    if now - _right.get("at", 0.0) > 1:
        _right.update(at=now, pin=int(totp.code_at(SECRET, now)))
    return f"/Validate.aspx?Pin={int(_right['pin']):06}&SecretCode=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


_right: dict[str, float] = {}


def wrong_pin() -> str:
    return f"/Validate.aspx?Pin=12345&SecretCode=text-{os.urandom(8).hex()}"


CASES = [
    Case("an empty view, middleware of `startproject`", "startproject", lambda: "/empty", b""),
    Case("an empty view, no middleware", "bare", lambda: "/empty", b""),
    Case("Validate.aspx, right PINs", "ours", right_pin, b"True"),
    Case("Validate.aspx, wrong PINs", "ours", wrong_pin, b"False"),
    Case("an empty view here, as a call", "ours", lambda: "/bench/call", b""),
    Case("an empty view here, as a page", "ours", lambda: "/bench/empty", b""),
]


@contextmanager
def served(application: str, environment: dict[str, str], workers: int, threads: int) -> Iterator[tuple[int, int]]:
    """Granian serving `application`, as `manage.py serve` starts it; its port and process id."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        *(sys.executable, "-m", "granian", "--interface", "wsgi", "--http", "1", "--no-ws", "--host", "127.0.0.1"),
        *("--port", str(port), "--workers", str(workers), "--blocking-threads", str(threads)),
        *("--no-access-log", "--log-level", "warning", application),
    ]
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | environment, stdout=subprocess.DEVNULL)
    try:
        _wait_for(port)
        yield port, process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)


def _wait_for(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("The server did not start.")


async def _client(port: int, case: Case, until: float, times: list[float]) -> None:
    """One caller with a connection that is kept: asks, reads the whole answer, asks again."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.perf_counter() < until:
        began = time.perf_counter()
        writer.write(f"GET {case.path()} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        body = await reader.readexactly(length)
        times.append(time.perf_counter() - began)
        if b" 200 " not in head[:16] or body != case.answer:
            raise SystemExit(f"{case.name}: not the expected answer.")
    writer.close()


async def _load(port: int, case: Case, clients: int, seconds: float) -> list[float]:
    times: list[float] = []
    until = time.perf_counter() + seconds
    await asyncio.gather(*(_client(port, case, until, times) for _ in range(clients)))
    return times


def _cpu(pid: int) -> float:
    """Processor seconds of a process and its children."""
    processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def measure(server: tuple[int, int], case: Case, clients: int, seconds: float) -> Figure:
    port, pid = server
    asyncio.run(_load(port, case, clients, min(0.5, seconds)))
    before, began = _cpu(pid), time.perf_counter()
    times = asyncio.run(_load(port, case, clients, seconds))
    spent, took = _cpu(pid) - before, time.perf_counter() - began
    ordered = sorted(times)
    return Figure(len(times) / took, statistics.median(ordered), ordered[int(len(ordered) * 0.99)], spent / len(times))


def median_of(figures: list[Figure]) -> Figure:
    return Figure(*(statistics.median(getattr(f, name) for f in figures) for name in ("rate", "p50", "p99", "cpu")))


def run(arguments: argparse.Namespace) -> dict[str, Figure]:
    """Every case once in each round, so that a change of the machine's mood meets them all."""
    found: dict[str, list[Figure]] = {case.name: [] for case in CASES}
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            "DJANGO_SETTINGS_MODULE": "bench.validate_settings",
            "STEPWARD_VAR": folder,
            "PUBLIC_URL": "http://localhost",
            "RATE_LIMIT": "10000000",
            "REDIS_URL": arguments.redis,
        }
        size = (arguments.workers, arguments.threads)
        with (
            served("config.wsgi:application", environment, *size) as ours,
            served("bench.startproject_django:application", {"DJANGO_SETTINGS_MODULE": ""}, *size) as startproject,
            served("bench.empty_django:application", {"DJANGO_SETTINGS_MODULE": ""}, *size) as bare,
        ):
            servers = {"ours": ours, "startproject": startproject, "bare": bare}
            for _ in range(arguments.rounds):
                for case in CASES:
                    found[case.name].append(measure(servers[case.server], case, arguments.clients, arguments.seconds))
    return {name: median_of(figures) for name, figures in found.items()}


def table(found: dict[str, Figure]) -> str:
    floors = [found[case.name] for case in CASES[:2]]
    lines = [
        "| | per second | p50 ms | p99 ms | CPU ms | rate: of `startproject` | of none | CPU: of the first | none |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, figure in found.items():
        rates = " | ".join(f"{figure.rate / floor.rate:.0%}" for floor in floors)
        costs = " | ".join(f"{floor.cpu / figure.cpu:.0%}" for floor in floors)
        lines.append(
            f"| {name} | {figure.rate:.0f} | {figure.p50 * 1e3:.2f} | {figure.p99 * 1e3:.2f} "
            f"| {figure.cpu * 1e3:.3f} | {rates} | {costs} |"
        )
    return "\n".join(lines)


def machine() -> str:
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.processor(),
    )
    memory = psutil.virtual_memory().total / 2**30
    packages = ", ".join(f"{name} {version(name)}" for name in ("Django", "granian"))
    return f"{psutil.cpu_count()} cores of {model}, {memory:.0f} GiB, Python {platform.python_version()}, {packages}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each case in each round")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--redis", default="", help="count wrong PINs in this Redis instead of a file")
    arguments = parser.parse_args()
    found = run(arguments)
    empty, _, right, wrong = (found[case.name].rate for case in CASES[:4])
    print(table(found))
    RESULTS.write_text(
        f"# Validate.aspx against an empty view\n\n`python -m bench.validate_aspx`, {time.strftime('%Y-%m-%d')}: "
        f"{arguments.rounds} rounds of {arguments.seconds:g} s a case, medians; {arguments.clients} callers with kept "
        f"connections on the same machine; Granian with {arguments.workers} processes of {arguments.threads} threads; "
        f"wrong PINs counted in {'Redis' if arguments.redis else 'a file under var/'}.\n\n{machine()}.\n\n"
        f"{table(found)}\n\nThe promise is {FLOOR:.0%} of the rate of the first row. The callers run on the same "
        "cores; the processor time of the server alone says more on a busy machine (150 %: two thirds of the time).\n"
    )
    return 0 if min(right, wrong) >= FLOOR * empty else 1


if __name__ == "__main__":
    sys.exit(main())
