"""zeep, which knows nothing of ours, reads the WSDL over HTTP and calls both operations in both versions."""

from __future__ import annotations

import time
from typing import Any

import pytest
import zeep
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from mfa.primitives import totp

# The live server needs a database of its own accord; the calls do not.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def service(live_server: LiveServer, settings: Settings, request: pytest.FixtureRequest) -> Any:
    settings.PUBLIC_URL = live_server.url
    settings.ALLOWED_HOSTS = ["*"]
    client: Any = zeep.Client(f"{live_server.url}/api.asmx?WSDL")  # type: ignore[no-untyped-call]
    return client.bind("AuthenticatorAPI", request.param)


soap_ports = pytest.mark.parametrize("service", ["AuthenticatorAPISoap", "AuthenticatorAPISoap12"], indirect=True)
http_ports = pytest.mark.parametrize("service", ["AuthenticatorAPIHttpGet", "AuthenticatorAPIHttpPost"], indirect=True)


@soap_ports
def test_zeep_pairs(service: Any, settings: Settings) -> None:
    found = service.Pair(appName="MyApp", appInfo="John", secretCode="12345678BXYT")
    assert found.ManualSetupCode == "GEZDGNBVGY3TQQSYLFKA"
    assert found.Html == (
        f"<a title='Manually pair with GEZDGNBVGY3TQQSYLFKA' href='{settings.PUBLIC_URL}'>"
        f"<img src='{settings.PUBLIC_URL}/qr.aspx?size=300x300&data=otpauth%3A%2F%2Ftotp%2FJohn%3Fsecret%3D"
        "GEZDGNBVGY3TQQSYLFKA%26issuer%3DMyApp' border=0></a>"
    )


@soap_ports
def test_zeep_validates(service: Any, secret: str) -> None:
    pin = totp.code_at(totp.decoded_base32(secret) or b"", time.time())
    assert service.ValidatePin(pin=pin, secretCode=secret) is True
    assert service.ValidatePin(pin="no PIN", secretCode=secret) is False


@soap_ports
def test_zeep_raises_our_faults(service: Any, secret: str) -> None:
    with pytest.raises(zeep.exceptions.Fault, match=r"Missing parameter: secretCode\."):
        service.ValidatePin(pin="123456")
    for _ in range(10):
        assert service.ValidatePin(pin="no PIN", secretCode=secret) is False
    with pytest.raises(zeep.exceptions.Fault, match="Too many wrong PINs"):
        service.ValidatePin(pin="no PIN", secretCode=secret)


@http_ports
def test_zeep_speaks_the_plain_http_bindings_too(service: Any, secret: str) -> None:
    pin = totp.code_at(totp.decoded_base32(secret) or b"", time.time())
    assert service.ValidatePin(pin=pin, secretCode=secret) is True
    assert service.Pair(appName="a", appInfo="b", secretCode="1234").ManualSetupCode == "GEZDGNA"
