"""A mail server that is slow, silent, or hangs up in mid-conversation: who signs in waits for none of it, and every code arrives.

Both ways of sending are tried: a Celery worker on Redis, and threads of the web process where there is no broker.
"""

import asyncio
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.faults.private import CLIENT, PASSWORD, client_of, with_apps
from tests.support.databases import fresh_database
from tests.support.gateways import MailServer, SmsGateway, listening, sms_gateway
from tests.support.server import Server, provision, serve
from tests.support.visual_guard import CANCELLED, SUCCESS, WAITING, Answer, VisualGuardClient

pytestmark = [pytest.mark.postgresql_only, pytest.mark.timeout(600)]

FAILED_SENDING = 2097153
PATIENCE = 3.0  # seconds that SendOTP may wait for the hand-over
HURRY = (
    5.0  # seconds for what has nothing to do with the mail server, on a busy machine; with PATIENCE less than its 10
)
SOON = 9.0  # seconds for a message that goes past the hanging ones: less than the 10 that each of them takes
PEOPLE = 12
MOBILE = "+33612345678"


@dataclass
class MoodyMailServer(MailServer):
    """`moods` says by recipient how it treats a message: hang, drop, take and drop (once). Others are served at once."""

    moods: dict[str, str] = field(default_factory=dict)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        mood = self.moods.get(envelope.rcpt_tos[0], "well")
        if mood == "hang":
            self.begun += 1
            while self.moods.get(envelope.rcpt_tos[0]) == "hang":
                await asyncio.sleep(0.05)
            # By now nobody listens to this answer any more; the message is not taken.
            _hang_up(server)
            return "451 too late"
        if mood == "drop":
            self.begun += 1
            _hang_up(server)
            return "451 dropped"
        said = await super().handle_DATA(server, session, envelope)
        if mood == "take and drop":
            del self.moods[envelope.rcpt_tos[0]]
            _hang_up(server)
        return said

    def texts_for(self, recipient: str) -> list[str]:
        """The plain texts that this mailbox holds, oldest first."""
        mine = [mail for mail in self.received if str(mail["To"]) == recipient]
        return [mail.get_body(("plain",)).get_content() for mail in mine]  # type: ignore[union-attr]


def _hang_up(server: SMTP) -> None:
    assert isinstance(server.transport, asyncio.WriteTransport)
    server.transport.abort()


@contextmanager
def moody() -> Iterator[MoodyMailServer]:
    server = MoodyMailServer()
    with listening(server):
        try:
            yield server
        finally:
            server.moods.clear()


@dataclass
class Place:
    """A server, and the gateways that it sends to."""

    server: Server
    mail: MoodyMailServer
    sms: SmsGateway

    def opened(self, name: str) -> tuple[VisualGuardClient, Answer]:
        client = client_of(self.server, name)
        return client, client.password_step()

    def send(self, name: str, transport: str = "Email") -> "Sent":
        """Ask for a code, and look at the clock."""
        client, answer = self.opened(name)
        began = time.monotonic()
        said = client.token(
            AuthenticationRequestId=answer.request_id, MFAAvailableId=answer.factor_id(transport), MFAAction="1"
        )
        return Sent(client, answer, said, time.monotonic() - began)


@dataclass
class Sent:
    """What came of asking for a code."""

    client: VisualGuardClient
    opened: Answer
    said: Answer
    seconds: float

    def give(self, code: str) -> Answer:
        return self.client.code_step(self.opened, code, factor=self.opened.factor_id("Email"))


def mailbox(name: str) -> str:
    return f"{name}@mail.example"


def code_in(text: str) -> str:
    found = re.search(r"\b\d{6}\b", text)
    assert found
    return found[0]


