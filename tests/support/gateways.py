"""Gateways that tests send to: one inside the process that refuses, and real servers on loopback."""

import asyncio
import json
import smtplib
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage as ParsedMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext
from typing import Any
from urllib.parse import unquote

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend


class RefusingBackend(BaseEmailBackend):
    """A mail server that says "later" to everybody."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        raise smtplib.SMTPDataError(451, b"4.7.1 greylisted, and here stands what you sent")


@dataclass
class MailServer:
    """A real SMTP server. `answer` says what it replies to a message, `seconds` how long it takes over one; `received`
    is what it took, in order, `begun` how many it was offered."""

    port: int = 0
    received: list[ParsedMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    answer: Callable[[], str] = lambda: "250 OK"
    seconds: Callable[[], float] = lambda: 0.0
    implicit_tls: bool = False
    begun: int = 0
    encrypted: list[bool] = field(default_factory=list)

    def has_begun_after(self, count: int) -> bool:
        """Whether more than `count` messages were offered so far."""
        return self.begun > count

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """What aiosmtpd calls for each message."""
        self.begun += 1
        await asyncio.sleep(self.seconds())
        said = self.answer()
        if said.startswith("2"):
            assert isinstance(envelope.content, bytes)
            parsed = message_from_bytes(envelope.content, policy=policy.default)
            self.received.append(parsed)
            self.encrypted.append(session.ssl is not None or self.implicit_tls)
            self.recipients.extend(envelope.rcpt_tos)
        return said


@contextmanager
def mail_server(*, tls: SSLContext | None = None, start_tls: bool = False) -> Iterator[MailServer]:
    """A mail server on a free port of loopback; with `tls` it asks for TLS, from the start or after STARTTLS."""
    server = MailServer(implicit_tls=tls is not None and not start_tls)
    how = {"tls_context": tls, "require_starttls": True} if start_tls else {"ssl_context": tls}
    with listening(server, **how):
        yield server


@contextmanager
def listening(server: MailServer, **how: Any) -> Iterator[None]:
    """The mail server is there while the block runs; its `port` is set. `how` is said to aiosmtpd."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server.port = listener.getsockname()[1]
        controller = _OnSocket(server, listener, **how)
        controller.start()
        try:
            yield
        finally:
            controller.stop()


class _OnSocket(Controller):
    """Takes a socket that is bound: a port that was free a moment ago may be somebody else's by now."""

    def __init__(self, server: MailServer, listener: socket.socket, **how: Any) -> None:
        super().__init__(server, hostname="127.0.0.1", port=server.port, ready_timeout=60, **how)
        self.listener = listener

    def _create_server(self) -> Awaitable[asyncio.AbstractServer]:
        return self.loop.create_server(self._factory_invoker, sock=self.listener, ssl=self.ssl_context)


def _set() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


@dataclass
class SmsGateway:
    """A real HTTP gateway. `received` holds (path, message); `status` is what it answers, after `seconds`.

    `begun` counts the messages it was offered. While `goes_on` is cleared it answers none of them.
    """

    url: str = ""
    received: list[tuple[str, str]] = field(default_factory=list)
    status: int = 200
    seconds: float = 0.0
    begun: int = 0
    goes_on: threading.Event = field(default_factory=_set)

    def wait_for_one(self) -> None:
        """Until it has been offered a message."""
        deadline = time.monotonic() + 30
        while not self.begun:
            assert time.monotonic() < deadline, "no message came"
            time.sleep(0.01)


@contextmanager
def sms_gateway() -> Iterator[SmsGateway]:
    """A gateway on a free port of loopback; its `url` is what SMS_URL says."""
    gateway = SmsGateway()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            gateway.begun += 1
            time.sleep(gateway.seconds)
            gateway.goes_on.wait(60)
            if gateway.status < 300:
                gateway.received.append((unquote(self.path), body["message"]))
            self.send_response(gateway.status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  The name is the base class's.
            """Nothing: what it was sent is secret."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    # Apprise gives a gateway 4 s to answer; one that waits for its test may need more.
    gateway.url = f"json://127.0.0.1:{server.server_address[1]}/sms/{{to}}?rto=60"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield gateway
    finally:
        gateway.goes_on.set()
        server.shutdown()
        server.server_close()
        thread.join()
