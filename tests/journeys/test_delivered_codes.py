"""Codes by e-mail and SMS, from enrolment to token: real server, real mail server, real gateway.

On PostgreSQL the server brings its Celery worker and beat; on SQLite its own threads send.
"""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.support.gateways import MailServer, SmsGateway, mail_server, sms_gateway
from tests.support.server import Server
from tests.support.visual_guard import (
    ENROLMENT_REQUIRED,
    FACTOR_REQUIRED,
    SUCCESS,
    WAITING,
    WRONG_CODE,
    Answer,
    VisualGuardClient,
)

PASSWORD = "a password of its own"
MOBILE = "+33612345678"


@dataclass
class Place:
    """A server and what it sends to."""

    server: Server
    mail: MailServer
    sms: SmsGateway

    def client(self, username: str) -> VisualGuardClient:
        return VisualGuardClient.of_server(self.server, "delivered_Native", username=username, password=PASSWORD)

    def mailed(self, subject: str, number: int = 1) -> str:
        """The text of the `number`-th mail with this subject, once it has come."""
        return _soon(lambda: [_text(mail) for mail in self.mail.received if mail["Subject"] == subject], number)

    def texted(self, part: str) -> str:
        """The text message to the mobile that has this part."""
        return _soon(lambda: [text for path, text in self.sms.received if path == f"/sms/{MOBILE}" and part in text], 1)


def _text(mail: object) -> str:
    body = mail.get_body(("plain",))  # type: ignore[attr-defined]
    return str(body.get_content())


def _soon(received: Callable[[], list[str]], number: int) -> str:
    deadline = time.monotonic() + 60
    while len(received()) < number:
        assert time.monotonic() < deadline, "no message came"
        time.sleep(0.05)
    return received()[number - 1]


def _code(text: str) -> str:
    found = re.search(r"\b\d{6}\b", text)
    assert found
    return found[0]


@pytest.fixture
def place(start_server: Callable[..., Server]) -> Iterator[Place]:
    person = {"password": PASSWORD, "clients": ["*"]}
    declared = {
        "clients": [{"client_id": "delivered_Native", "name": "Payroll", "mfa": {"mode": "required"}}],
        "users": [
            {**person, "username": "anna", "email": "anna@mail.example"},
            {**person, "username": "marc", "mobile_phone": MOBILE},
        ],
    }
    with mail_server() as mail, sms_gateway() as sms:
        environment = {"EMAIL_URL": f"smtp://127.0.0.1:{mail.port}", "SMS_URL": sms.url}
        yield Place(start_server(declared, background=True, environment=environment), mail, sms)


def _send(client: VisualGuardClient, asked: Answer, transport: str) -> Answer:
    return client.token(
        AuthenticationRequestId=asked.request_id, MFAAvailableId=asked.factor_id(transport), MFAAction="SendOTP"
    )


def test_a_person_enrols_a_mailbox_and_signs_in_with_it(place: Place) -> None:
    client = place.client("anna")
    first = client.password_step()
    assert first.status == ENROLMENT_REQUIRED
    stranger = client.enrolment("SendEmailVerification", first.request_id, destination="thief@mail.example")
    assert stranger.http_status == 403
    sent = client.enrolment("SendEmailVerification", first.request_id, destination=" Anna@MAIL.example ")
    assert (sent.http_status, sent.document["Status"]) == (200, 3)
    confirming = _code(place.mailed("Confirm that this is yours"))
    wrong = f"{(int(confirming) + 1) % 10**6:06}"
    assert client.enrolment("ValidateEmail", first.request_id, secureCode=wrong).document["Status"] == 5
    assert client.enrolment("ValidateEmail", first.request_id, secureCode=confirming).document["Status"] == 3
    tokens = client.redeem(first.request_id)
    assert tokens.status == SUCCESS
    assert "Account: anna" in place.mailed("A new way to sign in was added to your account")

    second = client.password_step()
    assert second.status == FACTOR_REQUIRED
    assert second.factors[0]["DestinationDisplay"] == "a**a@m***.example"
    assert _send(client, second, "Email").status == WAITING
    old = _code(place.mailed("Your sign-in code"))
    assert _send(client, second, "Email").status == WAITING
    new = _code(place.mailed("Your sign-in code", 2))
    assert client.code_step(second, old, factor=second.factor_id("Email")).status == WRONG_CODE
    assert client.code_step(second, confirming, factor=second.factor_id("Email")).status == WRONG_CODE
    passed = client.code_step(second, new, factor=second.factor_id("Email"))
    assert (passed.status, passed.document["AuthenticationMethod"]) == (SUCCESS, "OTP")

    third = client.password_step()
    assert client.code_step(third, new, factor=third.factor_id("Email")).status == WRONG_CODE, "spent"
    said = place.server.log_text()
    for secret in (confirming, old, new, "anna@mail.example"):
        # Six digits may stand by chance in an id, or be the fraction of a second.
        assert not re.search(rf"(?<![0-9a-f.]){re.escape(secret)}(?![0-9a-f])", said), "the server's log names nobody"


def test_a_person_enrols_a_mobile_and_signs_in_with_it(place: Place) -> None:
    client = place.client("marc")
    first = client.password_step()
    sent = client.enrolment("SendMobileNumberVerification", first.request_id, destination="+33 6 12 34 56 78")
    assert (sent.http_status, sent.document["Status"]) == (200, 3)
    confirmed = client.enrolment(
        "ValidateMobileNumber", first.request_id, secureCode=_code(place.texted("confirms this number"))
    )
    assert confirmed.document["Status"] == 3
    codes = client.enrolment("GetRecoveryCodes", first.request_id).document
    assert client.redeem(first.request_id).status == SUCCESS

    second = client.password_step()
    assert second.factors[0]["DestinationDisplay"] == "+33*******78"
    assert _send(client, second, "SMS").status == WAITING
    assert place.texted("a new authenticator"), "there is no verified address to tell"
    code = _code(place.texted("is your sign-in code"))
    assert client.code_step(second, code, factor=second.factor_id("SMS")).status == SUCCESS

    third = client.password_step()
    recovery = next(value for value in codes.values() if isinstance(value, list))[0]
    assert client.code_step(third, recovery.lower(), factor=third.factor_id("SMS")).status == SUCCESS
    assert "9 left" in place.texted("a recovery code was used")
    said = place.server.log_text()
    assert MOBILE not in said
    assert MOBILE[1:] not in said
    assert recovery not in said


def test_a_gateway_that_is_away_is_told_to_the_client(place: Place) -> None:
    place.sms.status = 503
    client = place.client("marc")
    first = client.password_step()
    sent = client.enrolment("SendMobileNumberVerification", first.request_id, destination=MOBILE)
    # Within three seconds it is either refused or still under way: Celery may have its worker still to start.
    assert (sent.http_status, sent.document["Status"]) in {(503, 1), (200, 3)}
    place.sms.status = 200
    assert _code(place.texted("confirms this number")), "and goes once the gateway is back"
