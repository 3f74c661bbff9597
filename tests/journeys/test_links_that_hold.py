"""Links whose clients wait inside their call: the click is answered at once, on any process, and nobody else waits."""

import asyncio
import re
import statistics
import time
import uuid
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from tests.support.gateways import MailServer, mail_server
from tests.support.server import Server

pytestmark = pytest.mark.postgresql_only

PASSWORD = "a long pass phrase of nobody"
THREADS = 8
Result = TypeVar("Result")
CLIENT = {"client_id": "held", "grant_type": "VGAuthenticator", "Username": "mira"}


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run it on a loop of its own: the browser tests of the same process leave theirs running in this thread."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


@dataclass
class Place:
    """Two server processes on one database, and the mailbox that their links go to."""

    servers: list[Server]
    mail: MailServer

    def sign_in(self) -> dict[str, str]:
        """A right password; the fields of the second step for the link."""
        answer = httpx.post(f"{self.servers[0].url}/connect/token", data={**CLIENT, "Password": PASSWORD}).json()
        response = answer["VGResponse"]["AuthenticationResponse"]
        link = next(each for each in response["MFAAvailables"] if each["AuthenticationMode"] == 1)
        return {**CLIENT, "AuthenticationRequestId": response["RequestId"], "MFAAvailableId": link["Id"]}

    def newest_link(self, after: int) -> str:
        """The path of the link in the message that came after the first `after` ones."""
        deadline = time.monotonic() + 10
        while len(self.mail.received) <= after:
            assert time.monotonic() < deadline, "no message came"
            time.sleep(0.02)
        body = self.mail.received[-1].get_body(("plain",))
        assert body is not None
        found = re.search(r"/mfa/approve/[\w-]+", body.get_content())
        assert found is not None
        return found.group()

    def decide(self, path: str, decision: str) -> None:
        """Open the page on the second process, and click."""
        with httpx.Client(base_url=self.servers[1].url) as browser:
            page = browser.get(path)
            token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
            assert token is not None, page.text
            form = {"csrfmiddlewaretoken": token.group(1), decision: "1"}
            headers = {"Origin": self.servers[1].url, "Referer": self.servers[1].url}
            assert browser.post(path, data=form, headers=headers).status_code in (200, 302)


@pytest.fixture
def place(start_servers: Callable[..., list[Server]], tmp_path: Path) -> Iterator[Place]:
    declared: dict[str, Any] = {
        "clients": [{"client_id": "held", "mfa": {"mode": "required"}}],
        "users": [
            {
                "username": "mira",
                "password": PASSWORD,
                "email": "mira@mail.example",
                "email_verified": True,
                "clients": ["*"],
            }
        ],
    }
    with mail_server() as mail:
        # As served without Redis: each process sends for itself, and a hash costs what it costs.
        environment = {
            "DJANGO_SETTINGS_MODULE": "config.settings.development",
            "EMAIL_URL": f"smtp://127.0.0.1:{mail.port}",
            "REDIS_URL": "",
            "STEPWARD_VAR": str(tmp_path / "var"),
        }
        yield Place(start_servers(declared, processes=2, threads=THREADS, environment=environment), mail)


def test_a_held_call_is_answered_within_a_second_of_the_click_on_another_process(place: Place) -> None:
    async def hold(step: dict[str, str]) -> tuple[httpx.Response, float]:
        async with httpx.AsyncClient(timeout=30) as http:
            answer = await http.post(f"{place.servers[0].url}/connect/token", data={**step, "MFAAction": "2"})
            return answer, time.monotonic()

    async def hold_and_click(decision: str) -> tuple[httpx.Response, float]:
        step, before = place.sign_in(), len(place.mail.received)
        held = asyncio.create_task(hold(step))
        path = await asyncio.to_thread(place.newest_link, before)
        await asyncio.sleep(0.5)
        assert not held.done()
        await asyncio.to_thread(place.decide, path, decision)
        clicked = time.monotonic()
        answer, answered = await held
        return answer, answered - clicked

    approved, seconds = run(hold_and_click("approve"))
    assert approved.status_code == 200, approved.text
    assert approved.json()["AuthenticationMethod"] == "Link"
    assert seconds < 1.0
    refused, seconds = run(hold_and_click("refuse"))
    assert refused.json()["VGResponse"]["AuthenticationState"]["Status"] == 129
    assert seconds < 1.0


def test_opening_a_link_approves_nothing(place: Place) -> None:
    step = place.sign_in()
    url = f"{place.servers[0].url}/connect/token"
    sent = httpx.post(url, data={**step, "MFAAction": "SendLink"}, headers={"Prefer": "respond-async"}, timeout=10)
    assert sent.json()["VGResponse"]["AuthenticationState"]["Status"] == 1048577
    path = place.newest_link(0)
    for _ in range(3):
        assert httpx.get(f"{place.servers[1].url}{path}").status_code == 200
    polled = httpx.post(url, data={**step, "MFAAction": "0"})
    assert polled.json()["VGResponse"]["AuthenticationState"]["Status"] == 1048577
    place.decide(path, "approve")
    assert httpx.post(url, data={**step, "MFAAction": "0"}).status_code == 200
    assert httpx.post(url, data={**step, "MFAAction": "0"}).json()["error"] == "invalid_grant"


def test_five_hundred_that_wait_take_half_of_the_threads_and_slow_nobody(place: Place) -> None:
    url = f"{place.servers[0].url}/connect/token"
    step = place.sign_in()
    httpx.post(url, data={**step, "MFAAction": "2"}, headers={"Prefer": "respond-async"}, timeout=10)

    def password_step() -> float:
        started = time.perf_counter()
        # Each time another name: a locked one would cost no hash.
        answer = httpx.post(url, data={**CLIENT, "Username": uuid.uuid4().hex, "Password": "wrong"})
        assert answer.status_code == 400
        return time.perf_counter() - started

    async def poll(http: httpx.AsyncClient) -> None:
        answer = await http.post(url, data={**step, "MFAAction": "0"}, headers={"Prefer": "wait=60"})
        assert answer.json()["VGResponse"]["AuthenticationState"]["Status"] == 1048577, answer.text

    async def crowd() -> tuple[int, float]:
        """How many are held while the others were told to poll, and what a password step costs beside them."""
        async with httpx.AsyncClient(timeout=90, limits=httpx.Limits(max_connections=500)) as http:
            waiting = [asyncio.create_task(poll(http)) for _ in range(500)]
            deadline = time.monotonic() + 60
            while sum(task.done() for task in waiting) < 500 - THREADS // 2:
                assert time.monotonic() < deadline, "more are held than may be"
                await asyncio.sleep(0.05)
            busy = await asyncio.to_thread(lambda: statistics.median(password_step() for _ in range(15)))
            held = [task for task in waiting if not task.done()]
            for task in waiting:
                task.cancel() if task in held else task.result()
            return len(held), busy

    idle = statistics.median(password_step() for _ in range(15))
    held, busy = run(crowd())
    assert held == THREADS // 2
    # The bound is the issue's own; a constant covers the grain of a shared machine.
    assert busy <= 1.5 * idle + 0.01, (idle, busy)
