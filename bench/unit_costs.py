"""What one sign-in costs, and how fast it goes: `python -m bench.unit_costs` measures and writes bench/unit_costs.json.

A private PostgreSQL that writes to disk, Redis, and the server as production starts it. Processor time of server,
PostgreSQL, Redis and the load generator is read from /proc, for the password step and the code step apart; bytes that
stay in the database are those of a few hundred whole sign-ins. The points, rate and times of whole sign-ins at 1, 8 and
32 clients, are what `bench.scale` must come to by calculation.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from bench import load, stepward
from bench import services as own_services
from bench.load import Operation, Window
from bench.machine import facts
from bench.serving import ROOT, WORKERS
from bench.stepward import Stepward

FILE = Path(__file__).with_name("unit_costs.json")
CLIENTS = (1, 8, 32)
TABLES = (
    *("identity_auditevent", "identity_session", "identity_accesstoken", "identity_refreshtoken"),
    "mfa_authenticationrequest",
)
HASHES = """
import time, django
django.setup()
from django.contrib.auth.hashers import check_password, make_password
encoded = make_password("a password")
check_password("a password", encoded)
began = time.process_time()
for _ in range(40):
    check_password("a password", encoded)
print((time.process_time() - began) / 40)
"""


def steady(server: Stepward, operations: Iterator[Operation], clients: int, seconds: float) -> Window:
    return load.measure(
        *(server.served.port, server.served.workers, operations, clients),
        warm_up=1.5,
        seconds=seconds,
        costs=server.served.costs,
    )


def sign_ins(server: Stepward) -> Iterator[Operation]:
    while True:
        yield server.sign_in(server.take(1).start)


def password_steps(server: Stepward) -> Iterator[Operation]:
    while True:
        yield server.password_step(server.take(1).start)


def code_steps(server: Stepward) -> Iterator[Operation]:
    while True:
        yield from server.code_steps(100)


def milliseconds(window: Window) -> dict[str, float]:
    """Processor milliseconds of one operation, by who spent them."""
    names = {"server": "web", "postgresql": "postgresql", "redis": "redis", "load": "load"}
    return {theirs: round(window.cost(name) * 1000, 3) for name, theirs in names.items()}


def sizes(url: str) -> dict[str, int]:
    """Bytes of live rows and of their indexes."""
    with psycopg.connect(url, autocommit=True) as connection:
        return {
            table: connection.execute(
                f"SELECT coalesce(sum(pg_column_size(t.*)), 0) + pg_indexes_size('{table}') FROM {table} t"  # noqa: S608
            ).fetchone()[0]  # type: ignore[index]
            for table in TABLES
        }


def completed(url: str) -> int:
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT count(*) FROM identity_auditevent WHERE event = 'sign_in.completed'")
        return int(found.fetchone()[0])  # type: ignore[index]


def measure(server: Stepward, database_url: str, seconds: float) -> dict[str, Any]:
    """All of it; points first, so that bytes are those of whole sign-ins."""
    hashed = subprocess.run(
        [sys.executable, "-c", HASHES],
        env={**os.environ, **server.environment},
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    before, done = sizes(database_url), completed(database_url)
    points = []
    for clients in CLIENTS:
        window = steady(server, sign_ins(server), clients, seconds)
        points.append(
            {
                "clients": clients,
                "a_second": round(window.rate, 1),
                "p50_ms": round(window.median * 1000, 1),
                "p99_ms": round(window.quantile(0.99) * 1000, 1),
            }
        )
    grown, count = sizes(database_url), completed(database_url) - done
    return {
        "hash_ms": round(float(hashed.stdout) * 1000, 2),
        "password": milliseconds(steady(server, password_steps(server), 8, seconds)),
        "code": milliseconds(steady(server, code_steps(server), 8, seconds)),
        "bytes": {table: round((grown[table] - before[table]) / count) for table in TABLES},
        "points": points,
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.unit_costs")
    parser.add_argument("--seconds", type=float, default=6.0, help="of each of the five windows")
    parser.add_argument("--people", type=int, default=8000)
    parser.add_argument("--file", type=Path, default=FILE)
    given = parser.parse_args()
    with own_services.running() as services, tempfile.TemporaryDirectory() as folder:
        with stepward.running(services, Path(folder), having=given.people, lacking=0) as server:
            url = services.database_url.rpartition("/")[0] + f"/{server.served.database}"
            found = measure(server, url, given.seconds)
        head = {
            "taken": f"{datetime.now(UTC):%Y-%m-%d}",
            "machine": facts(),
            "versions": services.versions,
            "cores": os.cpu_count(),
            "processes": WORKERS,
        }
    text = json.dumps({**head, **found}, indent=1)
    given.file.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
