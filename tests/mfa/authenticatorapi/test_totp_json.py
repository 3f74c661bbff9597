"""`POST /api/totp/…`: the stateless calls for new callers."""

from __future__ import annotations

import base64
import io
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
import zxingcpp
from django.test import Client
from PIL import Image

from mfa.primitives import totp
from tests.support.soft_authenticator import qr_alone

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # RFC 6238, appendix B
URI = f"otpauth://totp/Example:ada%40example.com?secret={SECRET}&issuer=Example&algorithm=SHA1&digits=6&period=30"
PAIRED = {"secret": SECRET, "issuer": "Example", "account": "ada@example.com"}


def post(client: Client, call: str, given: Any, **headers: str) -> Any:
    return client.post(f"/api/totp/{call}", given, "application/json", headers=headers)


def scanned(picture: bytes) -> str:
    [found] = zxingcpp.read_barcodes(Image.open(io.BytesIO(picture)), formats=qr_alone())
    return found.text


@pytest.mark.parametrize(("algorithm", "bits"), [(None, 160), ("SHA1", 160), ("SHA256", 256), ("SHA512", 512)])
def test_a_new_secret_is_as_long_as_its_hash(client: Client, algorithm: str | None, bits: int) -> None:
    document = post(client, "generate", {"algorithm": algorithm} if algorithm else {}).json()
    assert document["bits"] == bits
    assert len(totp.decoded_base32(document["secret"]) or b"") * 8 == bits
    assert document["manual_key"].replace(" ", "") == document["secret"]
    assert bool(document["warnings"]) == (bits > 160)


def test_generated_secrets_are_never_the_same(client: Client) -> None:
    assert len({post(client, "generate", {}).json()["secret"] for _ in range(50)}) == 50


def test_pairing_gives_the_key_the_uri_and_the_picture(client: Client) -> None:
    document = post(client, "pair", PAIRED).json()
    kind, _, encoded = document.pop("qr").partition(",")
    assert kind == "data:image/png;base64"
    assert scanned(base64.b64decode(encoded)) == URI
    assert document == {
        "secret": SECRET,
        "manual_key": "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ",
        "uri": URI,
        "warnings": [],
    }


def test_the_picture_comes_as_png_svg_data_uri_or_not_at_all(client: Client) -> None:
    def qr(kind: str) -> Any:
        return post(client, "pair", PAIRED | {"qr": kind, "size": 400}).json()["qr"]

    png = base64.b64decode(qr("png"))
    assert Image.open(io.BytesIO(png)).size == (400, 400)
    assert qr("data_uri") == "data:image/png;base64," + base64.b64encode(png).decode()
    assert qr("svg").startswith('<svg xmlns="http://www.w3.org/2000/svg" width="400" height="400"')
    assert qr("none") is None


def test_who_accepts_a_picture_gets_the_picture_alone(client: Client) -> None:
    png = post(client, "pair", PAIRED | {"size": 250}, accept="image/png")
    assert png["Content-Type"] == "image/png"
    assert Image.open(io.BytesIO(png.content)).size == (250, 250)
    assert scanned(png.content) == URI
    svg = post(client, "pair", PAIRED, accept="image/svg+xml,*/*;q=0.1")
    assert svg["Content-Type"] == "image/svg+xml"
    assert svg.content == post(client, "pair", PAIRED | {"qr": "svg"}).json()["qr"].encode()
    refused = post(client, "pair", {}, accept="image/png")
    assert (refused.status_code, refused["Content-Type"]) == (400, "application/problem+json")


def test_what_microsoft_authenticator_would_ignore_is_said(client: Client) -> None:
    unusual = {"digits": 8, "period": 60, "algorithm": "SHA256"}
    document = post(client, "pair", PAIRED | unusual).json()
    assert [warning.split("`")[1] for warning in document["warnings"]] == ["digits", "period", "algorithm"]
    assert all("Microsoft Authenticator" in warning for warning in document["warnings"])
    query = parse_qs(urlsplit(document["uri"]).query)
    assert {name: query[name][0] for name in unusual} == {"digits": "8", "period": "60", "algorithm": "SHA256"}
    checked = post(client, "validate", {"secret": SECRET, "pin": "1", "period": 60}).json()
    assert [warning.split("`")[1] for warning in checked["warnings"]] == ["period"]


