"""Gateways that tests send to: one inside the process that refuses, and real servers on loopback."""

import asyncio
import json
import smtplib
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage as ParsedMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext
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
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server.port = listener.getsockname()[1]
    how = {"tls_context": tls, "require_starttls": True} if start_tls else {"ssl_context": tls}
    controller = Controller(server, hostname="127.0.0.1", port=server.port, **how)
    controller.start()
    try:
        yield server
    finally:
        controller.stop()


@dataclass
class SmsGateway:
    """A real HTTP gateway. `received` holds (path, message); `status` is what it answers, after `seconds`."""

    url: str = ""
    received: list[tuple[str, str]] = field(default_factory=list)
    status: int = 200
    seconds: float = 0.0


@contextmanager
def sms_gateway() -> Iterator[SmsGateway]:
    """A gateway on a free port of loopback; its `url` is what SMS_URL says."""
    gateway = SmsGateway()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            time.sleep(gateway.seconds)
            if gateway.status < 300:
                gateway.received.append((unquote(self.path), body["message"]))
            self.send_response(gateway.status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  The name is the base class's.
            """Nothing: what it was sent is secret."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    gateway.url = f"json://127.0.0.1:{server.server_address[1]}/sms/{{to}}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield gateway
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
