"""Does the server stay as it is? `python -m bench.soak [--seconds 600] [--share 0.8] [--people 12000]`.

A private PostgreSQL that writes to disk, Redis, and the server as production starts it, with worker and beat. First its
capacity is measured with eight clients; then people sign in by app at a share of that rate, each when due, however long
the one before takes. Nobody comes twice within a time step; one in twenty tries the accepted code again and must be
refused. Meanwhile the product's own clean-up runs, with its clock set ahead so that what is kept for a day or a month
goes after two minutes. Prints as it goes, gives a verdict, and writes bench/RESULTS-soak.md.
"""

import argparse
import os
import selectors
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from psycopg import sql

from bench import load, processes, seed, stepward
from bench import services as own_services
from bench.load import Answer, Operation, WrongAnswer, expect, form
from bench.machine import facts
from bench.services import Services
from bench.serving import ROOT
from bench.soak_sweep import LIFETIMES
from bench.stepward import Stepward

RESULTS = Path(__file__).with_name("RESULTS-soak.md")
CLIENTS = 8
CALLERS = 64  # connections that stand ready; with more sign-ins under way than that somebody waits, and it shows
REPLAYED = 20  # every so many sign-ins the code is tried again
# What the clean-up bounds.
SWEPT = ("mfa_authenticationrequest", "identity_accesstoken", "identity_refreshtoken", "identity_session")


