"""`make bench`: what is measured so far, one after the other; each prints its figures with the machine's facts."""

import runpy
import sys

MEASURES = ("bench.memory", "bench.validate_aspx")


def main() -> None:
    for name in MEASURES:
        print(f"== {name} ==", flush=True)
        sys.argv = [name]
        try:
            runpy.run_module(name, run_name="__main__")
        except SystemExit as ended:
            if ended.code:
                raise


if __name__ == "__main__":
    main()
