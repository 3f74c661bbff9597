"""The short form for CI: what our work costs in units of its floors, against what was recorded.

`python -m bench.ratios` measures and compares; `--record` writes the dearest of three runs to bench/ratios.json. All of
it is processor time of so many operations, measured beside the floor, so that a busy machine changes both; what is left
is bounded widely.
"""

import dataclasses
import json
import sys
from pathlib import Path

from bench import report
from bench.run import Plan, Run, say

RECORDED = Path(__file__).with_name("ratios.json")
ALLOWED = 1.5
CLIENTS = 4
PLAN = Plan(
    levels=(CLIENTS,),
    rounds=3,
    more=0,
    seconds=0.7,
    peers=False,
    counts=False,
    only=("hash", "Stepward: sign-in", "Stepward: code step", "refresh", "enrolment", "SELECT + UPDATE"),
    fixed={"sign-in": 16, "code step": 120, "refresh": 120, "SELECT + UPDATE": 500, "enrolment": 80},
)


def measured() -> dict[str, float]:
    """The ratios of now."""
    run = dataclasses.asdict(Run(PLAN, say).all())
    return report.ratios(run, CLIENTS)


def recorded() -> dict[str, float]:
    return {name: float(value) for name, value in json.loads(RECORDED.read_text()).items()}


def worse(now: dict[str, float], then: dict[str, float]) -> dict[str, str]:
    """What has become dearer than is allowed."""
    return {
        name: f"{now[name]:.2f} times its floor, {then[name]:.2f} when it was recorded"
        for name in then
        if now[name] > then[name] * ALLOWED
    }


def main() -> int:
    now = measured()
    if "--record" in sys.argv[1:]:
        runs = [now, measured(), measured()]
        now = {name: max(run[name] for run in runs) for name in now}
        RECORDED.write_text(json.dumps({name: round(value, 2) for name, value in now.items()}, indent=1) + "\n")
    then = recorded()
    for name, value in now.items():
        print(f"{name}: {value:.2f}, recorded {then[name]:.2f}")
    found = worse(now, then)
    for name, told in found.items():
        print(f"dearer than {ALLOWED} times: {name} costs {told}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
