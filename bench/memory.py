"""Memory of a serving worker after 1,000 sign-ins: `python -m bench.memory` prints resident and unique KiB of each.

Half of the sign-ins enrol an app and pass it, half give a password alone. Runs on SQLite in a folder of its own, or on
DATABASE_URL. The server is the one that `make serve` starts, with the real password hash.
"""

import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from bench.machine import facts
from tests.support.server import _free_port
from tests.support.soft_authenticator import SoftAuthenticator

USERS = 250
CLIENTS = 8


def main() -> None:
    password = secrets.token_urlsafe(16)
    names = [f"user{number}" for number in range(USERS)]
    port = _free_port()
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "STEPWARD_VAR": folder,
            "PORT": str(port),
            "DJANGO_SETTINGS_MODULE": "config.settings.development",
        }
        manage = [sys.executable, "manage.py"]
        subprocess.run([*manage, "migrate", "-v0"], env=environment, check=True)
        declared = json.dumps(_declared(names, password))
        subprocess.run(
            [*manage, "provision", "-"], env=environment, check=True, input=declared, text=True, stdout=subprocess.PIPE
        )
        server = subprocess.Popen(
            [*manage, "serve"], env=environment, stdout=subprocess.DEVNULL, start_new_session=True
        )
        try:
            _measure(f"http://127.0.0.1:{port}", server.pid, names, password)
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


def _measure(url: str, pid: int, names: list[str], password: str) -> None:
    _wait(url)
    print(facts())
    print("before:", _workers(pid))
    started = time.perf_counter()
    with httpx.Client(base_url=url, timeout=60) as http, ThreadPoolExecutor(CLIENTS) as pool:
        done = sum(pool.map(lambda name: _four_sign_ins(http, name, password), names))
    seconds = time.perf_counter() - started
    print(f"after {done} sign-ins in {seconds:.0f} s with {CLIENTS} clients:", _workers(pid))


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


def _workers(pid: int) -> list[str]:
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
    return [f"{resident:.0f} MiB resident ({unique:.0f} its own)" for resident, unique in sorted(found, reverse=True)]


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
    main()