def test_a_short_secret_is_accepted_with_a_warning(client: Client) -> None:
    [warning] = post(client, "pair", PAIRED | {"secret": "JBSWY3DPEHPK3PXP"}).json()["warnings"]
    assert "80 bits" in warning


@pytest.mark.parametrize(
    ("given", "unix_time", "pin"),
    [
        ({}, 1111111109, "081804"),
        ({}, 2000000000, "279037"),
        ({"digits": 8}, 1111111109, "07081804"),
        ({"digits": 7}, 1111111109, "7081804"),
        (
            {"secret": totp.base32(b"12345678901234567890123456789012"), "digits": 8, "algorithm": "SHA256"},
            59,
            "46119246",
        ),
        ({"secret": totp.base32(b"1234567890" * 6 + b"1234"), "digits": 8, "algorithm": "SHA512"}, 59, "90693936"),
    ],
)
def test_the_vectors_of_rfc_6238(client: Client, given: dict[str, Any], unix_time: int, pin: str) -> None:
    with time_machine.travel(unix_time, tick=False):
        document = post(client, "validate", {"secret": SECRET, "pin": pin} | given).json()
    assert (document["valid"], document["time_step"]) == (True, unix_time // 30)


def test_the_window_is_the_callers(client: Client) -> None:
    now = 1111111109
    with time_machine.travel(now, tick=False):
        for window in (0, 1, 4):
            accepted = [
                offset
                for offset in range(-5, 6)
                if post(
                    client,
                    "validate",
                    {"secret": totp.base32(bytes([window]) * 20), "window": window}
                    | {"pin": totp.code_at(bytes([window]) * 20, now + 30 * offset)},
                )
                .json()
                .get("valid")
            ]
            assert accepted == list(range(-window, window + 1))


def test_a_caller_that_keeps_the_time_step_accepts_a_pin_once(client: Client) -> None:
    """RFC 6238, section 5.2. The server keeps nothing, so the caller must; this is all it needs."""
    with time_machine.travel(1111111109, tick=False):
        first = post(client, "validate", {"secret": SECRET, "pin": "081804"}).json()
        again = post(client, "validate", {"secret": SECRET, "pin": "081804", "after_step": first["time_step"]}).json()
        earlier = totp.code_at(b"12345678901234567890", 1111111079)
        before = post(client, "validate", {"secret": SECRET, "pin": earlier, "after_step": first["time_step"]}).json()
    assert (first["valid"], again["valid"], before["valid"]) == (True, False, False)
    assert again["time_step"] is None


@pytest.mark.parametrize(
    "spelling", ["GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ", "gezd-gnbv-gy3t-qojq-gezd-gnbv-gy3t-qojq", SECRET + "=="]
)
def test_a_secret_is_read_as_people_copy_it(client: Client, spelling: str) -> None:
    assert post(client, "pair", PAIRED | {"secret": spelling}).json()["uri"] == URI


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("secret", "GEZDGNBVGY3TQOJ", "at least 16"),
        ("secret", "GEZDGNBVGY3TQOJQG", "whole number of bytes"),
        ("secret", "GEZDGNBVGY3TQOJ1", "A to Z and the digits 2 to 7"),
        ("secret", "GEZDGNBVGY3TQOJ\u0660", "A to Z and the digits 2 to 7"),
        ("secret", "A" * 257, "256"),
        ("secret", "", "blank"),
        ("secret", None, "null"),
        ("secret", 1234567890123456, "valid string"),
        ("secret", ["GEZDGNBVGY3TQOJQ"], "valid string"),
        ("issuer", "", "blank"),
        ("issuer", "x" * 129, "128"),
        ("issuer", "a\u0000b", "Null"),
        ("account", {"a": 1}, "valid string"),
        ("digits", 5, "6"),
        ("digits", 9, "8"),
        ("digits", "six", "integer"),
        ("digits", True, "integer"),
        ("period", 14, "15"),
        ("period", 10**400, "300"),
        ("algorithm", "MD5", "SHA1, SHA256, SHA512"),
        ("algorithm", ["SHA1"], "SHA1, SHA256, SHA512"),
        ("qr", "jpeg", "data_uri, png, svg, none"),
        ("size", 99, "100"),
        ("size", 1001, "1000"),
    ],
)
def test_each_field_says_what_it_takes_and_repeats_nothing(client: Client, field: str, value: Any, says: str) -> None:
    response = post(client, "pair", PAIRED | {field: value})
    document = response.json()
    assert (response.status_code, response["Content-Type"]) == (400, "application/problem+json")
    assert [error["field"] for error in document["errors"]] == [field]
    assert says in document["errors"][0]["detail"]
    assert not isinstance(value, str) or len(value) < 3 or value not in response.text


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("pin", 81804),
        ("pin", None),
        ("pin", ["081804"]),
        ("pin", "0" * 65),
        ("window", -1),
        ("window", 11),
        ("window", "1.5"),
        ("after_step", -2),
    ],
)
def test_a_check_says_so_too(client: Client, field: str, value: Any) -> None:
    response = post(client, "validate", {"secret": SECRET, "pin": "081804"} | {field: value})
    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == [field]


