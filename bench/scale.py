"""What 1, 10 and 100 million people need: `python -m bench.scale` prints tables, `--write` puts them into the page.

From the unit costs in bench/unit_costs.json (`python -m bench.unit_costs`) and the model of `bench.simulation`. First
the model is held against what was measured; then it is asked about more people than any machine here could hold.
"""

import json
import math
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.simulation import Costs, Place, closed, opened
from bench.unit_costs import FILE

PAGE = Path(__file__).resolve().parents[1] / "docs" / "explanation" / "scale.md"
BEGIN, END = "<!-- python -m bench.scale --write -->", "<!-- end of what it wrote -->"

SIGN_INS_A_DAY = 1.0  # each person
BUSIEST_HOUR = 0.12  # the share of a day's sign-ins in its busiest hour
USED = 0.6  # of a core, so that a burst and a lost machine are borne
DEEPER = 2.0  # PostgreSQL's work on tables a thousand times the measured ones, until somebody has measured it
WRITER_CORES = 16  # of one PostgreSQL machine
CONNECTIONS = 12  # of a process: WEB_THREADS + 4
POOLER_FROM = 300  # connections
KEPT_DAYS = {
    "identity_accesstoken": 1,
    "identity_refreshtoken": 15,
    "identity_session": 30,
    "mfa_authenticationrequest": 1,
}


def costs_table(measured: Mapping[str, Any]) -> list[str]:
    lines = ["| step | web ms | of it the hash | PostgreSQL ms | Redis ms |", "|---|---|---|---|---|"]
    for step, name in (("password", "password"), ("code", "code and tokens")):
        cost, hashed = measured[step], measured["hash_ms"] if step == "password" else 0
        lines.append(f"| {name} | {cost['web']:.1f} | {hashed:.1f} | {cost['postgresql']:.1f} | {cost['redis']:.2f} |")
    both = {name: measured["password"][name] + measured["code"][name] for name in ("web", "postgresql", "redis")}
    lines.append(
        f"| **a sign-in** | **{both['web']:.1f}** | **{measured['hash_ms']:.1f}** | **{both['postgresql']:.1f}** | "
        f"**{both['redis']:.2f}** |"
    )
    kept = measured["bytes"]
    rest = sum(size for table, size in kept.items() if table != "identity_auditevent")
    return [
        *lines,
        "",
        f"It leaves {kept['identity_auditevent']} bytes in the audit trail, for as long as "
        f"`AUDIT_RETENTION_DAYS` says, and {rest} elsewhere until clean-up, indexes included.",
    ]


def errors(measured: Mapping[str, Any]) -> list[tuple[Mapping[str, float], float, float]]:
    """Each measured point, with the model's rate and median of the same machine."""
    costs, place = Costs.of(measured), Place.one_machine(measured["cores"], measured["processes"])
    found = []
    for point in measured["points"]:
        result = closed(costs, place, point["clients"])
        found.append((point, result.a_second, result.p50 * 1000))
    return found


def points_table(measured: Mapping[str, Any]) -> list[str]:
    lines = [
        "| clients | measured a second | calculated | error | measured p50 ms | calculated | error |",
        "|---|---|---|---|---|---|---|",
    ]
    for point, rate, p50 in errors(measured):
        off = rate / point["a_second"] - 1, p50 / point["p50_ms"] - 1
        lines.append(
            f"| {point['clients']} | {point['a_second']:.1f} | {rate:.1f} | {off[0]:+.0%} | {point['p50_ms']:.0f} | "
            f"{p50:.0f} | {off[1]:+.0%} |"
        )
    return lines


def bursts_table(measured: Mapping[str, Any]) -> list[str]:
    """The measured machine, without the load generator's share, when people come at random."""
    costs = Costs.of(measured)
    place = Place.one_machine(measured["cores"], measured["processes"])
    most = closed(costs, place, 32).a_second
    lines = ["| of its capacity | sign-ins a second | p50 ms | p99 ms |", "|---|---|---|---|"]
    for share in (0.5, 0.8, 0.9, 0.95):
        result = opened(costs, place, most * share, 2000)
        lines.append(f"| {share:.0%} | {most * share:.0f} | {result.p50 * 1000:.0f} | {result.p99 * 1000:.0f} |")
    return lines


