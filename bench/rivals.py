"""The floor and the peers under measurement: each started on the same server and database, and asked the same work."""

import json
import secrets
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import environments, seed
from bench.load import Operation, Turns, expect, form, request
from bench.services import Services
from bench.serving import ROOT, Seeder, Served, granian, served
from bench.stepward import code_of, forwarded, secret_in
from tests.support.service_keeper import free_port
from tests.support.soft_authenticator import SoftAuthenticator

PEERS = ROOT / "bench" / "peers"
THREADS = 4  # More threads make them slower: they would only wait for one another.


def json_of(target: str, document: Mapping[str, object], *headers: str, method: str = "POST") -> bytes:
    """A request with a JSON body."""
    body = json.dumps(document).encode()
    return request(method, target, body, "Content-Type: application/json", forwarded(), *headers)


@dataclass
class Rival:
    """One of them, running. People count from 0; `lacking` is the first who holds nothing."""

    served: Served
    seeder: Seeder
    having: int
    _next_lacking: int = 0

    def __post_init__(self) -> None:
        self._turns = Turns(self.having)

    def take(self, count: int) -> range:
        """The next people with an authenticator."""
        return self._turns.take(count)

    def take_lacking(self, count: int) -> range:
        start, self._next_lacking = self._next_lacking, self._next_lacking + count
        return range(self.having + start, self.having + start + count)


class Peer(Rival, ABC):
    """What can do our work: sign somebody in, take a code, enrol."""

    @abstractmethod
    def sign_ins(self, count: int) -> Iterator[Operation]:
        """Password and code of the next people."""

    @abstractmethod
    def code_steps(self, count: int) -> Iterator[Operation]:
        """The code of the next people, whose password step has been."""

    @abstractmethod
    def enrolments(self, count: int) -> list[str]:
        """Whatever stands for a person without an authenticator, whose password step has been."""

    @abstractmethod
    def begin(self, who: str, into: dict[str, bytes]) -> Operation:
        """Begin, and keep what the phone would read."""

    @abstractmethod
    def confirm(self, who: str, begun: bytes) -> Operation:
        """Read it now; send the code when the turn comes."""


@dataclass
class Floor(Rival):
    """No second factor at all."""

    step: int = 0

    def empty(self) -> Operation:
        expect((yield request("GET", "/empty")), 200)

    def update(self, number: int, step: int) -> Operation:
        got = expect((yield json_of("/floor", {"name": f"p{number}", "step": step})), 200)
        assert got.body == b'{"done":1}', got.body

    def code_steps(self, count: int) -> Iterator[Operation]:
        self.step += 1
        return (self.update(number, self.step) for number in self.take(count))


@dataclass
class OtpView(Peer):
    """django-otp in DRF views."""

    tickets: Sequence[str] = ()

    def sign_in(self, number: int) -> Operation:
        fields = {"username": f"p{number}", "password": seed.PASSWORD, **self._code(number)}
        expect((yield json_of("/sign-in", fields)), 200)

    def sign_ins(self, count: int) -> Iterator[Operation]:
        return (self.sign_in(number) for number in self.take(count))

    def _code(self, number: int) -> dict[str, str]:
        # Its migrations number the devices from 1, in the order of the people.
        return {"device": f"otp_totp.totpdevice/{number + 1}", "code": code_of(seed.secret_of(number))}

    def code_step(self, number: int, session: str) -> Operation:
        expect((yield json_of("/verify", self._code(number), f"Cookie: sessionid={session}")), 200)

    def code_steps(self, count: int) -> Iterator[Operation]:
        numbers = self.take(count)
        sessions = self.seeder.call("sessions", numbers.start, count)
        return (self.code_step(number, session) for number, session in zip(numbers, sessions, strict=True))

    def bare_step(self, number: int) -> Operation:
        expect((yield json_of("/code", {"ticket": self.tickets[number], **self._code(number)})), 200)

    def bare_steps(self, count: int) -> Iterator[Operation]:
        return (self.bare_step(number) for number in self.take(count))

    def enrolments(self, count: int) -> list[str]:
        return [self.tickets[number] for number in self.take_lacking(count)]

    def begin(self, who: str, into: dict[str, bytes]) -> Operation:
        into[who] = expect((yield json_of("/begin", {"ticket": who})), 200).body

    def confirm(self, who: str, begun: bytes) -> Operation:
        return self._confirm(who, secret_in(begun))

    def _confirm(self, ticket: str, secret: bytes) -> Operation:
        expect((yield json_of("/confirm", {"ticket": ticket, "code": code_of(secret)})), 200)


