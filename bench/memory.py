"""Memory of a serving worker after 1,000 sign-ins: `python -m bench.memory` prints resident and unique MiB of each.

Half of the sign-ins enrol an app and pass it, half give a password alone. Runs on SQLite in a folder of its own, or on
DATABASE_URL. The server is the one that `make serve` starts, with the real password hash. Ends with 1 past the bound.
"""

import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx

from bench.machine import facts
from tests.support.databases import ROOT
from tests.support.server import _free_port
from tests.support.soft_authenticator import SoftAuthenticator

USERS = 250
CLIENTS = 8
# MiB that a serving worker may hold, and what each slot for a password hash adds (19,456 KiB).
BOUND, SLOT = 120.0, 19.0
SLOTS = 2  # As PASSWORD_HASH_SLOTS is by default with four cores and two workers.


@dataclass(frozen=True)
class Found:
    """The processes that serve, largest first, as (resident, its own) in MiB, before and after so many sign-ins."""

    before: list[tuple[float, float]]
    after: list[tuple[float, float]]
    sign_ins: int
    seconds: float

    @property
    def bound(self) -> float:
        return BOUND + SLOT * SLOTS

    @property
    def worker(self) -> float:
        """The largest worker's resident memory."""
        return self.after[0][0]


def main() -> int:
    found = measure(USERS)
    print(facts())
    print("before:", _said(found.before))
    print(f"after {found.sign_ins} sign-ins in {found.seconds:.0f} s with {CLIENTS} clients:", _said(found.after))
    print(f"largest {found.worker:.0f} MiB; bound {found.bound:.0f} MiB with {SLOTS} slots")
    return 0 if found.worker < found.bound else 1


def measure(users: int) -> Found:
    """Start a server, let each of `users` sign in four times, and look at its processes."""
    password = secrets.token_urlsafe(16)
    names = [f"user{number}" for number in range(users)]
    port = _free_port()
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "STEPWARD_VAR": folder,
            "PORT": str(port),
            "DJANGO_SETTINGS_MODULE": "config.settings.development",
            "PASSWORD_HASH_SLOTS": str(SLOTS),
            "RATE_LIMIT": "0",
        }
        manage = [sys.executable, "manage.py"]
        subprocess.run([*manage, "migrate", "-v0"], env=environment, check=True, cwd=ROOT)
        declared = json.dumps(_declared(names, password))
        provision = [*manage, "provision", "-"]
        subprocess.run(
            provision, env=environment, check=True, input=declared, text=True, stdout=subprocess.PIPE, cwd=ROOT
        )
        server = subprocess.Popen(
            [*manage, "serve"], env=environment, stdout=subprocess.DEVNULL, start_new_session=True, cwd=ROOT
        )
        try:
            return _measured(f"http://127.0.0.1:{port}", server.pid, names, password)
        finally:
            server.terminate()
            server.wait()


def _declared(names: list[str], password: str) -> dict[str, object]:
    return {
        "clients": [
            {"client_id": "with-factor", "mfa": {"mode": "required"}},
            {"client_id": "without-factor", "mfa": {"mode": "off"}},
        ],
        "users": [{"username": name, "password": password, "clients": ["*"]} for name in names],
    }


def _measured(url: str, pid: int, names: list[str], password: str) -> Found:
    _wait(url)
    before = _workers(pid)
    started = time.perf_counter()
    with httpx.Client(base_url=url, timeout=60) as http, ThreadPoolExecutor(CLIENTS) as pool:
        done = sum(pool.map(lambda name: _four_sign_ins(http, name, password), names))
    return Found(before, _workers(pid), done, time.perf_counter() - started)


def _four_sign_ins(http: httpx.Client, name: str, password: str) -> int:
    """Enrol and redeem, pass the code once more, and twice the password alone."""
    first = {"client_id": "with-factor", "grant_type": "VGAuthenticator", "Username": name, "Password": password}
    request_id = http.post("/connect/token", data=first).json()["VGResponse"]["RequestId"]
    api = "/api/MFAEnrollment"
    png = http.get(f"{api}/EnrollUserToMicrosoftAuthenticatorByImage", params={"requestId": request_id}).content
    phone = SoftAuthenticator.scan(png)
    now = time.time()
    confirmed = http.post(f"{api}/ValidateMicrosoftTOTP", data={"requestId": request_id, "secureCode": phone.code(now)})
    assert confirmed.status_code == 200, confirmed.text
    second = {**first, "AuthenticationRequestId": request_id}
    assert http.post("/connect/token", data=second).status_code == 200
    due = http.post("/connect/token", data=first).json()["VGResponse"]
    second = {
        **first,
        "AuthenticationRequestId": due["RequestId"],
        "MFAAvailableId": due["AuthenticationResponse"]["MFAAvailables"][0]["Id"],
        "MFAAction": "3",
        "MFASecureCode": phone.code(now + 30),
    }
    assert http.post("/connect/token", data=second).status_code == 200
    for _ in range(2):
        alone = http.post("/connect/token", data={**first, "client_id": "without-factor"})
        assert alone.status_code == 200, alone.text
    return 4


def _workers(pid: int) -> list[tuple[float, float]]:
    """Resident and unique memory of the processes that serve, in MiB; the largest come first."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(path.name)) != pid:
                continue
            rollup = dict(
                line.split(":", 1) for line in (path / "smaps_rollup").read_text().splitlines() if ":" in line
            )
            resident = int(rollup["Rss"].split()[0]) / 1024
            unique = sum(int(rollup[key].split()[0]) for key in ("Private_Clean", "Private_Dirty")) / 1024
        except (OSError, ProcessLookupError, KeyError):
            continue
        found.append((resident, unique))
    return sorted(found, reverse=True)


def _said(workers: list[tuple[float, float]]) -> list[str]:
    return [f"{resident:.0f} MiB resident ({unique:.0f} its own)" for resident, unique in workers]


def _wait(url: str) -> None:
    for _ in range(300):
        try:
            if httpx.get(f"{url}/healthz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise SystemExit("the server did not start")


if __name__ == "__main__":
    sys.exit(main())
