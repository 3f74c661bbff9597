"""`/stateless/`: the page that pairs and checks, without scripts and with secrets in bodies only."""

from __future__ import annotations

import base64
import io
import re
import time

import pytest
import zxingcpp
from django.test import Client
from PIL import Image

from mfa.primitives import totp
from tests.support.soft_authenticator import qr_alone

PAIR = {"pair": "1", "pair-app_name": "Example Ltd", "pair-app_info": "ada@example.com"}


def scanned(html: str) -> str:
    encoded = re.search(r'src="data:image/png;base64,([^"]+)"', html)
    assert encoded
    [found] = zxingcpp.read_barcodes(Image.open(io.BytesIO(base64.b64decode(encoded[1]))), formats=qr_alone())
    return found.text


def test_a_new_secret_is_offered_at_every_visit(client: Client) -> None:
    offered = {re.search(r'value="([A-Z2-7]{32})"', client.get("/stateless/").text)[1] for _ in range(5)}  # type: ignore[index]
    assert len(offered) == 5


def test_the_page_pairs(client: Client, secret: str) -> None:
    response = client.post("/stateless/", PAIR | {"pair-secret_code": secret})
    assert scanned(response.text) == f"otpauth://totp/ada%40example.com?secret={secret}&issuer=Example%20Ltd"
    assert "".join(re.findall(r"<code>([A-Z2-7]{4})</code>", response.text)) == secret
    assert response.text.count(f'value="{secret}"') == 2  # The second form is ready to check the first PIN.


@pytest.mark.usefixtures("counted_in")
def test_the_page_checks_and_counts(client: Client, secret: str) -> None:
    def shown(pin: str) -> str:
        return client.post("/stateless/", {"validate": "1", "validate-pin": pin, "validate-secret_code": secret}).text

    assert "True: the PIN is right" in shown(totp.code_at(totp.decoded_base32(secret) or b"", time.time()))
    for _ in range(10):
        assert "False: this PIN" in shown("no PIN")
    assert "Too many wrong PINs" in shown("no PIN")


def test_names_are_escaped(client: Client, secret: str) -> None:
    evil = "<script>alert(1)</script>"
    response = client.post("/stateless/", PAIR | {"pair-app_name": evil, "pair-secret_code": secret})
    assert evil not in response.text
    assert "&lt;script&gt;" in response.text


@pytest.mark.parametrize(
    "given",
    [
        {"pair": "1"},
        PAIR | {"pair-secret_code": "x" * 300},
        PAIR | {"pair-secret_code": "x\x00"},
        PAIR | {"pair-app_info": ""},
        {"validate": "1"},
    ],
)
def test_what_is_missing_or_too_long_is_said_at_its_field(client: Client, given: dict[str, str]) -> None:
    response = client.post("/stateless/", given)
    assert response.status_code == 200
    assert 'class="error"' in response.text
    assert "data:image/png" not in response.text


def test_the_page_has_no_script_and_keeps_secrets_out_of_addresses(client: Client) -> None:
    html = client.get("/stateless/").text
    assert "<script" not in html
    assert "style=" not in html
    assert re.findall(r'<form method="(\w+)"', html) == ["post", "post"]
    assert client.get("/stateless/?pair=1&pair-secret_code=canary").text.count("canary") == 0


def test_the_page_is_for_no_cache_and_its_forms_are_for_this_site(client: Client) -> None:
    response = client.get("/stateless/")
    assert response["Cache-Control"] == "no-store"
    assert response["Pragma"] == "no-cache"
    assert response["Referrer-Policy"] == "strict-origin"
    strict = Client(enforce_csrf_checks=True)
    assert strict.post("/stateless/", PAIR).status_code == 403


def test_a_visit_opens_no_session(client: Client) -> None:
    client.get("/stateless/")
    assert "stepward_session" not in client.cookies


def test_other_methods_are_not_offered(client: Client) -> None:
    assert client.put("/stateless/").status_code == 405