@dataclass
class Allauth(Peer):
    """django-allauth headless, for apps."""

    def sign_in(self, number: int) -> Operation:
        login = {"username": f"p{number}", "password": seed.PASSWORD}
        due = expect((yield json_of("/_allauth/app/v1/auth/login", login)), 401)
        token = json.loads(due.body)["meta"]["session_token"]
        expect((yield self._code(number, token)), 200)

    def sign_ins(self, count: int) -> Iterator[Operation]:
        return (self.sign_in(number) for number in self.take(count))

    def _code(self, number: int, token: str) -> bytes:
        fields = {"code": code_of(seed.secret_of(number))}
        return json_of("/_allauth/app/v1/auth/2fa/authenticate", fields, f"X-Session-Token: {token}")

    def code_step(self, number: int, token: str) -> Operation:
        expect((yield self._code(number, token)), 200)

    def code_steps(self, count: int) -> Iterator[Operation]:
        numbers = self.take(count)
        tokens = self.seeder.call("sessions", numbers.start, count)
        return (self.code_step(number, token) for number, token in zip(numbers, tokens, strict=True))

    def enrolments(self, count: int) -> list[str]:
        numbers = self.take_lacking(count)
        found: list[str] = self.seeder.call("enrolling", numbers.start, count)
        return found

    def begin(self, who: str, into: dict[str, bytes]) -> Operation:
        """It hands out the URI; drawing the QR is left to the app."""
        target = "/_allauth/app/v1/account/authenticators/totp"
        got = yield request("GET", target, b"", forwarded(), f"X-Session-Token: {who}")
        into[who] = json.loads(expect(got, 404).body)["meta"]["totp_url"].encode()

    def confirm(self, who: str, begun: bytes) -> Operation:
        fields = {"code": code_of(SoftAuthenticator.from_uri(begun.decode()).secret)}
        target = "/_allauth/app/v1/account/authenticators/totp"
        expect((yield json_of(target, fields, f"X-Session-Token: {who}")), 200)


@dataclass
class PrivacyIdea(Peer):
    """privacyIDEA: PIN and code in one call, as its documentation has it; every second person has no PIN."""

    admin: str = ""

    def check(self, number: int, before: str) -> Operation:
        fields = {"user": f"p{number}", "pass": before + code_of(seed.secret_of(number))}
        got = expect((yield form("/validate/check", fields, forwarded())), 200)
        assert json.loads(got.body)["result"]["value"] is True, got.body

    def sign_ins(self, count: int) -> Iterator[Operation]:
        return (self.check(number, seed.PASSWORD) for number in self.take(2 * count) if number % 2)

    def code_steps(self, count: int) -> Iterator[Operation]:
        return (self.check(number, "") for number in self.take(2 * count) if number % 2 == 0)

    def enrolments(self, count: int) -> list[str]:
        return [f"p{number}" for number in self.take_lacking(count)]

    def begin(self, who: str, into: dict[str, bytes]) -> Operation:
        fields = {"user": who, "realm": "bench", "type": "totp", "genkey": "1"}
        got = expect((yield form("/token/init", fields, f"Authorization: {self.admin}")), 200)
        detail = json.loads(got.body)["detail"]
        into[who] = json.dumps([detail["serial"], detail["googleurl"]["value"]]).encode()

    def confirm(self, who: str, begun: bytes) -> Operation:
        serial, uri = json.loads(begun)
        return self._confirm(serial, SoftAuthenticator.from_uri(uri).secret)

    def _confirm(self, serial: str, secret: bytes) -> Operation:
        fields = {"serial": serial, "type": "totp", "verify": code_of(secret)}
        got = expect((yield form("/token/init", fields, f"Authorization: {self.admin}")), 200)
        assert json.loads(got.body)["result"]["value"] is True, got.body


@dataclass(frozen=True)
class Kind:
    """How one of them is started."""

    title: str
    package: str  # its folder under bench/peers, and its pins
    made: Callable[..., Rival]
    distribution: str = ""
    own_environment: bool = True
    redis: int = 0
    application: str = "wsgi:application"
    most_a_second: int = 500  # code steps, so that enough are prepared
    people: int = 5_000  # with an authenticator
    told: str = ""  # the field that keeps what its seeding answered

    def python(self) -> Path:
        return environments.python_of(self.package) if self.own_environment else Path(sys.executable)

    def named(self) -> str:
        """With its version."""
        if not self.distribution:
            return self.title
        return f"{self.title} {environments.version_of(self.package, self.distribution)}"


FLOOR = Kind("floor", "floor", Floor, own_environment=False, people=10_000)
OTP = Kind("django-otp", "otp_view", OtpView, "django-otp", told="tickets", people=20_000)
ALLAUTH = Kind("allauth headless", "allauth_headless", Allauth, "django-allauth", redis=5, most_a_second=120)


PRIVACYIDEA = Kind(
    "privacyIDEA",
    "privacyidea_server",
    PrivacyIdea,
    "privacyIDEA",
    redis=6,
    application="privacyidea_server.application:application",
    most_a_second=30,
    people=400,
    told="admin",
)
PEERS_OF_THIS_RUN = (OTP, ALLAUTH, PRIVACYIDEA)


@contextmanager
def running(kind: Kind, services: Services, folder: Path, *, lacking: int) -> Iterator[Rival]:
    """Its database filled, and its server."""
    python, port, having = kind.python(), free_port(), kind.people
    own = folder / kind.package
    own.mkdir()
    environment = {
        "DATABASE_URL": services.database(kind.package),
        "REDIS_URL": services.redis_number(kind.redis),
        "SECRET_KEY": secrets.token_urlsafe(64),
        "DJANGO_SETTINGS_MODULE": f"{kind.package}.settings",
        "THREADS": str(THREADS),
        "BENCH_PASSWORD": seed.PASSWORD,
        "FOLDER": str(own),
        "PYTHONPATH": str(PEERS),
    }
    with ExitStack() as stack:
        seeder = Seeder([str(python), "-m", f"{kind.package}.seed"], environment, PEERS)
        stack.callback(seeder.close)
        told = seeder.call("people", having) if kind is FLOOR else seeder.call("people", having, lacking)
        command = granian(python, kind.application, port, THREADS)
        server = stack.enter_context(
            served(
                kind.package,
                command,
                environment,
                services,
                database=kind.package,
                port=port,
                probe="/",
                folder=folder,
                cwd=PEERS,
            )
        )
        yield kind.made(server, seeder, having, **({kind.told: told} if kind.told else {}))
