"""Writes what a run has found: RESULTS.json for programs, RESULTS.md and results.svg for people; judges the targets."""

import dataclasses
import json
import statistics
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import hashing, machine, plot
from bench.run import OURS, Result

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "RESULTS.json"
Document = dict[str, Any]
FLOOR, OTP, ALLAUTH, PRIVACYIDEA = "floor", "django-otp", "allauth headless", "privacyIDEA"
TREES = ("server", "background", "postgresql", "redis", "load")
PEERS = (OTP, ALLAUTH, PRIVACYIDEA)


@dataclass(frozen=True)
class Target:
    """What must show, and what did; `aim` is where it should get to. `most` turns the comparison round."""

    what: str
    found: float
    needed: float
    aim: float | None = None
    unit: str = ""
    most: bool = False

    @property
    def met(self) -> bool:
        return self.found <= self.needed if self.most else self.found >= self.needed

    def row(self) -> str:
        bound = "at most" if self.most else "at least"
        aim = "" if self.aim is None else f", aim {self.aim:g}{self.unit}"
        told = f"{bound} {self.needed:g}{self.unit}{aim}"
        return f"| {self.what} | **{self.found:.2f}{self.unit}** | {told} | {'pass' if self.met else 'FAIL'} |"


def publish(result: Result, *, write: bool) -> int:
    """Print the report; write the files where it was a whole run. 1 when a target was missed."""
    document = _read() | {"run": dataclasses.asdict(result), "machine": machine.facts()}
    document["run"]["at"] = time.strftime("%Y-%m-%d")
    return _publish(document, write=write)


def publish_growth(growth: Document, *, write: bool) -> int:
    """The same, for what the growth run has found."""
    document = _read() | {"growth": growth | {"at": time.strftime("%Y-%m-%d")}, "machine": machine.facts()}
    return _publish(document, write=write)


def _publish(document: Document, *, write: bool) -> int:
    text = report(document)
    print(text)
    if write:
        RESULTS.write_text(json.dumps(document, indent=1) + "\n")
        (HERE / "RESULTS.md").write_text(text)
        if "run" in document:
            (HERE / "results.svg").write_text(plot.svg(document["run"]))
    return 0 if all(target.met for target in targets(document)) else 1


def _read() -> Document:
    return dict(json.loads(RESULTS.read_text())) if RESULTS.exists() else {}


# The figures, and what follows from them.


def figure(run: Document, key: str, clients: int, name: str = "rate") -> float:
    """0 where it was not measured."""
    return float(run["figures"].get(key, {}).get(str(clients), {}).get(name, 0.0))


def against(run: Document, own: str, other: str, clients: int) -> float:
    """How many times the other's rate ours is: the median of the rounds, each compared in itself. 0 where one lacks.

    The machine's mood changes from one minute to the next, and by more than what is compared; both have met it alike.
    """
    return _median_of_pairs(_rates(run, own, clients), _rates(run, other, clients))


def _rates(run: Document, key: str, clients: int) -> list[float]:
    """Of each round."""
    found = run["figures"].get(key, {}).get(str(clients), {})
    return [float(rate) for rate in found.get("rates", [])]


def _median_of_pairs(own: list[float], others: list[float]) -> float:
    return statistics.median(one / other for one, other in zip(own, others, strict=False)) if own and others else 0.0


def enrolments(run: Document, system: str, clients: int) -> list[float]:
    """Whole enrolments a second: the two parts one after the other; of each round."""
    parts = [_rates(run, f"{system}: enrolment: {part}", clients) for part in ("begin", "confirm")]
    return [1 / (1 / begun + 1 / confirmed) for begun, confirmed in zip(*parts, strict=False)]


def enrolment(run: Document, system: str, clients: int) -> float:
    """The same, the median of the rounds. 0 where it was not measured."""
    return statistics.median(enrolments(run, system, clients) or [0.0])


def hash_rate(run: Document, name: str = hashing.CFFI) -> float:
    """Verifications a second on both cores."""
    return float(run["hashes"].get(name, {}).get("rate", 0.0))


