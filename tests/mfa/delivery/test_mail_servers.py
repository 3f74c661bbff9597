"""EMAIL_URL: what each form of it means, and that a promise of TLS is kept."""

import ipaddress
import ssl
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from config import env
from config.env import MailServer as Described
from mfa.delivery import email
from mfa.delivery.gateways import Refused
from mfa.delivery.messages import Email
from tests.support.gateways import MailServer, mail_server

MESSAGE = Email("subject", "text", "<p>text</p>", "en")
BACKEND = "django.core.mail.backends.smtp.EmailBackend"


@pytest.mark.parametrize(
    ("url", "described"),
    [
        ("", Described()),
        ("smtp://mail.example.org", Described(BACKEND, "mail.example.org", 25)),
        ("smtp://u%40x:p%3A%2F@mail.example.org:2525", Described(BACKEND, "mail.example.org", 2525, "u@x", "p:/")),
        ("smtps://u:p@mail.example.org/", Described(BACKEND, "mail.example.org", 465, "u", "p", implicit_tls=True)),
        ("smtp+tls://u:p@[::1]", Described(BACKEND, "::1", 587, "u", "p", start_tls=True)),
    ],
)
def test_a_url_names_a_mail_server(url: str, described: Described) -> None:
    assert env.mail_server(url) == described


@pytest.mark.parametrize(
    "url",
    ["mail.example.org", "http://mail.example.org", "smtp://", "smtp://host:port", "smtp://host/path", "smtp://h?x"],
)
def test_what_names_no_mail_server_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ImproperlyConfigured) as refused:
        env.mail_server(url.replace("://", "://user:secret@") if url.startswith("smtp://h") else url)
    assert "secret" not in str(refused.value)


def test_the_sender_is_of_the_host_that_clients_know() -> None:
    assert env.from_address("https://id.example.org:8443/x") == "sign-in@id.example.org"


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 that nobody trusts, with its key in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a mail server")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "server.pem"
    plain = serialization.NoEncryption()
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture(params=["smtps", "smtp+tls"])
def server(request: pytest.FixtureRequest, certificate: Path, settings: Settings) -> Iterator[MailServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with mail_server(tls=context, start_tls=request.param == "smtp+tls") as running:
        use(f"{request.param}://127.0.0.1:{running.port}", settings)
        yield running


def use(url: str, settings: Settings) -> None:
    """What config.settings.base does with EMAIL_URL."""
    described = env.mail_server(url)
    settings.EMAIL_BACKEND, settings.EMAIL_HOST = described.backend, described.host
    settings.EMAIL_PORT = described.port
    settings.EMAIL_USE_SSL, settings.EMAIL_USE_TLS = described.implicit_tls, described.start_tls


def test_a_message_travels_over_tls(server: MailServer, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    email.send(MESSAGE, "tt29@mail.example", uuid.uuid4())
    assert len(server.received) == 1
    assert server.encrypted == [True]


def test_a_certificate_that_nobody_signed_gets_no_message(server: MailServer) -> None:
    with pytest.raises(Refused) as refused:
        email.send(MESSAGE, "tt29@mail.example", uuid.uuid4())
    assert refused.value.reason == "SSLCertVerificationError"
    assert server.received == []


def test_a_server_without_starttls_gets_no_message(settings: Settings) -> None:
    with mail_server() as plain:
        use(f"smtp+tls://127.0.0.1:{plain.port}", settings)
        with pytest.raises(Refused):
            email.send(MESSAGE, "tt29@mail.example", uuid.uuid4())
        assert plain.received == []
