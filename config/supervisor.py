"""Keeps the processes of one server: the HTTP server and, with Redis, the Celery worker and beat.

`manage.py serve` becomes this process, `python -m config.supervisor PLAN`. It imports nothing but the standard library,
so that it stays small. SIGTERM and SIGINT end everything, in order; SIGHUP renews every process, one after the other.
"""

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
HEARD = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD}
LONG_ENOUGH = 5.0  # seconds; a process that ends sooner would end again
LONGEST_WAIT = 30.0  # seconds between two starts


@dataclass
class Child:
    """One command that should be running. `starts_at` is when it is started (again), on the monotonic clock."""

    command: list[str]
    is_web: bool
    process: "subprocess.Popen[bytes] | None" = None
    started_at: float = 0.0
    starts_at: float = 0.0
    wait: float = 0.5
    renewing: bool = False

    def start(self) -> None:
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, preexec_fn=_begin)  # noqa: PLW1509, S603
        self.started_at = time.monotonic()

    def signal(self, number: int) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)


@dataclass
class Supervisor:
    """All children, and whether the end was asked for."""

    children: list[Child]
    grace: float
    ending: bool = False
    code: int = 0

    def run(self) -> int:
        """Until the end is asked for, or the HTTP server cannot be kept; returns the exit code."""
        signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)
        _adopt_orphans()
        while not self.ending:
            self._look()
            heard = signal.sigtimedwait(HEARD, 1.0)
            if heard and heard.si_signo == signal.SIGHUP:
                self._renew()
            elif heard and heard.si_signo != signal.SIGCHLD:
                self.ending = True
        self._stop()
        return self.code

    def _renew(self) -> None:
        for child in self.children:
            child.renewing = not child.is_web
            # The HTTP server starts new processes beside the old ones; a worker ends its tasks and is started again.
            child.signal(signal.SIGHUP if child.is_web else signal.SIGTERM)

    def _look(self) -> None:
        now = time.monotonic()
        for child in self.children:
            if child.process is None:
                if now >= child.starts_at:
                    child.start()
            elif child.process.poll() is not None:
                self._ended(child, now)

    def _ended(self, child: Child, now: float) -> None:
        assert child.process is not None  # noqa: S101  The caller has just polled it.
        code, lived = child.process.returncode, now - child.started_at
        child.process = None
        if child.renewing:
            child.renewing, child.starts_at = False, now
            return
        _say("process ended", command=child.command[2], code=code, seconds=round(lived, 1))
        if child.is_web:
            _kill_orphans([other.process.pid for other in self.children if other.process])
            if lived < LONG_ENOUGH:
                self.ending, self.code = True, code if code > 0 else 1
                return
        child.wait = 0.5 if lived >= LONG_ENOUGH else min(child.wait * 2, LONGEST_WAIT)
        child.starts_at = now if child.is_web else now + child.wait

    def _stop(self) -> None:
        """Ask each to end, wait as long as requests and tasks under way may take, then insist."""
        deadline = time.monotonic() + self.grace + 1
        for child in self.children:
            child.signal(signal.SIGTERM)
        for child in self.children:
            if child.process:
                try:
                    child.process.wait(timeout=max(0.1, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    child.process.kill()
                    child.process.wait()
        _kill_orphans([])


def _adopt_orphans() -> None:
    """Grandchildren whose parent dies become ours, so that none keeps the port behind our back."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _begin() -> None:
    """In the child: hear every signal again, and end when the supervisor does, however it ends."""
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _kill_orphans(kept: list[int]) -> None:
    listed = Path(f"/proc/self/task/{os.getpid()}/children")
    if not listed.exists():
        return
    for pid in map(int, listed.read_text().split()):
        if pid not in kept:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _say(event: str, **facts: object) -> None:
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    line = {"event": event, **facts, "level": "warning", "logger": "stepward.supervisor", "timestamp": stamp}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def main(text: str) -> int:
    """Run the plan: `web` and `background` commands, the `folder` that goes with the run, `grace` in seconds."""
    plan = json.loads(text)
    children = [Child(plan["web"], is_web=True), *(Child(command, is_web=False) for command in plan["background"])]
    try:
        return Supervisor(children, plan["grace"]).run()
    finally:
        shutil.rmtree(plan["folder"], ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
