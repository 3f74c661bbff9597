"""Does the server stay as it is? `python -m bench.soak [MINUTES] [SIGN-INS A SECOND]`.

A private PostgreSQL and Redis, one server with its worker and beat, people who sign in by app at a steady rate,
each with a fresh code. Prints a line a minute: sign-ins, errors, memory of all processes. At the end it says whether
anything grew that must not, and whether the trail tells exactly the sign-ins that clients saw.
"""

import itertools
import json
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg

from bench.unit_costs import SETTINGS
from tests.config.test_serving import descendants
from tests.faults.private import client_of, private, provisioned, with_apps
from tests.support.databases import manage
from tests.support.server import Server, provision, serve
from tests.support.soft_authenticator import SoftAuthenticator
from tests.support.visual_guard import SUCCESS


def memory(server: Server) -> int:
    """MiB of all processes of the server, shared pages counted once (PSS)."""
    total = 0
    for pid in [server.process.pid, *descendants(server.process.pid)]:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            total += int(line.split()[1]) if line.startswith("Pss:") else 0
    return total // 1024


def sign_in(server: Server, name: str, phone: SoftAuthenticator, seen: Counter[str]) -> None:
    try:
        client = client_of(server, name)
        answer = client.code_step(client.password_step(), phone.code())
        seen["signed in" if answer.status == SUCCESS else f"status {answer.status}"] += 1
    except Exception as error:  # noqa: BLE001  Whatever goes wrong is what this is looking for.
        seen[type(error).__name__] += 1


def main(minutes: float, rate: float) -> int:
    people = int(rate * 90) + 10  # Nobody comes again within a time step, even when the machine is late.
    seen: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder, private("postgresql", "redis") as services:
        url = services.urls["database_url"]
        said = {
            **SETTINGS,
            "DATABASE_URL": url,
            "REDIS_URL": services.urls["redis_url"],
            "STEPWARD_VAR": f"{folder}/var",
        }
        manage("migrate", "--verbosity", "0", environment=said)
        provision(url, provisioned(people), said)
        phones = with_apps(said, people)
        with (
            serve(url, Path(folder), workers=2, background=True, environment=said) as server,
            ThreadPoolExecutor(32) as callers,
        ):
            first = _run(server, callers, phones, seen, minutes, rate)
            last = memory(server)
        with psycopg.connect(url) as connection:
            told = connection.execute(
                "SELECT count(*) FROM identity_auditevent WHERE event = 'sign_in.completed'"
            ).fetchone()
    assert told is not None
    result = {"seen": dict(seen), "in the trail": told[0], "MiB after a minute": first, "MiB at the end": last}
    print(json.dumps(result))
    return 0 if set(seen) == {"signed in"} and told[0] == seen["signed in"] and last < first * 1.1 + 10 else 1


def _run(
    server: Server,
    callers: ThreadPoolExecutor,
    phones: dict[str, SoftAuthenticator],
    seen: Counter[str],
    minutes: float,
    rate: float,
) -> int:
    """Sign-ins at the rate; returns the memory after the first minute."""
    started, told, first = time.monotonic(), 0, 0
    lock = threading.Semaphore(200)
    for number, (name, phone) in enumerate(itertools.cycle(phones.items())):
        due = started + number / rate
        if due > started + minutes * 60:
            break
        time.sleep(max(0.0, due - time.monotonic()))
        lock.acquire()
        callers.submit(sign_in, server, name, phone, seen).add_done_callback(lambda _: lock.release())
        if (time.monotonic() - started) // 60 > told:
            told += 1
            first = first or memory(server)
            print(f"minute {told}: {dict(seen)}, {memory(server)} MiB", flush=True)
    return first or memory(server)


if __name__ == "__main__":
    given = [float(text) for text in sys.argv[1:]]
    sys.exit(main(given[0] if given else 10.0, given[1] if len(given) > 1 else 4.0))
