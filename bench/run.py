"""The full run: our server, the floors and the peers side by side, measured by turns."""

import itertools
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import hashing, load, rivals, services, stepward
from bench.load import Operation, Window
from bench.rivals import Rival
from bench.services import Services, without_borders
from bench.serving import Served
from bench.stepward import Stepward

OURS = "Stepward"
WARM_UP = 0.4  # seconds
COMPARED, COMPARED_AT = ("sign-in", "code step"), (8, 32)  # And enrolments.
BESIDE = ("background", "load")  # costs that are told beside an operation's own


@dataclass(frozen=True)
class Plan:
    """How much of everything."""

    levels: Sequence[int] = (1, 8, 32)
    rounds: int = 2
    more: int = 4  # rounds of what the targets compare, at the numbers of clients that they look at
    seconds: float = 1.5
    peers: bool = True
    counts: bool = True  # statements
    only: Sequence[str] = ()
    # So many of each operation, however long they take: what the machine's mood must not change.
    fixed: Mapping[str, int] = field(default_factory=dict)

    def wants(self, name: str) -> bool:
        return not self.only or any(word in name for word in self.only)

    @property
    def windows(self) -> int:
        """How often a case is asked, at most."""
        return len(self.levels) * self.rounds + len(COMPARED_AT) * self.more


@dataclass(frozen=True)
class Case:
    """One operation of one system: `make(count)` gives so many of it, or, where `supply` is 0, as many as are asked."""

    system: str
    name: str
    served: Served
    make: Callable[[int], Iterable[Operation]]
    supply: int = 0  # operations a second of window, at most: more are prepared than a window uses up

    @property
    def key(self) -> str:
        return f"{self.system}: {self.name}"


@dataclass
class Found:
    """What all rounds of one case at one number of clients gave."""

    windows: list[Window] = field(default_factory=list)

    def figures(self) -> dict[str, Any]:
        together = Window(0, sum(w.seconds for w in self.windows), [t for w in self.windows for t in w.times])
        found: dict[str, Any] = {
            "done": together.done,
            "rate": statistics.median(w.rate for w in self.windows),
            "rates": [round(w.rate, 1) for w in self.windows],
            "p50": statistics.median(w.median for w in self.windows) * 1000,
            "p99": together.quantile(0.99) * 1000,
        }
        trees = [tree for tree in self.windows[0].costs if tree not in BESIDE]
        found["cpu"] = statistics.median(sum(w.cost(tree) for tree in trees) for w in self.windows) * 1000
        for tree in self.windows[0].costs:
            found[f"cpu_{tree}"] = sum(w.costs[tree] for w in self.windows) / together.done * 1000
        return found


Figures = dict[str, dict[str, Any]]  # of each number of clients


@dataclass
class Result:
    """Everything that a run has found."""

    figures: dict[str, Figures] = field(default_factory=dict)
    statements: dict[str, float] = field(default_factory=dict)
    memory: dict[str, dict[str, int]] = field(default_factory=dict)
    hashes: dict[str, dict[str, float]] = field(default_factory=dict)
    png_ms: float = 0.0
    versions: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    plan: dict[str, Any] = field(default_factory=dict)


def ours(server: Stepward) -> Iterator[Case]:
    """Each operation of our own server, enrolment aside."""

    def people(step: Callable[[int], Operation]) -> Callable[[int], Iterable[Operation]]:
        return lambda count: (step(number) for number in server.take(count))

    def endless(step: Callable[[int], Operation]) -> Callable[[int], Iterable[Operation]]:
        return lambda _: (step(number) for number in itertools.count())

    yield Case(OURS, "sign-in", server.served, people(server.sign_in), 150)
    yield Case(OURS, "password step", server.served, people(server.password_step), 150)
    yield Case(OURS, "code step", server.served, server.code_steps, 500)
    yield Case(OURS, "refresh", server.served, lambda _: load.every(server.refresh))
    yield Case(OURS, "QR alone", server.served, endless(server.qr_alone))
    yield Case(OURS, "Validate.aspx", server.served, endless(server.validate))
    yield Case(OURS, "panel: people", server.served, endless(server.people_page))