def _least(run: Document, peer: str) -> float:
    """Our code step against a peer's, at 8 or at 32 clients, whichever is less."""
    found = [against(run, f"{OURS}: code step", peer, clients) for clients in (8, 32)]
    return min((ratio for ratio in found if ratio), default=0.0)


def targets(document: Document) -> Iterator[Target]:
    """Those whose figures are there."""
    run = document.get("run")
    found = [*(_of_run(run) if run else ()), *_of_growth(document.get("growth"))]
    yield from (target for target in found if target.found)


def _of_run(run: Document) -> Iterator[Target]:
    hashes = hash_rate(run)
    own = f"{OURS}: sign-in"
    if hashes:
        yield Target(
            "whole sign-in of the hash alone (argon2-cffi), 8 clients", figure(run, own, 8) / hashes, 0.70, 0.80, " ×"
        )
    otp = against(run, own, f"{OTP}: sign-in", 8)
    yield Target("whole sign-in against django-otp's, 8 clients", otp, 1.0, None, " ×")
    yield Target("code step against django-otp in a session", _least(run, f"{OTP}: code step"), 1.2, 1.6, " ×")
    yield Target("code step against allauth headless", _least(run, f"{ALLAUTH}: code step"), 3, 4, " ×")
    yield Target("code step against privacyIDEA", _least(run, f"{PRIVACYIDEA}: code step"), 15, 20, " ×")
    p50, p99 = (figure(run, f"{OURS}: code step", 32, name) for name in ("p50", "p99"))
    if p50:
        yield Target("code step, p99 of p50 at 32 clients", p99 / p50, 5, None, " ×", most=True)
    enrolled = [_median_of_pairs(enrolments(run, OURS, 8), enrolments(run, peer, 8)) for peer in PEERS]
    best = min((ratio for ratio in enrolled if ratio), default=0.0)
    yield Target("enrolment against the best peer, 8 clients", best, 1.5, None, " ×")
    yield Target("processor time of a QR as PNG", run["png_ms"], 4, None, " ms", most=True)


def _of_growth(growth: Document | None) -> Iterator[Target]:
    if growth:
        smallest, largest = (f"{growth['sizes'][place]:,}" for place in (0, -1))
        for name, ratio in growth["ratios"].items():
            what = f"{name}: p50 with {largest} people of p50 with {smallest}"
            yield Target(what, ratio, 1.15, None, " ×", most=True)


# The page.


def report(document: Document) -> str:
    """RESULTS.md."""
    lines = ["# What the bench has measured", "", document["machine"] + ".", ""]
    found = list(targets(document))
    if found:
        lines += ["## Targets", "", "| what | found | needed | |", "|---|---|---|---|"]
        lines += [*(target.row() for target in found), ""]
    if "run" in document:
        lines += _run_page(document["run"])
    if "growth" in document:
        lines += _growth_page(document["growth"])
    return "\n".join(lines)


def _run_page(run: Document) -> list[str]:
    plan = run["plan"]
    versions = ", ".join(run["versions"].values())
    lines = [
        "## One run",
        "",
        f"`make bench`, {run['at']}: {plan['rounds']} rounds of {plan['seconds']:g} s a case, by turns, and "
        f"{plan['more']} more of what the targets compare, at 8 and 32 clients; {versions}. "
        "[How it is measured](../docs/explanation/speed.md).",
        "",
        "![Rates beside the floors and the peers](results.svg)",
        "",
        *_hashes(run),
        f"Drawing a QR as PNG: {run['png_ms']:.2f} ms of processor time.",
        "",
    ]
    systems = dict.fromkeys(key.partition(":")[0] for key in run["figures"])
    for system in systems:
        lines += [f"### {run['versions'].get(system, system)}", "", *_table(run, system), ""]
        if system in run["memory"]:
            memory = run["memory"][system]
            lines += [
                f"Memory of all its processes after the run: {memory['rss']} MiB resident, {memory['pss']} MiB PSS.",
                "",
            ]
    for system, reason in run["left_out"].items():
        lines += [f"{system} was left out: {reason}", ""]
    lines += _ratios(run)
    return lines


