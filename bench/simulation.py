"""A queueing model of sign-ins, event by event: processors shared by whoever can run, locks first come first served.

A sign-in is two requests; a request is a row of segments: Python under its process's interpreter lock, a password hash
without it but in one of the process's slots, PostgreSQL's and Redis's work, and time in which nothing computes. On the
measured machine all share its cores; larger installations have web machines, PostgreSQL machines and a client that
costs nothing. Nothing is random, but for when people come.
"""

import heapq
import itertools
import random
import statistics
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

PIECES = 6  # a request alternates so often between Python and PostgreSQL

Segment = tuple[str, float]  # what it needs (web, hash, postgresql, redis, load, wait), and seconds of it


@dataclass(frozen=True)
class Costs:
    """Seconds of processor time of one sign-in, and seconds that pass without any."""

    hash: float
    password: Mapping[str, float]
    code: Mapping[str, float]
    pause: float = 0.0  # of each request: commits that wait for the disk, packets, wake-ups

    @classmethod
    def of(cls, measured: Mapping[str, Any]) -> "Costs":
        """From what `bench.unit_costs` wrote. The pause is what one client waited beyond all processor time."""
        parts = {step: {name: value / 1000 for name, value in measured[step].items()} for step in ("password", "code")}
        busy = sum(parts["password"].values()) + sum(parts["code"].values())
        alone = next(point["p50_ms"] for point in measured["points"] if point["clients"] == 1) / 1000
        return cls(measured["hash_ms"] / 1000, parts["password"], parts["code"], max(0.0, alone - busy) / 2)

    @property
    def web(self) -> float:
        return self.password["web"] + self.code["web"]

    @property
    def postgresql(self) -> float:
        return self.password["postgresql"] + self.code["postgresql"]

    @property
    def redis(self) -> float:
        return self.password["redis"] + self.code["redis"]

    def segments(self) -> Iterator[Segment]:
        """One sign-in, in order."""
        for step, hashed in ((self.password, self.hash), (self.code, 0.0)):
            yield "load", step["load"]
            python = max(0.0, step["web"] - hashed) / (PIECES + 1)
            yield "web", python
            if hashed:
                yield "hash", hashed
            for _ in range(PIECES):
                yield "postgresql", step["postgresql"] / PIECES
                yield "wait", self.pause / PIECES
                yield "web", python
            yield "redis", step["redis"]


@dataclass(frozen=True)
class Place:
    """Where it runs: processes, and which processors each kind of work is done on."""

    processes: int
    cores: Mapping[str, float]  # by name of a machine
    on: Mapping[str, str]  # which machine does what

    @property
    def slots(self) -> int:
        """Hashes at a time in a process, as PASSWORD_HASH_SLOTS is by default."""
        return max(1, int(self.cores[self.on["hash"]] / self.processes))

    @classmethod
    def one_machine(cls, cores: float, processes: int) -> "Place":
        """Everything on the same cores, the load generator too."""
        return cls(processes, {"all": cores}, dict.fromkeys(("web", "hash", "postgresql", "redis", "load"), "all"))

    @classmethod
    def apart(cls, web_cores: float, processes: int, database_cores: float) -> "Place":
        """Web machines, a PostgreSQL and a Redis of their own; clients elsewhere."""
        cores = {"web": web_cores, "postgresql": database_cores, "redis": 1.0, "elsewhere": 1e9}
        on = {"web": "web", "hash": "web", "postgresql": "postgresql", "redis": "redis", "load": "elsewhere"}
        return cls(processes, cores, on)


class _Processors:
    """Cores shared evenly by who can run; progress is counted on a clock of its own, so that sharing costs no scan."""

    def __init__(self, cores: float) -> None:
        self.cores, self.clock, self.busy = cores, 0.0, 0.0
        self.running: list[tuple[float, int, _SignIn]] = []

    @property
    def pace(self) -> float:
        return min(1.0, self.cores / len(self.running)) if self.running else 0.0

    def until_next(self) -> float:
        return (self.running[0][0] - self.clock) / self.pace if self.running else float("inf")

    def advance(self, seconds: float) -> None:
        self.busy += seconds * min(self.cores, len(self.running))
        self.clock += seconds * self.pace


@dataclass(eq=False)
class _SignIn:
    process: int
    began: float
    segments: Iterator[Segment]
    lock: tuple[str, int] | None = None
    work: float = 0.0