def of_rival(kind: rivals.Kind, rival: Rival) -> Iterator[Case]:
    """What a floor or a peer can do of it."""
    if isinstance(rival, rivals.Floor):
        empty = rival.empty
        yield Case(kind.title, "empty view", rival.served, lambda _: load.every(empty))
        yield Case(kind.title, "SELECT + UPDATE", rival.served, rival.code_steps, 1200)
        return
    assert isinstance(rival, rivals.Peer)
    yield Case(kind.title, "sign-in", rival.served, rival.sign_ins, min(120, kind.most_a_second))
    yield Case(kind.title, "code step", rival.served, rival.code_steps, kind.most_a_second)
    if isinstance(rival, rivals.OtpView):
        yield Case(kind.title, "code step, bare", rival.served, rival.bare_steps, 700)


@dataclass(frozen=True)
class Enrolling:
    """An enrolment of one system, in two parts; between them the QR is read, at no one's cost."""

    system: str
    served: Served
    prepare: Callable[[int], list[str]]
    begin: Callable[[str, dict[str, bytes]], Operation]
    confirm: Callable[[str, bytes], Operation]
    count: int

    def parts(self, count: int) -> Iterator[tuple[str, Iterable[Operation]]]:
        begun: dict[str, bytes] = {}
        ids = self.prepare(count)
        yield "enrolment: begin", (self.begin(each, begun) for each in ids)
        yield "enrolment: confirm", [self.confirm(each, picture) for each, picture in begun.items()]


