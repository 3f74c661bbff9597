"""The hash alone: `python -m bench.hashing THREADS SECONDS` verifies as fast as the cores go.

Prints verifications and processor seconds. Run with the allocator settings of `manage.py serve`, as the server is.
"""

import json
import os
import subprocess
import sys
import threading
import time

from argon2 import PasswordHasher

from bench import seed
from identity.management.commands.serve import ALLOCATOR


def floor(processes: int, threads: int, seconds: float) -> dict[str, float]:
    """Verifications a second of all processes together, and processor milliseconds of one."""
    command = [sys.executable, "-m", "bench.hashing", str(threads), str(seconds)]
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


def _verify(threads: int, seconds: float) -> dict[str, float]:
    hasher = PasswordHasher(memory_cost=19456, time_cost=2, parallelism=1)
    encoded = hasher.hash(seed.PASSWORD)
    for _ in range(5):
        hasher.verify(encoded, seed.PASSWORD)
    print("warm", flush=True)
    sys.stdin.readline()
    done, spent, start = [0] * threads, time.process_time(), time.perf_counter()

    def work(place: int) -> None:
        while time.perf_counter() - start < seconds:
            hasher.verify(encoded, seed.PASSWORD)
            done[place] += 1

    workers = [threading.Thread(target=work, args=(place,)) for place in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return {"done": sum(done), "seconds": time.perf_counter() - start, "cpu": time.process_time() - spent}


if __name__ == "__main__":
    print(json.dumps(_verify(int(sys.argv[1]), float(sys.argv[2]))))
