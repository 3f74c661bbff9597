"""A client that was written for Visual Guard: it speaks to a real server, or to the views inside this process."""

import http.client
import json
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlencode

from django.test import Client as DjangoClient

from tests.support.server import Server
from tests.support.soft_authenticator import SoftAuthenticator

ENROL = "/api/MFAEnrollment/"
FACTOR_REQUIRED, ENROLMENT_REQUIRED, SUCCESS = 134217729, 268435457, 2048
WRONG_CODE, CANCELLED, WAITING, WRONG_PASSWORD, LOCKED_OUT = 524289, 129, 1048577, 9, 5
NO_REQUEST = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True)
class Answer:
    """One answer: its status, its headers by lower-case name, its body."""

    http_status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def status(self) -> int:
        """`AuthenticationState.Status`, the sum of the flags."""
        return int(self.document["VGResponse"]["AuthenticationState"]["Status"])

    @property
    def request_id(self) -> str:
        return str(self.document["VGResponse"]["RequestId"])

    @property
    def factors(self) -> list[dict[str, Any]]:
        return list(self.document["VGResponse"]["AuthenticationResponse"]["MFAAvailables"])

    def factor_id(self, transport: str = "MicrosoftAuthenticator", mode: str = "OTP") -> str:
        """The `MFAAvailableId` of the first factor of this transport and mode."""
        return next(
            str(factor["Id"])
            for factor in self.factors
            if (factor["TransportModeDisplay"], factor["AuthenticationModeDisplay"]) == (transport, mode)
        )


Send = Callable[..., Answer]


@dataclass
class VisualGuardClient:
    """An application that signs people in. `send(method, path, …)` brings a request to the server."""

    send: Send
    client_id: str
    client_secret: str = ""
    username: str = "tt29"
    password: str = "a password of its own"
    fields: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of_server(cls, server: Server, client_id: str, **more: Any) -> Self:
        """Over HTTP; its connections are closed when nobody holds the client any more."""
        wire = _Wire(server.port)
        client = cls(wire.send, client_id, **more)
        weakref.finalize(client, wire.close)
        return client

    @classmethod
    def in_process(cls, client_id: str, **more: Any) -> Self:
        """Through Django's own test client: no socket, and the test's own transaction."""
        inside = DjangoClient(raise_request_exception=True)

        def send(method: str, path: str, **how: Any) -> Answer:
            target, body, headers = _written(path, how)
            address = {"REMOTE_ADDR": how["address"]} if "address" in how else {}
            kind = headers.pop("content-type", "application/octet-stream")
            response = inside.generic(method, target, body, kind, headers=headers, **address)
            return Answer(
                response.status_code, {name.lower(): value for name, value in response.items()}, response.content
            )

        return cls(send, client_id, **more)

    # Section 2.

    def token(self, *, how: Mapping[str, Any] | None = None, **fields: Any) -> Answer:
        """POST /connect/token with these fields beside the client's own."""
        own = {"client_id": self.client_id, "grant_type": "VGAuthenticator"}
        own |= {"client_secret": self.client_secret} if self.client_secret else {}
        return self.send("POST", "/connect/token", data={**own, **self.fields, **fields}, **(how or {}))

    def password_step(self, *, how: Mapping[str, Any] | None = None, **fields: Any) -> Answer:
        return self.token(how=how, **{"Username": self.username, "Password": self.password, **fields})

    def code_step(self, answer: Answer, code: str, *, factor: str = "", **fields: Any) -> Answer:
        """Submit a code for the request of `answer`; for its app unless `factor` says otherwise."""
        given = {
            "AuthenticationRequestId": answer.request_id,
            "MFAAvailableId": factor or answer.factor_id(),
            "MFAAction": "3",
            "MFASecureCode": code,
        }
        return self.token(**{**given, **fields})

    def redeem(self, request_id: str, **fields: Any) -> Answer:
        return self.token(AuthenticationRequestId=request_id, **fields)

    def refresh(self, refresh_token: str, **fields: Any) -> Answer:
        return self.token(grant_type="refresh_token", refresh_token=refresh_token, **fields)

    # Section 3.

    def enrolment(self, call: str, request_id: str, *, method: str = "POST", **fields: Any) -> Answer:
        given = {"requestId": request_id, **fields}
        how = {"params": given} if method == "GET" else {"data": given}
        return self.send(method, f"{ENROL}{call}", **how)

    def qr(self, request_id: str) -> Answer:
        return self.enrolment("EnrollUserToMicrosoftAuthenticatorByImage", request_id, method="GET")

    def confirm(self, request_id: str, code: str) -> Answer:
        return self.enrolment("ValidateMicrosoftTOTP", request_id, secureCode=code)

    def information(self, request_id: str) -> Any:
        return self.enrolment("GetEnrollmentInformation", request_id, method="GET").document

    def enrol_app(self, request_id: str) -> SoftAuthenticator:
        """Scan the QR of a request and confirm it with the code that the phone shows."""
        phone = SoftAuthenticator.scan(self.qr(request_id).body)
        assert self.confirm(request_id, phone.code()).http_status == 200
        return phone


class _Wire:
    """Keeps connections open and uses each for one request at a time: 32 at once must not wait for their sender."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[http.client.HTTPConnection] = []

    def send(self, method: str, path: str, **how: Any) -> Answer:
        target, body, headers = _written(path, how)
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            connection.request(method, target, body, headers)
            response = connection.getresponse()
            answer = Answer(
                response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
            )
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)
        return answer

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()


def _written(path: str, how: Mapping[str, Any]) -> tuple[str, bytes, dict[str, str]]:
    """Target, body and headers of a request: `data` goes as a form, `json` as JSON, `content` as it is."""
    body, headers = how.get("content", b""), {}
    if "data" in how:
        body, headers = urlencode(how["data"]).encode(), {"content-type": "application/x-www-form-urlencoded"}
    if "json" in how:
        body, headers = json.dumps(how["json"]).encode(), {"content-type": "application/json"}
    headers |= {name.lower(): value for name, value in how.get("headers", {}).items()}
    query = urlencode(how.get("params") or {})
    return f"{path}?{query}" if query else path, body, headers
