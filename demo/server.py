"""The demo's own server: a database of its own under var/demo/, people with passwords made for this run."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path(os.environ.get("DEMO_FOLDER") or ROOT / "var" / "demo")
CLIENT_ID = "6f0f3c6e-0000-4000-8000-000000000001_Native"
READY_WITHIN = 30.0  # seconds


class DidNotStart(Exception):
    """A command of the server failed; the text says which, and what it printed."""


def free_port(wanted: int) -> int:
    """`wanted`, or the next free one above it."""
    for port in range(wanted, min(wanted + 100, 65536)):
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("0.0.0.0", port))  # noqa: S104 - As the server will; only to see whether it is free.
            except OSError:
                continue
            return port
    raise DidNotStart(f"No port between {wanted} and {wanted + 99} is free. Name another with PORT=…")


class Demo:
    """One run: its port, its folder, its people, its server process."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.folder = FOLDER / str(port)
        self.url = os.environ.get("PUBLIC_URL", "").rstrip("/") or f"http://localhost:{port}"
        # Ada is played by the demo, `you` is for the reader's phone, `curl` for the README's lines.
        self.passwords = {name: secrets.token_urlsafe(15) for name in ("ada", "you", "curl")}
        self.process: subprocess.Popen[bytes] | None = None

    def environment(self) -> dict[str, str]:
        """Nothing of another installation: its database, keys and mail stay out of the demo."""
        foreign = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "MFA_SECRET_KEYS", "EMAIL_URL", "SMS_URL")
        kept = {name: value for name, value in os.environ.items() if name not in foreign}
        return {
            **kept,
            "DJANGO_SETTINGS_MODULE": "config.settings.development",
            "STEPWARD_VAR": str(self.folder),
            "PORT": str(self.port),
            "PYTHONUNBUFFERED": "1",
        }

    def prepare(self) -> None:
        """An empty database with the demo's client and people."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(mode=0o700, parents=True)
        self.run("-m", "demo.prepare", given=json.dumps(self.declared()))
        self.write_environment_file()

    def declared(self) -> dict[str, object]:
        client = {
            "client_id": CLIENT_ID,
            "name": "Demo",
            "grant_types": ["VGAuthenticator", "refresh_token"],
            "mfa": {"mode": "required", "transports": ["MicrosoftAuthenticator"]},
        }
        people = [
            {"username": name, "password": password, "email": f"{name}@example.org", "clients": ["*"]}
            for name, password in self.passwords.items()
        ]
        return {"clients": [client], "users": people}

    def write_environment_file(self) -> None:
        """What the README's curl lines read: `. var/demo/env`."""
        path = FOLDER / "env"
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_text(f"URL={self.url} CLIENT_ID={CLIENT_ID} WHO=curl PASSWORD='{self.passwords['curl']}'\n")

    def run(self, *arguments: str, given: str | None = None) -> str:
        """Run one Python command on the demo's database; returns what it printed, raises DidNotStart."""
        command = [sys.executable, *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=self.environment(), input=given, text=True, capture_output=True, check=False
        )
        if done.returncode != 0:
            raise DidNotStart(f"{' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def start(self) -> None:
        """Start the server and wait until it answers; raises DidNotStart."""
        with (self.folder / "server.log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "serve", "--no-migrate"],
                cwd=ROOT,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C reaches the demo alone, which then stops the server in order.
                start_new_session=True,
            )
        deadline = time.monotonic() + READY_WITHIN
        while not self.healthy():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise DidNotStart(f"The server did not start:\n{self.log_tail()}")
            time.sleep(0.05)

    def healthy(self) -> bool:
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False

    def log_tail(self) -> str:
        path = self.folder / "server.log"
        return path.read_text(errors="replace")[-3000:] if path.exists() else ""

    def wait(self) -> None:
        """Until the server ends by itself."""
        if self.process:
            self.process.wait()

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
