"""What one enrolment by app costs after the password step: the first fetch of the QR, and its confirmation.

`python -m bench.enrolment_costs [PEOPLE]` starts a private PostgreSQL and one server with the real Argon2 parameters.
Each person passes the password step; then eight clients fetch the QRs and confirm them. The pictures are read by the
decoder between the two, unmeasured. Prints JSON: processor time from /proc, commits from PostgreSQL's own count.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg

from bench.processes import processor_seconds
from tests.config.test_serving import descendants
from tests.faults.private import client_of, private, provisioned
from tests.support.databases import manage
from tests.support.server import provision, serve
from tests.support.soft_authenticator import SoftAuthenticator
from tests.support.visual_guard import ENROLMENT_REQUIRED, VisualGuardClient

CLIENTS = 8
SETTINGS = {"DJANGO_SETTINGS_MODULE": "config.settings.development", "REDIS_URL": "", "RATE_LIMIT": "0"}
Opened = tuple[VisualGuardClient, str]


def main(people: int) -> dict[str, float]:
    """Measure, and return milliseconds and commits a call."""
    with tempfile.TemporaryDirectory() as folder, private("postgresql") as services:
        url = services.urls["database_url"]
        said = {**SETTINGS, "DATABASE_URL": url, "STEPWARD_VAR": f"{folder}/var"}
        manage("migrate", "--verbosity", "0", environment=said)
        provision(url, provisioned(people), said)
        with (
            serve(url, Path(folder), workers=2, environment=said) as server,
            psycopg.connect(url, autocommit=True) as connection,
            ThreadPoolExecutor(CLIENTS) as callers,
        ):
            web = [server.process.pid, *descendants(server.process.pid)]
            database = services.running["postgresql"].pid
            found: dict[str, float] = {}

            def costs() -> tuple[float, float, float, int]:
                time.sleep(1.5)  # PostgreSQL's processes hand in their counts once a second.
                counted = connection.execute("SELECT sum(xact_commit) FROM pg_stat_database").fetchone()
                return (
                    time.perf_counter(),
                    processor_seconds(web),
                    processor_seconds([database, *descendants(database)]),
                    int(counted[0]) if counted else 0,
                )

            def measured(name: str, act: Callable[..., object], given: Iterable[object]) -> None:
                rows = list(given)
                before = costs()
                began = time.perf_counter()
                list(callers.map(act, rows))
                seconds = time.perf_counter() - began
                after = costs()
                found[f"{name}_per_second"] = round(len(rows) / seconds, 1)
                found[f"{name}_web_ms"] = round((after[1] - before[1]) / len(rows) * 1000, 2)
                found[f"{name}_postgresql_ms"] = round((after[2] - before[2]) / len(rows) * 1000, 2)
                found[f"{name}_commits"] = round((after[3] - before[3]) / len(rows), 2)

            def password(name: str) -> Opened:
                client = client_of(server, name)
                answer = client.password_step(scope="openid offline_access")
                assert answer.status == ENROLMENT_REQUIRED
                return client, answer.request_id

            def fetch(opened: Opened) -> bytes:
                answer = opened[0].qr(opened[1])
                assert answer.http_status == 200
                return bytes(answer.body)

            pictures: dict[str, bytes] = {}

            def first_fetch(opened: Opened) -> None:
                pictures[opened[1]] = fetch(opened)

            def confirm(given: tuple[VisualGuardClient, str, str]) -> None:
                client, request_id, code = given
                assert client.confirm(request_id, code).http_status == 200

            def ready(opened: list[Opened]) -> list[tuple[VisualGuardClient, str, str]]:
                return [(client, name, SoftAuthenticator.scan(pictures[name]).code()) for client, name in opened]

            opened = list(callers.map(password, [f"p{n}" for n in range(people)]))
            warm, rest = opened[: people // 5], opened[people // 5 :]
            list(callers.map(first_fetch, warm))
            list(callers.map(confirm, ready(warm)))
            measured("first_fetch", first_fetch, rest)
            measured("fetch_again", fetch, rest)
            measured("confirm", confirm, ready(rest))
        both = (found[f"{name}_{where}_ms"] for name in ("first_fetch", "confirm") for where in ("web", "postgresql"))
        found["enrolment_ms"] = round(sum(both), 2)
        return {"enrolments": len(rest), **found}


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]) if len(sys.argv) > 1 else 400), indent=1))
