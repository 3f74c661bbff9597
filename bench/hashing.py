"""The hash alone: `python -m bench.hashing LIBRARY THREADS SECONDS` verifies as fast as the cores go.

LIBRARY is `argon2-cffi`, which Django and so all peers use, or `ours`. Prints verifications and processor seconds. Run
with the allocator settings of `manage.py serve`, as the server is.
"""

import json
import os
import subprocess
import sys
import threading
import time

from argon2 import PasswordHasher

from bench import seed
from identity.argon2_hasher import Argon2Hasher
from identity.management.commands.serve import ALLOCATOR

CFFI, OURS = "argon2-cffi, two processes", "as the server computes it, two processes"


def floor(library: str, processes: int, threads: int, seconds: float) -> dict[str, float]:
    """Verifications a second of all processes together, and processor seconds of one."""
    command = [sys.executable, "-m", "bench.hashing", library, str(threads), str(seconds)]
    environment = {**os.environ, **ALLOCATOR}
    started = [
        subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(processes)
    ]
    for process in started:
        assert process.stdout
        process.stdout.readline()  # Loaded and warm.
    for process in started:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    said = [json.loads(process.communicate()[0]) for process in started]
    return {
        "rate": sum(each["done"] / each["seconds"] for each in said),
        "cpu": sum(each["cpu"] for each in said) / sum(each["done"] for each in said),
    }


def _verify(library: str, threads: int, seconds: float) -> dict[str, float]:
    cffi = PasswordHasher(memory_cost=19456, time_cost=2, parallelism=1)
    encoded, own = cffi.hash(seed.PASSWORD), Argon2Hasher.__new__(Argon2Hasher)

    def verify() -> bool:
        return (
            own.verify(seed.PASSWORD, f"argon2{encoded}") if library == "ours" else cffi.verify(encoded, seed.PASSWORD)
        )

    for _ in range(5):
        assert verify()
    print("warm", flush=True)
    sys.stdin.readline()
    done, spent, start = [0] * threads, time.process_time(), time.perf_counter()

    def work(place: int) -> None:
        while time.perf_counter() - start < seconds:
            verify()
            done[place] += 1

    workers = [threading.Thread(target=work, args=(place,)) for place in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return {"done": sum(done), "seconds": time.perf_counter() - start, "cpu": time.process_time() - spent}


if __name__ == "__main__":
    print(json.dumps(_verify(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))))