def needs(people: float, measured: Mapping[str, Any]) -> dict[str, float]:
    """What so many people need in their busiest hour, and what stays on disk."""
    costs = Costs.of(measured)
    daily, rate = people * SIGN_INS_A_DAY, people * SIGN_INS_A_DAY * BUSIEST_HOUR / 3600
    deeper = DEEPER if people > 1e6 else 1.0
    kept = measured["bytes"]
    return {
        "rate": rate,
        "web": max(2, math.ceil(rate * costs.web / USED)),
        "postgresql": max(1, math.ceil(rate * costs.postgresql * deeper / USED)),
        "redis": rate * costs.redis / USED,
        "deeper": deeper,
        "audit": daily * 365 * kept["identity_auditevent"],
        "rest": daily * sum(days * kept[table] for table, days in KEPT_DAYS.items()),
    }


def arrangement(cores: float) -> str:
    """Which PostgreSQL carries so many cores of writing."""
    if cores <= WRITER_CORES:
        return f"one writer of {max(2, int(cores))} cores, a standby"
    shards = math.ceil(cores / WRITER_CORES)
    return f"{shards} writers of {WRITER_CORES} cores, each with a standby: Citus by user"


def people_table(measured: Mapping[str, Any]) -> list[str]:
    rows: dict[str, list[str]] = {}
    for millions in (1, 10, 100):
        need = needs(millions * 1e6, measured)
        # Past ten million the model looks at one cell of ten: cells share nothing but keys and settings.
        cells = 10 if millions == 100 else 1
        costs = _deeper(Costs.of(measured), need["deeper"])
        place = Place.apart(need["web"] / cells, max(2, int(need["web"] / cells)), need["postgresql"] / cells)
        result = opened(costs, place, need["rate"] / cells, 1000)
        connections = need["web"] * CONNECTIONS
        for name, text in (
            ("sign-ins a second, busiest hour", f"{need['rate']:,.0f}"),
            ("web cores, a process each", f"{need['web']:,.0f}"),
            ("PostgreSQL cores", f"{need['postgresql']:,.0f}"),
            ("PostgreSQL", arrangement(need["postgresql"])),
            ("connections", f"{connections:,.0f}{', by PgBouncer' if connections > POOLER_FROM else ''}"),
            ("Redis", "one" if need["redis"] < 1 else f"a cluster of {math.ceil(need['redis'])} cores"),
            ("audit trail a year", _size(need["audit"])),
            ("all else", _size(need["rest"])),
            ("calculated p50 and p99 of a sign-in", f"{result.p50 * 1000:.0f} and {result.p99 * 1000:.0f} ms"),
            ("web, PostgreSQL in use", f"{result.used['web']:.0%}, {result.used['postgresql']:.0%}"),
        ):
            rows.setdefault(name, []).append(text)
    head = ["| people | 1 million | 10 million | 100 million |", "|---|---|---|---|"]
    return [*head, *(f"| {name} | " + " | ".join(texts) + " |" for name, texts in rows.items())]


def _deeper(costs: Costs, times: float) -> Costs:
    password, code = ({**step, "postgresql": step["postgresql"] * times} for step in (costs.password, costs.code))
    return replace(costs, password=password, code=code)


def _size(count: float) -> str:
    return f"{count / 1e12:.1f} TB" if count >= 1e12 else f"{count / 1e9:.0f} GB"


def generated(measured: Mapping[str, Any]) -> str:
    """All tables, as they stand on the page."""
    return "\n".join(
        [
            BEGIN,
            "",
            f"Measured {measured['taken']}: {measured['machine']}; {measured['versions']}; {measured['processes']} web "
            "processes.",
            "",
            *costs_table(measured),
            "",
            "### The model held against what was measured",
            "",
            *points_table(measured),
            "",
            "### That machine, when people come at random",
            "",
            *bursts_table(measured),
            "",
            "### What people need",
            "",
            *people_table(measured),
            "",
            END,
        ]
    )


def main() -> None:
    text = generated(json.loads(FILE.read_text()))
    print(text)
    if "--write" in sys.argv[1:]:
        page = PAGE.read_text()
        before, rest = page.split(BEGIN)
        PAGE.write_text(before + text + rest.split(END)[1])


if __name__ == "__main__":
    main()