class Run:
    """One run, with everything that it started."""

    def __init__(self, plan: Plan, said: Callable[[str], None]) -> None:
        self.plan, self.say = plan, said
        self.result = Result(plan={name: getattr(plan, name) for name in ("levels", "rounds", "more", "seconds")})
        self.found: dict[tuple[str, int], Found] = {}
        self.hashes: dict[str, list[dict[str, float]]] = {}
        self.cases: list[Case] = []
        self.enrolling: list[Enrolling] = []

    def all(self) -> Result:
        """Start everything, measure it round by round, and stop it."""
        with tempfile.TemporaryDirectory(prefix="stepward-bench-") as folder, ExitStack() as stack:
            running = stack.enter_context(services.running())
            self.result.versions["services"] = running.versions
            kinds = [kind for kind in self._kinds() if self._installed(kind)]
            with ThreadPoolExecutor(3) as starting:
                ours_up = starting.submit(self._start_ours, stack, running, Path(folder))
                for up in [starting.submit(self._start_rival, stack, running, Path(folder), k) for k in kinds]:
                    up.result()
                ours_up.result()
            # Ready in any order, measured in this one.
            order = [OURS, *(kind.title for kind in kinds)]
            self.cases.sort(key=lambda case: order.index(case.system))
            self.enrolling.sort(key=lambda each: order.index(each.system))
            if self.plan.counts:
                self._count_statements(running)
            else:
                self._warm_up()
            self.result.png_ms = png_milliseconds()
            for number in range(self.plan.rounds):
                self.say(f"round {number + 1} of {self.plan.rounds}")
                self._round(self.plan.levels)
            for number in range(self.plan.more):
                self.say(f"round {number + 1} of {self.plan.more} of what the targets compare")
                self._round(COMPARED_AT, COMPARED)
            for case in {id(case.served): case for case in self.cases}.values():
                self.result.memory[case.system] = case.served.memory()
        for (key, clients), found in self.found.items():
            self.result.figures.setdefault(key, {})[str(clients)] = found.figures()
        for name, samples in self.hashes.items():
            medians = {key: statistics.median(sample[key] for sample in samples) for key in samples[0]}
            self.result.hashes[name] = medians
        return self.result

    def _kinds(self) -> list[rivals.Kind]:
        return [rivals.FLOOR, *(rivals.PEERS_OF_THIS_RUN if self.plan.peers else ())]

    def _installed(self, kind: rivals.Kind) -> bool:
        """Install it; who cannot be installed here is left out, and the report says so."""
        try:
            kind.python()
        except subprocess.CalledProcessError as error:
            self.result.left_out[kind.title] = str(error)
            self.say(f"{kind.title} is left out: {error}")
            return False
        return True

    def _start_ours(self, stack: ExitStack, running: Services, folder: Path) -> None:
        each = self.plan.windows
        having = 2000 + len(self.plan.levels) * self.plan.rounds * int(self.plan.seconds * 1000)
        server = stack.enter_context(stepward.running(running, folder, having=having, lacking=each * 260 + 100))
        self.say(f"{OURS} is up")
        self.cases += ours(server)
        self.enrolling.append(Enrolling(OURS, server.served, server.enrolments, server.qr, server.confirm_shown, 150))

    def _start_rival(self, stack: ExitStack, running: Services, folder: Path, kind: rivals.Kind) -> None:
        each = self.plan.windows
        made = rivals.running(kind, running, folder, lacking=each * 160 + 100)
        rival = stack.enter_context(made)
        self.result.versions[kind.title] = kind.named()
        self.say(f"{kind.named()} is up")
        self.cases += of_rival(kind, rival)
        if isinstance(rival, rivals.Peer):
            how = (rival.served, rival.enrolments, rival.begin, rival.confirm)
            self.enrolling.append(Enrolling(kind.title, *how, min(80, kind.most_a_second // 2)))

    def _count_statements(self, running: Services) -> None:
        """Ten of each, one after the other, once the first have warmed everything up."""
        for case in self.cases:
            if self.plan.wants(case.key):
                load.alone(case.served.port, list(itertools.islice(case.make(4), 4)))
                self._count(running, case.key, case.served, list(itertools.islice(case.make(10), 10)))
        for enrolment in self.enrolling:
            if self.plan.wants(f"{enrolment.system}: enrolment"):
                for name, operations in enrolment.parts(10):
                    self._count(running, f"{enrolment.system}: {name}", enrolment.served, list(operations))

    def _warm_up(self) -> None:
        for case in self.cases:
            if self.plan.wants(case.key):
                load.alone(case.served.port, list(itertools.islice(case.make(20), 20)))

    def _count(self, running: Services, key: str, server: Served, operations: list[Operation]) -> None:
        with running.counting(server.database) as counted:
            load.alone(server.port, operations)
        self.result.statements[key] = round(without_borders(counted) / len(operations))

    def _round(self, levels: Sequence[int], names: Sequence[str] = ()) -> None:
        """Every case in its turn; or those alone whose name begins with one of `names`, rivals side by side."""
        due = self.cases
        if names:
            due = sorted((case for case in due if case.name.startswith(tuple(names))), key=lambda case: case.name)
        for clients in levels:
            if self.plan.wants("hash"):
                self._hash()
            for case in due:
                if self.plan.wants(case.key):
                    self._ask(case, clients)
            for enrolment in self.enrolling:
                if self.plan.wants(f"{enrolment.system}: enrolment"):
                    count = self.plan.fixed.get("enrolment", enrolment.count) + 2 * clients
                    for name, operations in enrolment.parts(count):
                        self._measure(f"{enrolment.system}: {name}", enrolment.served, operations, clients, 0.0)

    def _hash(self) -> None:
        """At each number of clients anew, beside the sign-ins that are compared with it."""
        for name, library, threads in (
            (hashing.CFFI, "argon2-cffi", 1),
            ("argon2-cffi, two processes of two threads", "argon2-cffi", 2),
            (hashing.OURS, "ours", 1),
        ):
            self.hashes.setdefault(name, []).append(hashing.floor(library, 2, threads, self.plan.seconds))

    def _ask(self, case: Case, clients: int) -> None:
        if case.name in self.plan.fixed:
            count = self.plan.fixed[case.name] + 2 * clients
            self._measure(case.key, case.served, itertools.islice(case.make(count), count), clients, 0.0)
        else:
            count = int(case.supply * (self.plan.seconds + 1)) + 3 * clients
            self._measure(case.key, case.served, case.make(count), clients, WARM_UP)

    def _measure(self, key: str, server: Served, operations: Iterable[Operation], clients: int, warm_up: float) -> None:
        window = load.measure(
            server.port,
            server.workers,
            operations,
            clients,
            warm_up=warm_up,
            seconds=self.plan.seconds if warm_up else 60.0,
            costs=server.costs,
        )
        self.found.setdefault((key, clients), Found()).windows.append(window)
        self.say(
            f"{key:36} {clients:2} clients {window.rate:7.1f}/s  p50 {window.median * 1000:7.1f} ms  CPU "
            + ", ".join(f"{tree} {window.cost(tree) * 1000:.2f}" for tree in window.costs)
        )


def png_milliseconds() -> float:
    """Processor time of one enrolment picture, drawn in this process; the median of many."""
    from mfa.primitives import qr_code

    times = []
    for number in range(210):
        uri = f"otpauth://totp/Stepward:person{number}%40mail.example?secret={'ABCDEFGHIJKLMNOP' * 2}&issuer=Stepward"
        before = time.process_time()
        qr_code.png(uri)
        times.append(time.process_time() - before)
    return statistics.median(times[10:]) * 1000


def say(line: str) -> None:
    """Progress, for who waits."""
    print(line, file=sys.stderr, flush=True)
