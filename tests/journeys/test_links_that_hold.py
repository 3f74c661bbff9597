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
from tests.support.visual_guard import CANCELLED, WAITING

pytestmark = [pytest.mark.postgresql_only, pytest.mark.timeout(240)]

PASSWORD = "a long pass phrase of nobody"
THREADS = 8
ROUNDS = 4
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
        url = f"{self.servers[0].url}/connect/token"
        answer = httpx.post(url, data={**CLIENT, "Password": PASSWORD}, timeout=30).json()
        response = answer["VGResponse"]["AuthenticationResponse"]
        link = next(each for each in response["MFAAvailables"] if each["AuthenticationMode"] == 1)
        return {**CLIENT, "AuthenticationRequestId": response["RequestId"], "MFAAvailableId": link["Id"]}

    def newest_link(self, after: int) -> str:
        """The path of the link in the messages that came after the first `after` ones."""
        deadline = time.monotonic() + 30
        while True:
            for message in self.mail.received[after:]:
                body = message.get_body(("plain",))
                found = re.search(r"/mfa/approve/[\w-]+", body.get_content() if body else "")
                if found:
                    return found.group()
            assert time.monotonic() < deadline, "no message came"
            time.sleep(0.02)

    def decide(self, path: str, decision: str) -> None:
        """Open the page on the second process, and click."""
        with httpx.Client(base_url=self.servers[1].url, timeout=30) as browser:
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

    # Of three the middle one counts: another may have met a moment in which the machine stood still.
    approvals = [run(hold_and_click("approve")) for _ in range(3)]
    for approved, _ in approvals:
        assert approved.status_code == 200, approved.text
        assert approved.json()["AuthenticationMethod"] == "Link"
    assert statistics.median(seconds for _, seconds in approvals) < 1.0, approvals
    refusals = [run(hold_and_click("refuse")) for _ in range(3)]
    for refused, _ in refusals:
        assert refused.json()["VGResponse"]["AuthenticationState"]["Status"] == CANCELLED
    assert statistics.median(seconds for _, seconds in refusals) < 1.0, refusals


def test_opening_a_link_approves_nothing(place: Place) -> None:
    step = place.sign_in()
    url = f"{place.servers[0].url}/connect/token"
    sent = httpx.post(url, data={**step, "MFAAction": "SendLink"}, headers={"Prefer": "respond-async"}, timeout=30)
    assert sent.json()["VGResponse"]["AuthenticationState"]["Status"] == WAITING
    path = place.newest_link(0)
    for _ in range(3):
        assert httpx.get(f"{place.servers[1].url}{path}").status_code == 200
    polled = httpx.post(url, data={**step, "MFAAction": "0"})
    assert polled.json()["VGResponse"]["AuthenticationState"]["Status"] == WAITING
    place.decide(path, "approve")
    assert httpx.post(url, data={**step, "MFAAction": "0"}).status_code == 200
    assert httpx.post(url, data={**step, "MFAAction": "0"}).json()["error"] == "invalid_grant"


@pytest.mark.timeout(400)
def test_five_hundred_that_wait_take_half_of_the_threads_and_slow_nobody(place: Place) -> None:
    """By turns without and with the crowd, in rounds: what else the machine does meets both, and not in every round."""
    url = f"{place.servers[0].url}/connect/token"

    def password_step() -> float:
        started = time.perf_counter()
        # Each time another name: a locked one would cost no hash.
        answer = httpx.post(url, data={**CLIENT, "Username": uuid.uuid4().hex, "Password": "wrong"}, timeout=30)
        assert answer.status_code == 400
        return time.perf_counter() - started

    def password_steps() -> list[float]:
        return [password_step() for _ in range(15)]

    async def poll(http: httpx.AsyncClient, step: dict[str, str]) -> int:
        answer = await http.post(url, data={**step, "MFAAction": "0"}, headers={"Prefer": "wait=80"})
        return int(answer.json()["VGResponse"]["AuthenticationState"]["Status"])

    async def crowd(step: dict[str, str]) -> tuple[int, list[float]]:
        """How many are held while the others were told to poll, and what password steps cost beside them."""
        async with httpx.AsyncClient(timeout=90, limits=httpx.Limits(max_connections=500)) as http:
            waiting = [asyncio.create_task(poll(http, step)) for _ in range(500)]
            deadline = time.monotonic() + 60
            while sum(task.done() for task in waiting) < 500 - THREADS // 2:
                assert time.monotonic() < deadline, "more are held than may be"
                await asyncio.sleep(0.05)
            busy = await asyncio.to_thread(password_steps)
            held = [task for task in waiting if not task.done()]
            assert {task.result() for task in waiting if task not in held} == {WAITING}
            # The held ones hear of it, and leave their places to the next round's.
            await http.post(url, data={**step, "MFAAction": "CancelLink"})
            assert {await task for task in held} == {CANCELLED}
            return len(held), busy

    rounds: list[tuple[float, float]] = []
    # The bound is the issue's own; a constant covers the grain of a shared machine.
    while not any(busy <= 1.5 * idle + 0.01 for idle, busy in rounds):
        assert len(rounds) < ROUNDS, rounds
        step = place.sign_in()
        httpx.post(url, data={**step, "MFAAction": "2"}, headers={"Prefer": "respond-async"}, timeout=30)
        before = password_steps()
        held, beside = run(crowd(step))
        assert held == THREADS // 2
        rounds.append((statistics.median(before + password_steps()), statistics.median(beside)))