@dataclass
class Result:
    """What a run came to."""

    a_second: float
    times: list[float] = field(repr=False)
    used: dict[str, float] = field(default_factory=dict)  # share of each machine's cores that was busy

    @property
    def p50(self) -> float:
        return statistics.median(self.times)

    @property
    def p99(self) -> float:
        return sorted(self.times)[int(len(self.times) * 0.99)]


class _Run:
    def __init__(self, costs: Costs, place: Place) -> None:
        self.costs, self.place, self.now = costs, place, 0.0
        self.machines = {name: _Processors(cores) for name, cores in place.cores.items()}
        self.waking: list[tuple[float, int, _SignIn]] = []
        self.free: defaultdict[tuple[str, int], int] = defaultdict(lambda: 1)
        self.free.update({("hash", process): place.slots for process in range(place.processes)})
        self.queues: defaultdict[tuple[str, int], deque[tuple[_SignIn, str]]] = defaultdict(deque)
        self.count = itertools.count()
        self.ended: list[tuple[float, float]] = []

    def begin(self, process: int) -> None:
        self._next(_SignIn(process % self.place.processes, self.now, self.costs.segments()))

    def _next(self, one: _SignIn) -> bool:
        """Go on to its next segment; False when there is none."""
        for kind, seconds in one.segments:
            if seconds <= 0:
                continue
            one.work = seconds
            if kind == "wait":
                heapq.heappush(self.waking, (self.now + seconds, next(self.count), one))
                return True
            lock = {"web": ("web", one.process), "hash": ("hash", one.process), "load": ("load", 0)}.get(kind)
            if kind == "load" and self.place.on["load"] == "elsewhere":
                lock = None
            one.lock = lock
            if lock is not None and self.free[lock] == 0:
                self.queues[lock].append((one, kind))
                return True
            if lock is not None:
                self.free[lock] -= 1
            self._run(one, kind)
            return True
        self.ended.append((self.now, self.now - one.began))
        return False

    def _run(self, one: _SignIn, kind: str) -> None:
        machine = self.machines[self.place.on[kind]]
        heapq.heappush(machine.running, (machine.clock + one.work, next(self.count), one))

    def _release(self, one: _SignIn) -> None:
        if one.lock is not None:
            if self.queues[one.lock]:
                self._run(*self.queues[one.lock].popleft())
            else:
                self.free[one.lock] += 1
            one.lock = None

    def step(self, until: float = float("inf")) -> list[_SignIn]:
        """On to the next event, or to that time; who ended a sign-in by it."""
        wakes = min(self.waking[0][0] if self.waking else float("inf"), until) - self.now
        seconds = min(wakes, *(machine.until_next() for machine in self.machines.values()))
        self.now += seconds
        through = []
        for machine in self.machines.values():
            machine.advance(seconds)
            while machine.running and machine.running[0][0] <= machine.clock + 1e-12:
                one = heapq.heappop(machine.running)[2]
                self._release(one)
                through.append(one)
        while self.waking and self.waking[0][0] <= self.now + 1e-12:
            through.append(heapq.heappop(self.waking)[2])
        return [one for one in through if not self._next(one)]

    def result(self, since: float, busy: Mapping[str, float]) -> Result:
        times = [took for ended, took in self.ended if ended > since]
        seconds = self.now - since
        used = {name: (machine.busy - busy[name]) / seconds / machine.cores for name, machine in self.machines.items()}
        return Result(len(times) / seconds, times, used)

    def busy(self) -> dict[str, float]:
        return {name: machine.busy for name, machine in self.machines.items()}


def closed(costs: Costs, place: Place, clients: int, sign_ins: int = 400) -> Result:
    """So many clients, each beginning its next sign-in as soon as the last has ended."""
    run = _Run(costs, place)
    for client in range(clients):
        run.begin(client)
    since, busy = 0.0, run.busy()
    while len(run.ended) < sign_ins + 3 * clients:
        for one in run.step():
            if len(run.ended) == 3 * clients:
                since, busy = run.now, run.busy()
            run.begin(one.process)
    return run.result(since, busy)


def opened(costs: Costs, place: Place, a_second: float, sign_ins: int = 3000) -> Result:
    """People who come at random, so many a second, and are dealt to the processes in turn."""
    chance = random.Random(1)
    run = _Run(costs, place)
    arrivals: Sequence[float] = list(itertools.accumulate(chance.expovariate(a_second) for _ in range(sign_ins)))
    since, busy, warm = 0.0, run.busy(), sign_ins // 10
    for number, at in enumerate(arrivals):
        while run.now < at - 1e-12:
            run.step(at)
        if number == warm:
            since, busy = run.now, run.busy()
        run.begin(number)
    return run.result(since, busy)
