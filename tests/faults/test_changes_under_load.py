"""Keys are rotated, and servers renewed behind the proxy, while people sign in: nobody notices."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.config.test_serving import descendants
from tests.faults.private import client_of, provisioned, with_apps
from tests.support.databases import fresh_database, manage
from tests.support.server import _free_port, provision, serve
from tests.support.visual_guard import SUCCESS

pytestmark = [pytest.mark.postgresql_only, pytest.mark.timeout(300)]

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


def test_a_rotation_under_load_fails_no_sign_in(tmp_path: Path) -> None:
    rotating = {"DJANGO_SETTINGS_MODULE": "tests.faults.two_keys_settings"}
    with fresh_database(tmp_path) as url:
        provision(url, provisioned(30))
        phones = with_apps({"DATABASE_URL": url}, 30)
        with serve(url, tmp_path, workers=2, environment=rotating) as server:
            turning = subprocess.Popen(
                [sys.executable, "manage.py", "rotate_keys", "--batch", "2"],
                env={**os.environ, **rotating, "DATABASE_URL": url},
                stdout=subprocess.PIPE,
                text=True,
            )
            statuses = []
            for name, phone in phones.items():
                client = client_of(server, name)
                statuses.append(client.code_step(client.password_step(), phone.code()).status)
            told, _ = turning.communicate(timeout=120)
            assert turning.returncode == 0
            assert "0 are left." in told
            assert Counter(statuses) == {SUCCESS: 30}
        with psycopg.connect(url) as connection:
            kids = connection.execute("SELECT DISTINCT sealed_under FROM mfa_datakey").fetchall()
        assert kids == [("new",)]


class Load(threading.Thread):
    """Asks for the password step through the proxy, over kept connections, until told to stop."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url, self.over, self.seen = url, threading.Event(), Counter[object]()

    def run(self) -> None:
        fields = {"client_id": "nobody", "grant_type": "VGAuthenticator", "Username": "x", "Password": "y"}
        with httpx.Client(timeout=30) as client:
            while not self.over.is_set():
                try:
                    self.seen[client.post(f"{self.url}/connect/token", data=fields).status_code] += 1
                except httpx.HTTPError as error:
                    self.seen[type(error).__name__] += 1
                time.sleep(0.02)


def test_renewing_servers_behind_the_proxy_fails_no_request(tmp_path: Path) -> None:
    port = _free_port()
    with fresh_database(tmp_path) as url, serve(url, tmp_path) as first, serve(url, tmp_path) as second:
        configuration = tmp_path / "Caddyfile"
        configuration.write_text(CADDYFILE.format(port=port, first=first.port, second=second.port))
        caddy = subprocess.Popen(
            [str(Path(sys.executable).parent / "caddy"), "run", "--config", str(configuration)],
            env={"PATH": os.defpath, "HOME": str(tmp_path)},
            stderr=subprocess.DEVNULL,
        )
        try:
            proxy = f"http://127.0.0.1:{port}"
            headers = {"host": f"localhost:{first.port}"}
            deadline = time.monotonic() + 20
            while not _answers(proxy, headers):
                assert time.monotonic() < deadline
                time.sleep(0.1)
            loads = [Load(proxy) for _ in range(3)]
            for load in loads:
                load.start()
            for server in (first, second):
                before = set(descendants(server.process.pid))
                server.process.send_signal(signal.SIGHUP)
                deadline = time.monotonic() + 90
                while set(descendants(server.process.pid)) & before:
                    assert time.monotonic() < deadline
                    time.sleep(0.2)
            # A migration that finds nothing to do, as a rolling upgrade begins with.
            manage("migrate", "--verbosity", "0", environment={"DATABASE_URL": url})
            for load in loads:
                load.over.set()
                load.join()
        finally:
            caddy.terminate()
            caddy.wait(timeout=20)
    seen = sum((load.seen for load in loads), Counter())
    assert set(seen) == {401}, seen
    assert seen[401] > 50


def _answers(proxy: str, headers: dict[str, str]) -> bool:
    try:
        return httpx.get(f"{proxy}/healthz", headers=headers).status_code == 200
    except httpx.HTTPError:
        return False
