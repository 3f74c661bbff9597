"""Keeps the processes of one server: the HTTP server and, with Redis, the Celery worker and beat.

`manage.py serve` becomes this process, `python -m config.supervisor PLAN`. It imports nothing but the standard library,
so that it stays small. SIGTERM and SIGINT end everything, in order; SIGHUP renews every process.
"""

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
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
    folder: Path
    workers: int
    grace: float
    ending: bool = False
    code: int = 0
    successor: Child | None = None
    leaving: "list[subprocess.Popen[bytes]]" = field(default_factory=list)

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
        """A worker ends its tasks and is started again; the HTTP server gets a successor on the same port first."""
        for child in self.children:
            if not child.is_web:
                child.renewing = True
                child.signal(signal.SIGTERM)
            elif self.successor is None:
                self.successor = Child(child.command, is_web=True)
                self.successor.start()

    def _hand_over(self, successor: Child) -> None:
        """Once all of the successor's processes listen, the old ones take no more and finish what they have."""
        assert successor.process is not None  # noqa: S101  It was started when it was made.
        if successor.process.poll() is not None:
            _say("renewal failed", code=successor.process.returncode)
            self.successor = None
            return
        if len(list(self.folder.glob(f"ready-{successor.process.pid}-*"))) < self.workers:
            return
        time.sleep(0.2)  # From loaded to listening.
        for place, child in enumerate(self.children):
            if child.is_web:
                child.signal(signal.SIGTERM)
                self.leaving += [child.process] if child.process else []
                self.children[place] = successor
        self.successor = None

    def _look(self) -> None:
        now = time.monotonic()
        self.leaving = [process for process in self.leaving if process.poll() is None]
        if self.successor:
            self._hand_over(self.successor)
        for child in self.children:
            if child.process is None:
                if now >= child.starts_at:
                    child.start()
            elif child.process.poll() is not None:
                self._ended(child, now)

    def _ended(self, child: Child, now: float) -> None:
        assert child.process is not None  # noqa: S101  The caller has just polled it.
        code, lived = child.process.returncode, now - child.started_at
        had_loaded = any(self.folder.glob(f"ready-{child.process.pid}-*"))
        child.process = None
        if child.renewing:
            child.renewing, child.starts_at = False, now
            return
        _say("process ended", command=child.command[2], code=code, seconds=round(lived, 1))
        if child.is_web:
            _kill_orphans([process.pid for process in self._processes()])
            if lived < LONG_ENOUGH and not had_loaded:
                self.ending, self.code = True, code if code > 0 else 1
                return
        child.wait = 0.5 if lived >= LONG_ENOUGH else min(child.wait * 2, LONGEST_WAIT)
        child.starts_at = now + (child.wait if lived < LONG_ENOUGH or not child.is_web else 0)

    def _stop(self) -> None:
        """Ask each to end, wait as long as requests and tasks under way may take, then insist."""
        deadline = time.monotonic() + self.grace + 1
        for process in self._processes():
            process.terminate()
        for process in self._processes():
            try:
                process.wait(timeout=max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        _kill_orphans([])

    def _processes(self) -> "list[subprocess.Popen[bytes]]":
        children = [*self.children, *([self.successor] if self.successor else [])]
        return [*self.leaving, *(child.process for child in children if child.process)]


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
    """Run the plan: `web` and `background` commands, `workers`, the `folder` that goes with it, `grace` in seconds."""
    plan = json.loads(text)
    children = [Child(plan["web"], is_web=True), *(Child(command, is_web=False) for command in plan["background"])]
    try:
        return Supervisor(children, Path(plan["folder"]), plan["workers"], plan["grace"]).run()
    finally:
        shutil.rmtree(plan["folder"], ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
