"""Messages as real gateways receive them: SMTP through Django, SMS through Apprise."""

import uuid
from collections.abc import Iterator

import pytest
from pytest_django import Settings

from mfa.delivery import email, messages, sms
from mfa.delivery.gateways import Refused
from tests.support.gateways import MailServer, SmsGateway, mail_server, sms_gateway

FACTS = {
    "code": "012345",
    "username": "tt29",
    "application": "Payroll & Co",
    "address": "198.51.100.7",
    "at": "2026-06-01T12:00:00+00:00",
    "seconds": 60,
}


@pytest.fixture
def smtp(settings: Settings) -> Iterator[MailServer]:
    with mail_server() as server:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        settings.DEFAULT_FROM_EMAIL = "sign-in@example.org"
        yield server


@pytest.fixture
def gateway(settings: Settings) -> Iterator[SmsGateway]:
    with sms_gateway() as server:
        settings.SMS_URL = server.url
        yield server


def test_an_email_arrives_whole(smtp: MailServer) -> None:
    delivery_id = uuid.uuid4()
    email.send(messages.email("sign_in_code", "de", FACTS), "m.m@gmail.com", delivery_id)
    [mail] = smtp.received
    assert smtp.recipients == ["m.m@gmail.com"]
    assert mail["Subject"] == "Ihr Anmeldecode"
    assert mail["From"] == "sign-in@example.org"
    assert mail["Message-ID"] == f"<{delivery_id}@localhost>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Content-Language"] == "de"
    plain, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert plain
    assert html
    assert "    012345" in plain.get_content()
    assert "012345</p>" in html.get_content()
    assert "Payroll &amp; Co" in html.get_content()
    assert '<html lang="de">' in html.get_content()


@pytest.mark.parametrize(
    ("answer", "reason", "for_good"),
    [
        ("451 4.7.1 later", "SMTPDataError 451", False),
        ("554 5.7.1 never", "SMTPDataError 554", True),
    ],
)
def test_what_a_mail_server_refuses_is_told_without_its_words(
    smtp: MailServer, answer: str, reason: str, for_good: bool
) -> None:
    smtp.answer = lambda: answer
    with pytest.raises(Refused) as refused:
        email.send(messages.email("sign_in_code", "en", FACTS), "m.m@gmail.com", uuid.uuid4())
    assert refused.value.reason == reason
    assert refused.value.for_good is for_good


def test_a_mail_server_that_is_not_there_is_tried_again(smtp: MailServer, settings: Settings) -> None:
    settings.EMAIL_PORT = 1  # Nothing listens on it.
    with pytest.raises(Refused) as refused:
        email.send(messages.email("sign_in_code", "en", FACTS), "m.m@gmail.com", uuid.uuid4())
    assert refused.value.reason == "ConnectionRefusedError"
    assert not refused.value.for_good


def test_without_a_mail_server_nothing_is_sent(settings: Settings) -> None:
    settings.EMAIL_BACKEND = ""
    with pytest.raises(Refused) as refused:
        email.send(messages.email("sign_in_code", "en", FACTS), "m.m@gmail.com", uuid.uuid4())
    assert refused.value.for_good


def test_an_sms_arrives_at_the_number(gateway: SmsGateway) -> None:
    sms.send(messages.sms("sign_in_code", "en", FACTS), "+33612345678")
    [(path, message)] = gateway.received
    assert path == "/sms/+33612345678"
    assert message.startswith("Stepward: 012345 is your sign-in code.")
    # What phones read to fill the code in on the right site alone.
    assert message.endswith("@localhost #012345")


def test_an_sms_gateway_that_refuses_is_tried_again(gateway: SmsGateway) -> None:
    gateway.status = 500
    with pytest.raises(Refused) as refused:
        sms.send("text", "+33612345678")
    assert not refused.value.for_good


def test_a_gateway_url_that_names_no_gateway_is_not_tried_again(settings: Settings) -> None:
    settings.SMS_URL = "nosuchthing://{to}"
    with pytest.raises(Refused) as refused:
        sms.send("text", "+33612345678")
    assert refused.value.for_good


def test_an_sms_goes_to_the_console_in_development_alone(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.SMS_URL, settings.SMS_TO_CONSOLE = "", True
    sms.send("the text", "+33612345678")
    assert "SMS to +33612345678\nthe text" in capsys.readouterr().out
    settings.SMS_TO_CONSOLE = False
    with pytest.raises(Refused) as refused:
        sms.send("the text", "+33612345678")
    assert refused.value.for_good
    assert capsys.readouterr().out == ""
