"""A load generator that costs little: raw sockets with kept connections, one thread, one event loop.

What a caller does is a generator: it yields the bytes of a request and is sent the answer. Requests are written by
hand and answers read just far enough. `measure` keeps so many callers busy, lets them warm up, and counts what ends
inside its window; what it cost itself is told beside it.
"""

import selectors
import socket
import statistics
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from urllib.parse import quote_plus

from bench import processes

Operation = Generator[bytes, "Answer", None]
HOST = "signin.example.org"  # What every measured server takes for its own name.


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: its status and its body; the head as it came, lower case."""

    status: int
    head: bytes
    body: bytes

    def text_after(self, key: bytes) -> str:
        """The string of a JSON member, found without reading the rest: `text_after(b'"RequestId": "')`."""
        start = self.body.index(key) + len(key)
        return self.body[start : self.body.index(b'"', start)].decode()


class Turns:
    """Whose turn is next among so many people. Nobody comes again before a phone has shown two more codes."""

    APART = 65.0  # seconds

    def __init__(self, people: int) -> None:
        self._people = people
        self._next = 0
        self._taken: list[tuple[range, float]] = []

    def take(self, count: int) -> range:
        """The numbers of the next people; waits where they were here a moment ago."""
        if count > self._people:
            raise ValueError(f"{count} people are asked for, and there are {self._people}")
        start = self._next if self._next + count <= self._people else 0
        self._next = start + count
        now = time.monotonic()
        self._taken = [(those, at) for those, at in self._taken if now - at < self.APART]
        met = [at for those, at in self._taken if those.start < start + count and start < those.stop]
        if met:
            time.sleep(max(met) + self.APART - now)
        self._taken.append((range(start, start + count), time.monotonic()))
        return range(start, start + count)


class WrongAnswer(Exception):
    """The server did not do the work; a rate of refusals would be no rate."""


def request(method: str, target: str, body: bytes = b"", *headers: str) -> bytes:
    """The bytes of one request, as a proxy of this machine hands it on."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {HOST}", "X-Forwarded-Proto: https", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def form(target: str, fields: dict[str, str], *headers: str) -> bytes:
    """A POST of a form."""
    body = "&".join(f"{name}={quote_plus(value)}" for name, value in fields.items()).encode()
    return request("POST", target, body, "Content-Type: application/x-www-form-urlencoded", *headers)


def expect(answer: Answer, status: int) -> Answer:
    """The answer, if its status is the one; stops the run otherwise."""
    if answer.status != status:
        raise WrongAnswer(f"{answer.status} instead of {status}: {answer.body[:400]!r}")
    return answer


@dataclass
class Window:
    """What one measurement saw between its two marks; times in seconds."""

    clients: int
    seconds: float
    times: list[float]
    costs: dict[str, float] = field(default_factory=dict)  # processor seconds of each tree, of `load` itself too

    @property
    def done(self) -> int:
        return len(self.times)

    @property
    def rate(self) -> float:
        return self.done / self.seconds

    def quantile(self, share: float) -> float:
        ordered = sorted(self.times)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]

    @property
    def median(self) -> float:
        return statistics.median(self.times)

    def cost(self, tree: str) -> float:
        """Processor seconds of one operation."""
        return self.costs[tree] / self.done


class _Caller:
    """One kept connection and the operation that goes on over it."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.received = bytearray()
        self.operation: Operation | None = None
        self.began = 0.0

    def begin(self, operations: Iterator[Operation]) -> bool:
        self.operation = next(operations, None)
        if self.operation is None:
            return False
        self.began = time.perf_counter()
        self.socket.sendall(next(self.operation))
        return True

    def hear(self) -> bool:
        """Read what has come; True when the operation has ended."""
        part = self.socket.recv(1 << 16)
        if not part:
            raise WrongAnswer(f"the server closed the connection after {bytes(self.received[:200])!r}")
        self.received += part
        answer = _whole(self.received)
        if answer is None:
            return False
        self.received.clear()
        assert self.operation is not None
        try:
            following = self.operation.send(answer)
        except StopIteration:
            return True
        self.socket.sendall(following)
        return False


def _whole(received: bytearray) -> Answer | None:
    """The answer, once all of it is there; each request waits for its own, so nothing follows."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = bytes(received[:end]).lower()
    status = int(head[9:12])
    at = head.find(b"\r\ncontent-length:")
    if at >= 0:
        length = int(head[at + 17 :].split(b"\r\n", 1)[0])
        return None if len(received) < end + 4 + length else Answer(status, head, bytes(received[end + 4 :]))
    if b"\r\ntransfer-encoding: chunked" in head:
        if not received.endswith(b"0\r\n\r\n"):
            return None
        return Answer(status, head, _joined(bytes(received[end + 4 :])))
    return Answer(status, head, b"")


def _joined(chunked: bytes) -> bytes:
    body, at = b"", 0
    while True:
        line = chunked.index(b"\r\n", at)
        size = int(chunked[at:line], 16)
        if size == 0:
            return body
        body += chunked[line + 2 : line + 2 + size]
        at = line + 4 + size