def _hashes(run: Document) -> Iterable[str]:
    if run["hashes"]:
        yield "### The hash alone"
        yield ""
        yield "| Argon2id, m = 19456 KiB, t = 2, p = 1 | per second | CPU ms |"
        yield "|---|---|---|"
        for name, found in run["hashes"].items():
            yield f"| {name} | {found['rate']:.1f} | {found['cpu'] * 1000:.1f} |"
        yield ""
        own, rate = hash_rate(run, hashing.OURS), figure(run, f"{OURS}: sign-in", 8)
        if own and rate:
            yield f"Of the hash as the server itself computes it, whole sign-ins at 8 clients are {rate / own:.2f} ×."
            yield ""


def _table(run: Document, system: str) -> Iterator[str]:
    costs = "CPU ms: server | background | PostgreSQL | Redis | load"
    yield f"| | clients | per second | p50 ms | p99 ms | {costs} | statements |"
    yield "|---|---|---|---|---|---|---|---|---|---|---|"
    for key, levels in run["figures"].items():
        if key.partition(":")[0] != system:
            continue
        for clients, found in levels.items():
            costs = " | ".join(f"{found[f'cpu_{tree}']:.2f}" for tree in TREES)
            rates = f"{found['rate']:.1f} | {found['p50']:.1f} | {found['p99']:.1f}"
            yield f"| {key.partition(': ')[2]} | {clients} | {rates} | {costs} | {run['statements'].get(key, '')} |"


def cpu(run: Document, key: str, clients: int = 8) -> float:
    """Processor milliseconds of the server, PostgreSQL and Redis for one operation; the median of the rounds."""
    return figure(run, key, clients, "cpu")


def ratios(run: Document, clients: int) -> dict[str, float]:
    """What our work costs in processor time, in units of its floors of the same run."""
    floor = cpu(run, f"{FLOOR}: SELECT + UPDATE", clients)
    hashed = min(found["cpu"] for found in run["hashes"].values()) * 1000
    parts = [cpu(run, f"{OURS}: enrolment: {part}", clients) for part in ("begin", "confirm")]
    return {
        "sign-in of a hash": cpu(run, f"{OURS}: sign-in", clients) / hashed,
        "code step of a SELECT + UPDATE view": cpu(run, f"{OURS}: code step", clients) / floor,
        "refresh of a SELECT + UPDATE view": cpu(run, f"{OURS}: refresh", clients) / floor,
        "enrolment of a SELECT + UPDATE view": sum(parts) / floor,
    }


def _ratios(run: Document) -> Iterator[str]:
    step = f"{OURS}: code step"
    others = [f"{FLOOR}: SELECT + UPDATE", f"{OTP}: code step, bare", *(f"{peer}: code step" for peer in PEERS)]
    yield "### Our code step beside the others"
    yield ""
    yield "Medians of the rounds, each compared in itself."
    yield ""
    yield "| | rate, 8 clients | rate, 32 clients | processor time for one, 8 clients |"
    yield "|---|---|---|---|"
    for other in others:
        rates = [against(run, step, other, clients) for clients in (8, 32)]
        if any(rates):
            spent = cpu(run, step) / cpu(run, other) if cpu(run, other) else 0.0
            yield f"| of {other} | {rates[0]:.2f} × | {rates[1]:.2f} × | {spent:.2f} × |"
    yield ""


def _growth_page(growth: Document) -> Iterator[str]:
    yield "## Growth"
    yield ""
    yield (
        f"`python -m bench --growth`, {growth['at']}: 1.5 authenticators a person, one caller, the sizes by turns; "
        "p50 in milliseconds."
    )
    yield ""
    sizes = growth["sizes"]
    yield f"| | {' | '.join(f'{size:,} people' for size in sizes)} | largest of smallest |"
    yield f"|---|{'---|' * len(sizes)}---|"
    for name, row in growth["p50"].items():
        told = " | ".join(f"{row[str(size)]:.2f}" for size in sizes)
        yield f"| {name} | {told} | {growth['ratios'][name]:.2f} × |"
    yield ""
    told = f"takes {growth['mib']:,} MiB and was filled in {growth['fill_seconds']:.0f} s."
    yield f"The database of {sizes[-1]:,} people {told}"
    yield ""
