"""Our own server under measurement: the people it is given, and each operation over HTTP."""

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench import seed
from bench.load import Answer, Operation, Turns, expect, form, request
from bench.seed import CLIENT, PASSWORD
from bench.services import Services
from bench.serving import MANAGE, ROOT, Seeder, Served, production, served
from tests.support.soft_authenticator import SoftAuthenticator

ENROL = "/api/MFAEnrollment"
SCOPE = "offline_access"
_addresses = itertools.count()


def code_of(secret: bytes, now: float | None = None) -> str:
    """What the phone shows."""
    return SoftAuthenticator(secret, "", "").code(now)


def forwarded() -> str:
    """People come from many networks, each under the limit of one address."""
    number = next(_addresses) % 60_000
    return f"X-Forwarded-For: 10.{number >> 8 & 255}.{number & 255}.7"


@dataclass
class Stepward:
    """The running server, and who is due next: nobody comes twice within a time step."""

    served: Served
    seeder: Seeder
    environment: Mapping[str, str]
    having: int
    cookie: str
    _next_lacking: int = field(default=seed.WITHOUT_FROM)
    tokens: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._turns = Turns(self.having)

    def take(self, count: int) -> range:
        """The next people with an app."""
        return self._turns.take(count)

    def begin_anew(self) -> None:
        """Everybody may come again at once; whoever calls has seen to it that no step is spent."""
        self._turns = Turns(self.having)

    # What a caller does.

    def password(self, number: int) -> bytes:
        fields = {"client_id": CLIENT, "grant_type": "VGAuthenticator", "scope": SCOPE}
        fields |= {"Username": seed.name_of(number), "Password": PASSWORD}
        return form("/connect/token", fields, forwarded())

    def code(self, number: int, request_id: str) -> bytes:
        fields = {"client_id": CLIENT, "grant_type": "VGAuthenticator", "AuthenticationRequestId": request_id}
        fields |= {"MFAAvailableId": seed.factor_of(number), "MFAAction": "3"}
        return form("/connect/token", {**fields, "MFASecureCode": code_of(seed.secret_of(number))}, forwarded())

    def sign_in(self, number: int) -> Operation:
        due = expect((yield self.password(number)), 400)
        self._keep(expect((yield self.code(number, due.text_after(b'"RequestId": "'))), 200))

    def password_step(self, number: int) -> Operation:
        due = expect((yield self.password(number)), 400)
        assert b"MFA_AuthenticationRequired" in due.body, due.body

    def code_step(self, number: int, request_id: str) -> Operation:
        self._keep(expect((yield self.code(number, request_id)), 200))

    def refresh(self) -> Operation:
        fields = {"client_id": CLIENT, "grant_type": "refresh_token", "refresh_token": self.tokens.pop()}
        self._keep(expect((yield form("/connect/token", fields, forwarded())), 200))

    def qr(self, request_id: str, into: dict[str, bytes]) -> Operation:
        target = f"{ENROL}/EnrollUserToMicrosoftAuthenticatorByImage?requestId={request_id}"
        into[request_id] = expect((yield request("GET", target, b"", forwarded())), 200).body

    def confirm(self, request_id: str, secret: bytes) -> Operation:
        fields = {"requestId": request_id, "secureCode": code_of(secret)}
        expect((yield form(f"{ENROL}/ValidateMicrosoftTOTP", fields, forwarded())), 200)

    def confirm_shown(self, request_id: str, png: bytes) -> Operation:
        """The picture is read now, the code computed when its turn comes."""
        return self.confirm(request_id, secret_in(png))

    def qr_alone(self, number: int) -> Operation:
        uri = f"otpauth%3A%2F%2Ftotp%2FBench%3Ap{number}%3Fsecret%3DGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ%26issuer%3DBench"
        got = expect((yield request("GET", f"/qr.aspx?size=300x300&data={uri}", b"", forwarded())), 200)
        assert got.body.startswith(b"\x89PNG"), got.body[:40]

    def validate(self, number: int) -> Operation:
        pin = code_of(b"12345678901234567890")
        target = f"/Validate.aspx?Pin={pin}&SecretCode=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
        got = expect((yield request("GET", target, b"", forwarded())), 200)
        assert got.body == b"True", got.body

    def people_page(self, number: int) -> Operation:
        target = "/admin/identity/user/"
        got = expect((yield request("GET", target, b"", forwarded(), f"Cookie: {self.cookie}")), 200)
        assert b"result_list" in got.body, got.body[:400]

    def empty(self, number: int) -> Operation:
        expect((yield request("GET", "/healthz", b"", forwarded())), 200)

    # What they need first.

    def code_steps(self, count: int) -> Iterator[Operation]:
        """So many code steps whose password steps have been."""
        numbers = self.take(count)
        ids = self.seeder.call("requests", "code", numbers.start, count)
        return (self.code_step(number, request_id) for number, request_id in zip(numbers, ids, strict=True))

    def enrolments(self, count: int) -> list[str]:
        """Requests of people who have nothing yet."""
        start, self._next_lacking = self._next_lacking, self._next_lacking + count
        ids: list[str] = self.seeder.call("requests", "enrolment", start, count)
        return ids

    def _keep(self, answer: Answer) -> None:
        self.tokens.append(answer.text_after(b'"refresh_token": "'))


def secret_in(png: bytes) -> bytes:
    """What a phone reads."""
    return SoftAuthenticator.scan(png).secret


@contextmanager
def running(services: Services, folder: Path, *, having: int, lacking: int, number: int = 0) -> Iterator[Stepward]:
    """A migrated and filled database, and the server that production starts on it."""
    name = f"stepward{number}"
    url = services.database(name)
    environment = production(services, url, number, folder)
    manage = {**os.environ, **environment}
    subprocess.run([*MANAGE, "migrate", "-v0"], env=manage, cwd=ROOT, check=True)
    subprocess.run(
        [*MANAGE, "provision", "-"],
        env=manage,
        cwd=ROOT,
        check=True,
        input=json.dumps(seed.DECLARED),
        text=True,
        stdout=subprocess.DEVNULL,
    )
    with ExitStack() as stack:
        seeder = Seeder([sys.executable, "-m", "bench.seed"], environment)
        stack.callback(seeder.close)
        seeder.call("people", having, lacking)
        cookie = seeder.call("panel")
        command = [*MANAGE, "serve", "--no-migrate"]
        server = stack.enter_context(
            served(
                name,
                command,
                environment,
                services,
                database=name,
                port=int(environment["PORT"]),
                probe="/healthz",
                folder=folder,
            )
        )
        yield Stepward(server, seeder, environment, having, cookie)
