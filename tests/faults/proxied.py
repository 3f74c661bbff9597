"""Two servers behind a real Caddy, and people who sign in through it without a pause."""

import itertools
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.faults.private import CLIENT, PASSWORD
from tests.support.server import Server, _free_port
from tests.support.soft_authenticator import SoftAuthenticator

CADDYFILE = """
{{
    admin off
    auto_https off
}}
http://127.0.0.1:{port} {{
    reverse_proxy 127.0.0.1:{first} 127.0.0.1:{second} {{
        lb_policy least_conn
        lb_try_duration 5s
        lb_try_interval 100ms
        fail_duration 2s
        transport http {{
            keepalive 20s
        }}
    }}
}}
"""


@contextmanager
def proxy(first: Server, second: Server, folder: Path) -> Iterator[str]:
    """The proxy's URL; it balances as deploy/Caddyfile does, without TLS."""
    port = _free_port()
    configuration = folder / "Caddyfile"
    configuration.write_text(CADDYFILE.format(port=port, first=first.port, second=second.port))
    caddy = subprocess.Popen(
        [str(Path(sys.executable).parent / "caddy"), "run", "--config", str(configuration)],
        env={"PATH": os.defpath, "HOME": str(folder)},
        stderr=subprocess.DEVNULL,
    )
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 60
        while not _answers(url):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield url
    finally:
        caddy.terminate()
        caddy.wait(timeout=60)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz").status_code == 200
    except httpx.HTTPError:
        return False


class SigningIn(threading.Thread):
    """Signs one person in after the other, by password and app; `seen` counts how each sign-in ended.

    A phone shows a code for 30 s and each is accepted once, so nobody comes again sooner than that after the last time.
    """

    def __init__(self, url: str, phones: Mapping[str, SoftAuthenticator]) -> None:
        super().__init__()
        self.url, self.phones = url, phones
        self.over, self.seen = threading.Event(), Counter[str]()

    def run(self) -> None:
        rests_until = dict.fromkeys(self.phones, 0.0)
        with httpx.Client(timeout=60) as http:
            for name, phone in itertools.cycle(self.phones.items()):
                if self.over.wait(max(0.02, rests_until[name] - time.monotonic())):
                    return
                try:
                    self.seen[self._sign_in(http, name, phone)] += 1
                except httpx.HTTPError as error:
                    self.seen[type(error).__name__] += 1
                rests_until[name] = time.monotonic() + 31

    def _sign_in(self, http: httpx.Client, name: str, phone: SoftAuthenticator) -> str:
        own = {"client_id": CLIENT, "grant_type": "VGAuthenticator"}
        opened = http.post(f"{self.url}/connect/token", data={**own, "Username": name, "Password": PASSWORD})
        if opened.status_code != 400:
            return f"password {opened.status_code}"
        answer = opened.json()["VGResponse"]
        given = {
            "AuthenticationRequestId": answer["RequestId"],
            "MFAAvailableId": answer["AuthenticationResponse"]["MFAAvailables"][0]["Id"],
            "MFAAction": "3",
            "MFASecureCode": phone.code(),
        }
        ended = http.post(f"{self.url}/connect/token", data={**own, **given})
        return "signed in" if ended.status_code == 200 else f"code {ended.status_code} {ended.text[:200]}"


@contextmanager
def under_load(url: str, phones: Mapping[str, SoftAuthenticator], threads: int = 3) -> Iterator[Counter[str]]:
    """People sign in while the block runs; how it went for them is known when it has ended."""
    names = list(phones)
    loads = [SigningIn(url, {name: phones[name] for name in names[place::threads]}) for place in range(threads)]
    told = Counter[str]()
    for load in loads:
        load.start()
    try:
        yield told
    finally:
        for load in loads:
            load.over.set()
        for load in loads:
            load.join()
            told.update(load.seen)