@pytest.mark.parametrize("pin", ["", "08180", "0818044", " 081804", "081 804", "+81804", "０８１８０４"])
def test_another_spelling_of_a_pin_is_not_valid(client: Client, secret: str, pin: str) -> None:
    with time_machine.travel(1111111109, tick=False):
        assert post(client, "validate", {"secret": SECRET, "pin": pin}).json()["valid"] is False
        assert post(client, "validate", {"secret": SECRET, "pin": "081804"}).json()["valid"] is True


@pytest.mark.parametrize("call", ["generate", "pair", "validate"])
@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        ("{", "application/json", 400),
        ("[]", "application/json", 400),
        ('{"secret": "a", "Secret": "b"}', "application/json", 400),
        ("<a/>", "text/xml", 415),
        ('{"secret": "' + "A" * 70_000 + '"}', "application/json", 413),
    ],
)
def test_what_cannot_be_read_is_a_problem(client: Client, call: str, body: str, content_type: str, status: int) -> None:
    response = client.post(f"/api/totp/{call}", body, content_type)
    assert (response.status_code, response["Content-Type"]) == (status, "application/problem+json")


@pytest.mark.parametrize("call", ["generate", "pair", "validate"])
def test_a_secret_is_not_taken_from_the_address(client: Client, call: str) -> None:
    assert client.get(f"/api/totp/{call}?secret={SECRET}&pin=081804").status_code == 405
    if call != "generate":
        assert (
            client.post(
                f"/api/totp/{call}?secret={SECRET}&pin=081804&issuer=a&account=b", {}, "application/json"
            ).status_code
            == 400
        )


def test_names_of_fields_are_read_without_case_and_forms_are_read_too(client: Client) -> None:
    by_form = client.post(
        "/api/totp/pair",
        "SECRET=" + SECRET + "&Issuer=Example&account=ada%40example.com",
        "application/x-www-form-urlencoded",
    )
    assert by_form.json()["uri"] == URI


@pytest.mark.parametrize("call", ["generate", "pair", "validate"])
def test_no_answer_may_be_kept(client: Client, call: str) -> None:
    for response in (post(client, call, PAIRED | {"pin": "1"}), post(client, call, "[]")):
        assert response["Cache-Control"] == "no-store"
        assert response["Pragma"] == "no-cache"
        assert response["Referrer-Policy"] == "no-referrer"