@contextmanager
def sweeping(environment: dict[str, str]) -> Iterator[None]:
    """The clean-up of `bench.soak_sweep` beside the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.soak_sweep"],
        env={**os.environ, **environment},
        cwd=ROOT,
        stdin=subprocess.PIPE,
    )
    try:
        yield
    finally:
        assert process.stdin
        process.stdin.close()
        process.wait(timeout=30)


# ----------------------------------------------------------------------------------------------------------- the load


@dataclass
class Seen:
    """What callers saw. Times are from when a sign-in was due, not from when there was room for it."""

    started: float = 0.0
    times: list[tuple[float, float]] = field(default_factory=list)  # (ended after, took), in seconds
    ends: Counter[str] = field(default_factory=Counter)
    replays: Counter[str] = field(default_factory=Counter)

    def minutes(self) -> list[list[float]]:
        found: list[list[float]] = []
        for ended, took in self.times:
            while len(found) <= ended // 60:
                found.append([])
            found[int(ended // 60)].append(took)
        return found


def sign_in(server: Stepward, number: int, replay: bool, seen: Seen) -> Operation:
    """Password, code, tokens; where `replay`, the same code once more, which must be refused."""

    def second(opened: Answer, code: str) -> bytes:
        fields = {"client_id": seed.CLIENT, "grant_type": "VGAuthenticator", "MFAAction": "3", "MFASecureCode": code}
        fields |= {
            "AuthenticationRequestId": opened.text_after(b'"RequestId": "'),
            "MFAAvailableId": seed.factor_of(number),
        }
        return form("/connect/token", fields, stepward.forwarded())

    opened = expect((yield server.password(number)), 400)
    code = stepward.code_of(seed.secret_of(number))
    answer = yield second(opened, code)
    seen.ends["signed in" if answer.status == 200 else f"code step {answer.status}"] += 1
    if replay and answer.status == 200:
        opened = expect((yield server.password(number)), 400)
        again = yield second(opened, code)
        seen.replays["refused" if again.status == 400 else f"status {again.status}"] += 1


class Pace:
    """Hands out sign-ins when they are due, whether or not the ones before have ended."""

    def __init__(self, server: Stepward, rate: float, seconds: float, seen: Seen) -> None:
        self.server, self.rate, self.seconds, self.seen = server, rate, seconds, seen
        self.given = 0
        self.due_of: dict[load._Caller, float] = {}

    def run(self, each_ten_seconds: "Meter") -> None:
        sockets = load.connections(self.server.served.port, CALLERS, self.server.served.workers)
        free = deque(load._Caller(each) for each in sockets)
        with selectors.DefaultSelector() as selector:
            for caller in free:
                selector.register(caller.socket, selectors.EVENT_READ, caller)
            self.seen.started = time.monotonic()
            while self._goes_on():
                self._begin_what_is_due(free)
                for key, _ in selector.select(timeout=self._until_next(free)):
                    if not self._hear(key.data, free):
                        selector.unregister(key.fileobj)
                        fresh = load.connections(self.server.served.port, 1, self.server.served.workers[:1])[0]
                        key.data.socket = fresh
                        selector.register(fresh, selectors.EVENT_READ, key.data)
                each_ten_seconds.look(self.seen)
        for caller in free:
            caller.socket.close()

    def _goes_on(self) -> bool:
        elapsed = time.monotonic() - self.seen.started
        return elapsed < self.seconds or (bool(self.due_of) and elapsed < self.seconds + 30)

    def _due(self) -> float:
        return self.seen.started + self.given / self.rate

    def _until_next(self, free: deque[load._Caller]) -> float:
        return min(1.0, max(0.0, self._due() - time.monotonic())) if free else 1.0

    def _begin_what_is_due(self, free: deque[load._Caller]) -> None:
        while free and self._due() <= time.monotonic() < self.seen.started + self.seconds:
            caller, number = free.popleft(), self.server.take(1).start
            operation = sign_in(self.server, number, self.given % REPLAYED == 0, self.seen)
            self.due_of[caller] = self._due()
            self.given += 1
            caller.begin(iter([operation]))

    def _hear(self, caller: load._Caller, free: deque[load._Caller]) -> bool:
        """Whether the connection is still good."""
        good = True
        try:
            if not caller.hear():
                return True
        except (WrongAnswer, OSError) as error:
            self.seen.ends[f"{type(error).__name__}: {str(error)[:80]}"] += 1
            good = isinstance(error, WrongAnswer) and "closed the connection" not in str(error)
            caller.received.clear()
        now = time.monotonic()
        self.seen.times.append((now - self.seen.started, now - self.due_of.pop(caller)))
        free.append(caller)
        return good


# --------------------------------------------------------------------------------------------------------- the meters


@dataclass
class Meter:
    """Memory every ten seconds; tables at the start, in the middle and at the end."""

    server: Stepward
    url: str
    seconds: float
    memory: list[tuple[float, dict[str, int], int, int]] = field(default_factory=list)
    tables: list[dict[str, tuple[int, int]]] = field(default_factory=list)
    parts: list[dict[int, int]] = field(default_factory=list)  # PSS in MiB of each process of the server
    told: int = 0
    names: dict[int, str] = field(default_factory=dict)

    def look(self, seen: Seen) -> None:
        elapsed = time.monotonic() - seen.started
        if elapsed >= 10 * len(self.memory):
            served = self.server.served
            pss = [
                processes.memory(processes.tree(pid))["pss"]
                for pid in (served.services.postgresql, served.services.redis)
            ]
            self.memory.append((elapsed, served.memory(), *pss))  # type: ignore[arg-type]
            tree = processes.tree(served.process.pid)
            self.names |= {pid: name_of(pid) for pid in tree if pid not in self.names}
            self.parts.append({pid: processes.memory([pid])["pss"] for pid in tree})
        if elapsed >= self.seconds * len(self.tables) / 2 and len(self.tables) < 2:
            self.tables.append(sizes(self.url))
        if elapsed >= 60 * (self.told + 1):
            self.told += 1
            print(f"minute {self.told}: {dict(seen.ends)}, {self.memory[-1][1]['pss']} MiB", flush=True)


def name_of(pid: int) -> str:
    """What a process of the server is, by its command line."""
    words = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ") if Path(f"/proc/{pid}").exists() else ""
    kinds = {"config.supervisor": "supervisor", " beat ": "beat", " celery ": "Celery worker", "granian": "web"}
    return next((kind for word, kind in kinds.items() if word in words), "helper")


def sizes(url: str) -> dict[str, tuple[int, int]]:
    """Rows and bytes, indexes included, of each table that has any."""
    with psycopg.connect(url, autocommit=True) as connection:
        names = connection.execute("SELECT relname FROM pg_stat_user_tables ORDER BY relname").fetchall()
        found = {}
        for (name,) in names:
            counted = connection.execute(
                sql.SQL("SELECT count(*), pg_total_relation_size({}) FROM {}").format(
                    sql.Literal(name), sql.Identifier(name)
                )
            ).fetchone()
            assert counted
            if counted[0]:
                found[str(name)] = (int(counted[0]), int(counted[1]))
        return found


def in_the_trail(url: str) -> int:
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT count(*) FROM identity_auditevent WHERE event = 'sign_in.completed' AND outcome = 'success'"
        ).fetchone()
        assert found
        return int(found[0])


# ------------------------------------------------------------------------------------------------------- the judgement


@dataclass
class Outcome:
    """All that was seen."""

    capacity: float
    rate: float
    seconds: float
    seen: Seen
    meter: Meter
    before: int
    after: int

    def faults(self) -> list[str]:
        """What must not be; nothing, where all is well."""
        done = self.seen.ends["signed in"]
        found = [f"{count} × {end}" for end, count in self.seen.ends.items() if end != "signed in"]
        found += [f"{count} replayed codes: {end}" for end, count in self.seen.replays.items() if end != "refused"]
        if self.after - self.before != done:
            found.append(f"the trail tells of {self.after - self.before} sign-ins, callers saw {done}")
        if done < self.rate * self.seconds * 0.98:
            found.append(f"{done} sign-ins of {self.rate * self.seconds:.0f} that were due")
        settled, last = self._memory()
        if last > settled * 1.03 + 5:
            found.append(f"memory grew from {settled:.0f} to {last:.0f} MiB")
        middle, end = self.meter.tables[1], self.meter.tables[2]
        for name in SWEPT:
            rows, size = middle.get(name, (0, 0)), end.get(name, (0, 0))
            if size[0] > rows[0] * 1.5 + 200 or size[1] > rows[1] * 1.5 + 2**20:
                found.append(f"{name} grew from {rows} to {size} (rows, bytes) in the second half")
        return found

    def _memory(self) -> tuple[float, float]:
        """PSS of the server in MiB, second quarter and last."""
        pss = [each[1]["pss"] for each in self.meter.memory]
        quarter = max(1, len(pss) // 4)
        return statistics.mean(pss[quarter : 2 * quarter] or pss), statistics.mean(pss[-quarter:])

    def report(self) -> str:
        faults, (settled, last), done = self.faults(), self._memory(), self.seen.ends["signed in"]
        verdict = "It stays as it is." if not faults else "It does not: " + "; ".join(faults) + "."
        events = self.meter.tables[2]["identity_auditevent"][0] - self.meter.tables[0]["identity_auditevent"][0]
        lines = [
            "# Soak",
            "",
            f"`python -m bench.soak --seconds {self.seconds:.0f}`, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC. {facts()}; "
            f"{self.meter.server.served.services.versions}.",
            "",
            f"**{verdict}**",
            "",
            f"Capacity {self.capacity:.1f} sign-ins a second (password, code, access and refresh token; {CLIENTS} "
            f"clients); then {self.rate:.1f} a second for {self.seconds:.0f} s, each begun when due. {done} sign-ins, "
            f"{sum(self.seen.ends.values()) - done} errors; {self.seen.replays['refused']} of "
            f"{sum(self.seen.replays.values())} replayed codes refused; the trail tells of {self.after - self.before}. "
            f"Memory {settled:.0f} MiB in the second quarter, {last:.0f} in the last.",
            "",
            "| minute | ended | p50 ms | p99 ms |",
            "|---|---|---|---|",
        ]
        for number, times in enumerate(self.seen.minutes(), 1):
            if times:
                ordered = sorted(times)
                p99 = ordered[int(len(ordered) * 0.99)]
                lines.append(f"| {number} | {len(times)} | {statistics.median(times) * 1000:.0f} | {p99 * 1000:.0f} |")
        lines += [
            "",
            "| second | server PSS MiB | server RSS MiB | PostgreSQL PSS MiB | Redis PSS MiB |",
            "|---|---|---|---|---|",
        ]
        lines += [
            f"| {at:.0f} | {m['pss']} | {m['rss']} | {database} | {redis} |"
            for at, m, database, redis in self.meter.memory
        ]
        lines += ["", "| process | MiB (PSS) at the start | middle | end |", "|---|---|---|---|"]
        for pid in self.meter.parts[-1]:
            parts = [self.meter.parts[place].get(pid, 0) for place in (0, len(self.meter.parts) // 2, -1)]
            lines.append(f"| {self.meter.names.get(pid, '')} | " + " | ".join(map(str, parts)) + " |")
        lines += [
            "",
            "| table | rows: start | middle | end | kB: start | middle | end |",
            "|---|---|---|---|---|---|---|",
        ]
        for name in self.meter.tables[2]:
            three = [each.get(name, (0, 0)) for each in self.meter.tables]
            rows, size = (" | ".join(str(each[place] // (1024 if place else 1)) for each in three) for place in (0, 1))
            lines.append(f"| {name} | {rows} | {size} |")
        lines += [
            "",
            f"What is swept must be bounded: {', '.join(SWEPT)}. `identity_auditevent` grows by design, {events} "
            "events here; it is append-only, and [how it grows](../docs/explanation/scale.md) says when to part it.",
            "",
        ]
        return "\n".join(lines)


def capacity_of(server: Stepward) -> float:
    """Sign-ins a second with eight clients that never pause; the middle one of three windows of five seconds."""
    rates = []
    for _ in range(3):
        operations = (server.sign_in(server.take(1).start) for _ in iter(int, 1))
        window = load.measure(
            server.served.port,
            server.served.workers,
            operations,
            CLIENTS,
            warm_up=1.5,
            seconds=5,
            costs=server.served.costs,
        )
        rates.append(window.rate)
    return statistics.median(rates)


def soak(services: Services, folder: Path, given: argparse.Namespace) -> Outcome:
    with stepward.running(services, folder, having=given.people, lacking=0) as server:
        url = services.database_url.rpartition("/")[0] + f"/{server.served.database}"
        capacity = capacity_of(server)
        rate = capacity * given.share / (1 + 1 / REPLAYED)  # A replay is as much work as a sign-in.
        if given.people < rate * 90:
            raise SystemExit(f"{given.people} people are too few for {rate:.0f} a second; --people {rate * 100:.0f}")
        print(f"{facts()}\ncapacity {capacity:.1f} sign-ins a second; {rate:.1f} from now on", flush=True)
        seen, meter, before = Seen(), Meter(server, url, given.seconds), in_the_trail(url)
        with sweeping(dict(server.environment)):
            Pace(server, rate, given.seconds, seen).run(meter)
            meter.tables.append(sizes(url))
        return Outcome(capacity, rate, given.seconds, seen, meter, before, in_the_trail(url))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.soak")
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--share", type=float, default=0.8, help="of the measured capacity")
    parser.add_argument("--people", type=int, default=12_000)
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    os.environ |= LIFETIMES  # For every process that is started from here.
    with own_services.running() as services, tempfile.TemporaryDirectory() as folder:
        outcome = soak(services, Path(folder), given)
    report = outcome.report()
    given.results.write_text(report)
    print(report)
    return 1 if outcome.faults() else 0


if __name__ == "__main__":
    sys.exit(main())