def until(condition: Callable[[], Any], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.fixture(params=["a Celery worker", "threads"])
def place(request: pytest.FixtureRequest, tmp_path: Path, redis_url: str) -> Iterator[Place]:
    names = [f"p{number}" for number in range(PEOPLE)]
    person = {"password": PASSWORD, "clients": ["*"], "email_verified": True}
    declared = {
        "clients": [{"client_id": CLIENT, "name": "Faults", "mfa": {"mode": "required"}}],
        "users": [
            *({**person, "username": name, "email": mailbox(name)} for name in [*names, "first"]),
            {
                "username": "marc",
                "password": PASSWORD,
                "clients": ["*"],
                "mobile_phone": MOBILE,
                "mobile_verified": True,
            },
        ],
    }
    with fresh_database(tmp_path) as url, moody() as mail, sms_gateway() as sms:
        provision(url, declared)
        said = {
            "REDIS_URL": redis_url if request.param == "a Celery worker" else "",
            "EMAIL_URL": f"smtp://127.0.0.1:{mail.port}",
            "SMS_URL": sms.url,
            "OTP_LIFETIME": "300",  # A busy machine may need more than a minute for what follows.
        }
        with serve(url, tmp_path, background=True, environment=said) as server:
            place = Place(server, mail, sms)
            place.send("first")
            # Celery's worker is up when this one has come.
            assert until(lambda: mail.texts_for(mailbox("first")), 60), server.log_text()
            mail.begun = 0
            yield place


def states(server: Server) -> Counter[str]:
    with psycopg.connect(server.database_url) as connection:
        return Counter(state for (state,) in connection.execute("SELECT state FROM mfa_delivery"))


def completed(server: Server) -> Counter[str]:
    with psycopg.connect(server.database_url) as connection:
        found = connection.execute(
            "SELECT username FROM identity_auditevent WHERE event = 'sign_in.completed' AND outcome = 'success'"
        )
        return Counter(name for (name,) in found)


def test_nobody_waits_for_it_and_every_code_arrives_once_it_is_well(place: Place) -> None:
    mail = place.mail
    phone = with_apps({"DATABASE_URL": place.server.database_url}, 1)["p0"]
    mail.moods = {mailbox("p1"): "hang", mailbox("p2"): "drop", mailbox("p3"): "take and drop"}
    # The three moods, at the same time.
    asked: dict[str, Sent] = {}
    askers = [
        threading.Thread(target=lambda name=name: asked.update({name: place.send(name)})) for name in ("p1", "p2", "p3")
    ]
    for asker in askers:
        asker.start()
    assert until(lambda: mail.begun >= 3, 30)

    # Whoever needs no mail, and whoever's mail is well, notices nothing.
    began = time.monotonic()
    client, answer = place.opened("p0")
    assert client.code_step(answer, phone.code()).status == SUCCESS
    assert time.monotonic() - began < HURRY
    well = place.send("p4")
    assert (well.said.status, well.seconds < HURRY) == (WAITING, True)
    assert until(lambda: mail.texts_for(mailbox("p4")), SOON)
    assert well.give(code_in(mail.texts_for(mailbox("p4"))[0])).status == SUCCESS
    text = place.send("marc", "SMS")
    assert (text.said.status, text.seconds < HURRY) == (WAITING, True)
    assert until(lambda: len(place.sms.received) == 1, SOON)

    # Those who asked were answered in time, with the truth as far as it was known.
    for asker in askers:
        asker.join()
    assert all(sent.seconds < PATIENCE + HURRY for sent in asked.values()), asked
    assert {name: sent.said.status for name, sent in asked.items()} == {
        "p1": WAITING,
        "p2": FAILED_SENDING,
        "p3": FAILED_SENDING,
    }
    assert {sent.said.http_status for sent in asked.values()} == {400}

    mail.moods.clear()
    for name, sent in asked.items():
        assert until(lambda name=name: mail.texts_for(mailbox(name)), 90), name  # type: ignore[misc]
        assert sent.give(code_in(mail.texts_for(mailbox(name))[0])).status == SUCCESS, name
    assert until(lambda: set(states(place.server)) == {"sent"}, 90), states(place.server)

    # A message that the server took before it hung up came twice; both copies say the same, and the code opens one door.
    assert until(lambda: len(mail.texts_for(mailbox("p3"))) == 2, 90)
    assert len(set(mail.texts_for(mailbox("p3")))) == 1
    assert [len(mail.texts_for(mailbox(name))) for name in ("p1", "p2", "p4")] == [1, 1, 1]
    for name, sent in asked.items():
        again = sent.give(code_in(mail.texts_for(mailbox(name))[0]))
        assert again.status & CANCELLED == CANCELLED
    assert completed(place.server) == Counter(["p0", "p1", "p2", "p3", "p4"])
    assert '"unhandled"' not in place.server.log_text()


def test_a_mail_server_that_hangs_for_everybody_holds_up_no_text_message(place: Place) -> None:
    mail = place.mail
    names = [f"p{number}" for number in range(PEOPLE)]
    mail.moods = {mailbox(name): "hang" for name in names}
    asked: dict[str, Sent] = {}
    askers = [threading.Thread(target=lambda name=name: asked.update({name: place.send(name)})) for name in names]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert {sent.said.status for sent in asked.values()} == {WAITING}
    assert all(sent.seconds < PATIENCE + HURRY for sent in asked.values())
    text = place.send("marc", "SMS")
    assert (text.said.status, text.seconds < PATIENCE + HURRY) == (WAITING, True)
    # Behind twelve who each hang for ten seconds it would have come half a minute later.
    assert until(lambda: len(place.sms.received) == 1, SOON)
    mail.moods.clear()
    assert until(lambda: all(mail.texts_for(mailbox(name)) for name in names), 90), states(place.server)
    for name, sent in asked.items():
        assert sent.give(code_in(mail.texts_for(mailbox(name))[0])).status == SUCCESS, name
    assert completed(place.server) == Counter(names)
    assert until(lambda: set(states(place.server)) == {"sent"}, 90)
    assert '"unhandled"' not in place.server.log_text()