def connections(port: int, count: int, workers: Sequence[int]) -> list[socket.socket]:
    """So many connections, each worker process holding an equal share.

    Granian's workers listen with SO_REUSEPORT, and the kernel deals connections out by a hash: with few callers one
    worker may get most. A proxy's pool evens that out by its many connections; here it is done by looking.
    """
    share = {pid: count // len(workers) + (place < count % len(workers)) for place, pid in enumerate(workers)}
    kept: list[socket.socket] = []
    deadline = time.monotonic() + 20
    while sum(share.values()):
        fresh = [socket.create_connection(("127.0.0.1", port)) for _ in range(sum(share.values()))]
        time.sleep(0.05)  # Accepted by now; else it is not found, closed, and another opened.
        holders = processes.holders(port, [each.getsockname()[1] for each in fresh], workers)
        for each in fresh:
            pid = holders.get(each.getsockname()[1], 0)
            if share.get(pid):
                share[pid] -= 1
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                kept.append(each)
            else:
                each.close()
        if time.monotonic() > deadline:
            raise WrongAnswer("the workers do not share the connections")
    return kept


def measure(
    port: int,
    workers: Sequence[int],
    operations: Iterable[Operation],
    clients: int,
    *,
    warm_up: float,
    seconds: float,
    costs: Callable[[], dict[str, float]],
) -> Window:
    """Keep `clients` callers busy with `operations`; count what ends within `seconds` after the warm-up.

    It is over after `warm_up` seconds and as many operations as there are clients; and the window stays open until it
    has seen twice as many, since callers that began together also end together. Where the operations run out before the
    end, the window ends there, while all callers are still busy.
    """
    supply = iter(operations)
    sockets = connections(port, clients, workers)
    try:
        return _measure([_Caller(each) for each in sockets], supply, warm_up, seconds, costs)
    finally:
        for each in sockets:
            each.close()


def _measure(
    callers: list[_Caller],
    supply: Iterator[Operation],
    warm_up: float,
    seconds: float,
    costs: Callable[[], dict[str, float]],
) -> Window:
    times: list[float] = []
    with selectors.DefaultSelector() as selector:
        for caller in callers:
            selector.register(caller.socket, selectors.EVENT_READ, caller)
        start = time.perf_counter()
        opens, closes = start + warm_up, float("inf")
        before: dict[str, float] | None = None
        opened, warm = opens, 0
        busy = sum(caller.begin(supply) for caller in callers)
        all_busy = busy == len(callers)
        while busy:
            for key, _ in selector.select(timeout=30) or _nothing_came():
                caller = key.data
                if caller.hear():
                    now = time.perf_counter()
                    warm += 1
                    if before is not None:
                        times.append(now - caller.began)
                    enough = now >= closes and len(times) >= 2 * len(callers)
                    if not enough and all_busy and caller.begin(supply):
                        continue
                    all_busy = False
                    busy -= 1
            now = time.perf_counter()
            if before is None and now >= opens and warm >= len(callers):
                before, opened = _now(costs), time.perf_counter()
                closes = opened + seconds
            if not all_busy and before is not None:
                break
        ended = time.perf_counter()
        after = _now(costs)
        _finish(callers, selector, busy)
    if before is None or not times:
        raise WrongAnswer("the operations ran out before the window opened")
    spent = {name: after[name] - before[name] for name in after}
    return Window(len(callers), ended - opened, times, spent)


def _finish(callers: list[_Caller], selector: selectors.BaseSelector, busy: int) -> None:
    """Let what is under way end: the next measurement is of something else."""
    deadline = time.perf_counter() + 20
    while busy > 0 and time.perf_counter() < deadline:
        for key, _ in selector.select(timeout=1):
            try:
                busy -= key.data.hear()
            except OSError:
                busy -= 1


def _now(costs: Callable[[], dict[str, float]]) -> dict[str, float]:
    return {**costs(), "load": time.process_time()}


def _nothing_came() -> list[tuple[selectors.SelectorKey, int]]:
    raise WrongAnswer("no answer within 30 s")


def alone(port: int, operations: Iterable[Operation]) -> list[float]:
    """One caller, one operation after the other, all of them; the seconds of each."""
    return by_turns({port: operations})[port]


def by_turns(operations: Mapping[int, Iterable[Operation]]) -> dict[int, list[float]]:
    """One caller asks the servers of these ports by turns, one operation each; the seconds of each."""
    times: dict[int, list[float]] = {port: [] for port in operations}
    with ExitStack() as stack:
        callers = {port: _Caller(stack.enter_context(_connected(port))) for port in operations}
        supplies = {port: iter(supply) for port, supply in operations.items()}
        while all(_one(callers[port], supplies[port], times[port]) for port in operations):
            pass
    return times


def _one(caller: _Caller, supply: Iterator[Operation], times: list[float]) -> bool:
    if not caller.begin(supply):
        return False
    while not caller.hear():
        pass
    times.append(time.perf_counter() - caller.began)
    return True


def _connected(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def every(make: Callable[[], Operation]) -> Iterator[Operation]:
    """The same operation without end."""
    while True:
        yield make()
