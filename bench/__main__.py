"""`make bench`: measure the server, the floors and the peers in one run, and write bench/RESULTS.*.

`python -m bench --short --only "code step" --no-peers` measures a part and writes nothing.
"""

import argparse
import signal
import sys
import time

from bench import report
from bench.run import Plan, Run, say


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.partition("\n")[0])
    parser.add_argument("--short", action="store_true", help="one round of one second, at 8 clients")
    parser.add_argument("--only", action="append", default=[], metavar="WORDS", help="cases whose name has these words")
    parser.add_argument("--peers", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--more", type=int, default=4, help="rounds of what the targets compare")
    parser.add_argument("--seconds", type=float, default=1.5, help="of each case in each round")
    parser.add_argument("--growth", action="store_true", help="1,000 to 1,000,000 people instead")
    parser.add_argument("--write", action=argparse.BooleanOptionalAction, help="write RESULTS; a whole run does")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # What was started ends with it.
    started = time.time()
    if given.growth:
        from bench import growth

        return growth.main(short=given.short, write=given.write is not False)
    plan = Plan(rounds=given.rounds, more=given.more, seconds=given.seconds, peers=given.peers, only=given.only)
    if given.short:
        plan = Plan(levels=(8,), rounds=1, more=0, seconds=1.0, peers=given.peers, only=given.only)
    result = Run(plan, say).all()
    say(f"took {time.time() - started:.0f} s")
    whole = not given.short and not given.only and given.peers
    return report.publish(result, write=whole if given.write is None else given.write)


if __name__ == "__main__":
    sys.exit(main())
