"""`pair.aspx`, `qr.aspx` and `Validate.aspx`, to the byte where the contract fixes bytes."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from html.parser import HTMLParser
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pytest
import time_machine
import zxingcpp
from django.test import Client
from PIL import Image
from pytest_django import Settings

from mfa.primitives import totp
from tests.support.soft_authenticator import qr_alone

TEXT = "12345678BXYT"
BASE32 = "JBSWY3DPEHPK3PXP"

# The contract's section 4: mode, SecretCode, instant, PIN.
VECTORS = [
    ("documented", TEXT, 59, "198718"),
    ("documented", TEXT, 1111111109, "418566"),
    ("legacy", TEXT, 59, "198718"),
    ("legacy", TEXT, 1111111109, "418566"),
    ("legacy", BASE32, 59, "081891"),
    ("documented", BASE32, 59, "996554"),
    ("documented", BASE32, 1111111109, "071271"),
    ("documented", BASE32, 1234567890, "742275"),
    ("documented", BASE32, 2000000000, "890699"),
    ("legacy", "12345678901234567890", 59, "287082"),
    ("documented", "12345678901234567890", 1111111109, "081804"),
    ("documented", "12345678901234567890", 1234567890, "005924"),
    ("documented", "12345678901234567890", 2000000000, "279037"),
]


class Picture(HTMLParser):
    """What a browser would fetch of the pair answer."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.src = ""
        self.tags: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.src = dict(attrs).get("src") or self.src


def scanned(picture: bytes) -> str:
    [found] = zxingcpp.read_barcodes(Image.open(io.BytesIO(picture)), formats=qr_alone())
    return found.text


# ------------------------------------------------------------------------------------------------------------ pair.aspx


def test_the_pair_answer_is_byte_for_byte_that_of_the_contract(client: Client, settings: Settings) -> None:
    settings.PUBLIC_URL = "https://id.example.com"
    response = client.get(f"/pair.aspx?AppName=MyApp&AppInfo=John&SecretCode={TEXT}")
    assert response.status_code == 200
    assert response["Content-Type"].partition(";")[0] == "text/html"
    assert response.content == (
        b"<a title='Manually pair with GEZDGNBVGY3TQQSYLFKA' href='https://id.example.com'>"
        b"<img src='https://id.example.com/qr.aspx?size=300x300&data=otpauth%3A%2F%2Ftotp%2FJohn%3Fsecret%3D"
        b"GEZDGNBVGY3TQQSYLFKA%26issuer%3DMyApp' border=0></a>"
    )


def test_documented_mode_encodes_both_names_and_decodes_base32(client: Client) -> None:
    response = client.get(
        "/pair.aspx", {"AppName": "My Äpp", "AppInfo": "j d@example.com", "SecretCode": BASE32.lower()}
    )
    assert f"Manually pair with {BASE32}'" in response.text
    data = parse_qs(urlsplit(Picture(response.text).src).query)["data"][0]
    assert data == f"otpauth://totp/j%20d%40example.com?secret={BASE32}&issuer=My%20%C3%84pp"


@pytest.mark.usefixtures("legacy")
def test_legacy_mode_removes_spaces_from_the_account_and_takes_every_secret_as_text(client: Client) -> None:
    response = client.get("/pair.aspx", {"AppName": "My App", "AppInfo": "J D@example.com", "SecretCode": BASE32})
    assert "Manually pair with JJBFGV2ZGNCFARKIKBFTGUCYKA'" in response.text
    data = parse_qs(urlsplit(Picture(response.text).src).query)["data"][0]
    assert data == "otpauth://totp/JD@example.com?secret=JJBFGV2ZGNCFARKIKBFTGUCYKA&issuer=My%20App"


@pytest.mark.parametrize(
    ("secret_code", "key"),
    [
        ("1234", "GEZDGNA"),
        (TEXT, "GEZDGNBVGY3TQQSYLFKA"),
        (BASE32, BASE32),
        ("jbsw y3dp-ehpk 3pxp====", BASE32),
        ("JBSWY3DPEHPK3PX", "JJBFGV2ZGNCFARKIKBFTGUCY"),  # fifteen characters: a text
        ("JBSWY3DPEHPK3PXPJ", "JJBFGV2ZGNCFARKIKBFTGUCYKBFA"),  # no whole number of bytes: a text
        ("JBSWY3DPEHPK3PX1", "JJBFGV2ZGNCFARKIKBFTGUCYGE"),  # 1 is no Base32 character: a text
        ("hunter2 é", totp.base32("hunter2 é".encode())),
    ],
)
def test_the_key_that_a_secret_code_stands_for(client: Client, secret_code: str, key: str) -> None:
    response = client.get("/pair.aspx", {"AppName": "a", "AppInfo": "b", "SecretCode": secret_code})
    assert f"title='Manually pair with {key}'" in response.text


def test_a_request_may_say_itself_how_its_secret_is_encoded(client: Client) -> None:
    def key(encoding: str) -> str:
        given = {"AppName": "a", "AppInfo": "b", "SecretCode": BASE32, "SecretEncoding": encoding}
        return client.get("/pair.aspx", given).text.split("'")[1]

    assert key("text") == key("TEXT") == "Manually pair with JJBFGV2ZGNCFARKIKBFTGUCYKA"
    assert key("base32") == key("Base32") == f"Manually pair with {BASE32}"


@pytest.mark.parametrize(("code", "encoding"), [("not base32!", "base32"), (BASE32, "base64")])
def test_an_encoding_that_does_not_hold_is_refused_and_nothing_is_quoted(
    client: Client, code: str, encoding: str
) -> None:
    given = {"AppName": "a", "AppInfo": "b", "SecretCode": code, "SecretEncoding": encoding}
    response = client.get("/pair.aspx", given)
    assert response.status_code == 400
    assert response.text.startswith("invalid_request")
    assert code not in response.text


def test_the_picture_of_the_pair_answer_says_what_the_app_needs(client: Client, settings: Settings) -> None:
    html = client.get("/pair.aspx", {"AppName": "My App", "AppInfo": "J D", "SecretCode": BASE32}).text
    picture = client.get(Picture(html).src.removeprefix(settings.PUBLIC_URL))
    assert picture["Content-Type"] == "image/png"
    assert Image.open(io.BytesIO(picture.content)).size == (300, 300)
    assert scanned(picture.content) == f"otpauth://totp/J%20D?secret={BASE32}&issuer=My%20App"


@pytest.mark.parametrize("mode", ["documented", "legacy"])
def test_no_name_breaks_out_of_the_html(client: Client, settings: Settings, mode: str) -> None:
    settings.STATELESS_SECRET_MODE = mode
    evil = "'><script>alert(1)</script>&\"\n\r\t<img src=x>"
    response = client.get("/pair.aspx", {"AppName": evil, "AppInfo": evil, "SecretCode": evil})
    assert Picture(response.text).tags == ["a", "img"]
    assert re.fullmatch(
        r"<a title='Manually pair with [A-Z2-7]+' href='[^']+'><img src='[^'<>\s]+' border=0></a>", response.text
    )


# ------------------------------------------------------------------------------------------------------ missing, refused


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/pair.aspx", "Pass 'AppName' in QueryString"),
        ("/pair.aspx?AppInfo=b&SecretCode=c", "Pass 'AppName' in QueryString"),
        ("/pair.aspx?AppName=&AppInfo=b&SecretCode=c", "Pass 'AppName' in QueryString"),
        ("/pair.aspx?AppName=a", "Pass 'AppInfo' in QueryString"),
        ("/pair.aspx?AppName=a&AppInfo=b", "Pass 'SecretCode' in QueryString"),
        ("/pair.aspx?AppName=a&AppInfo=b&SecretCode=", "Pass 'SecretCode' in QueryString"),
        ("/Validate.aspx", "Pass 'Pin' in QueryString"),
        ("/Validate.aspx?SecretCode=1234", "Pass 'Pin' in QueryString"),
        ("/Validate.aspx?Pin=&SecretCode=", "Pass 'Pin' in QueryString"),
        ("/Validate.aspx?Pin=123456", "Pass 'SecretCode' in QueryString"),
        ("/qr.aspx", "Pass 'data' in QueryString"),
    ],
)
def test_the_first_missing_parameter_is_named_with_status_200(client: Client, path: str, body: str) -> None:
    response = client.get(path)
    assert (response.status_code, response.text) == (200, body)


@pytest.mark.parametrize(
    "path",
    [
        "/Validate.aspx?Pin=1&Pin=1&SecretCode=1234",
        "/Validate.aspx?Pin=1&pin=1&SecretCode=1234",
        "/pair.aspx?AppName=a&AppInfo=b&SecretCode=c&SECRETCODE=c",
        "/qr.aspx?data=a&DATA=b",
        "/Validate.aspx?Pin=%FF&SecretCode=1234",
        "/Validate.aspx?Pin=1&SecretCode=%00",
        "/Validate.aspx?" + "&".join(f"p{number}=1" for number in range(200)),
        "/qr.aspx?data=a&size=big",
        "/qr.aspx?data=a&size=300",
        "/qr.aspx?size=100x100&data=" + "a" * 800,
        "/qr.aspx?data=" + "a" * 5000,
    ],
)
def test_what_cannot_be_read_is_refused_in_words(client: Client, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 400
    assert response.text.startswith("invalid_request: ")
    assert response["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize("path", ["/pair.aspx", "/PAIR.ASPX", "/Pair.aspx", "/VALIDATE.aspx", "/Qr.Aspx"])
def test_paths_are_matched_without_case(client: Client, path: str) -> None:
    assert client.get(path).text.startswith("Pass '")


def test_parameter_names_are_matched_without_case(client: Client, secret: str) -> None:
    assert client.get(f"/Validate.aspx?PIN=1&secretcode={secret}").text == "False"
    assert "Manually pair with" in client.get("/pair.aspx?APPNAME=a&appinfo=b&sEcReTcOdE=c").text


def test_parameters_may_stand_in_a_form_or_a_json_body(client: Client) -> None:
    given = {"AppName": "a", "AppInfo": "b", "SecretCode": "1234"}
    by_query = client.get("/pair.aspx", given).content
    assert (
        client.post("/pair.aspx", "AppName=a&AppInfo=b&SecretCode=1234", "application/x-www-form-urlencoded").content
        == by_query
    )
    assert client.post("/pair.aspx", given, "application/json").content == by_query
    assert (
        client.post("/pair.aspx?AppName=a", {"AppInfo": "b", "SecretCode": "1234"}, "application/json").content
        == by_query
    )


def test_a_body_past_64_kib_is_refused(client: Client) -> None:
    body = "AppName=a&AppInfo=b&SecretCode=" + "c" * 70_000
    assert client.post("/pair.aspx", body, "application/x-www-form-urlencoded").status_code == 413


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", ["/pair.aspx", "/qr.aspx", "/Validate.aspx", "/api.asmx", "/api.asmx/Pair"])
def test_only_get_head_and_post_are_offered(client: Client, method: str, path: str) -> None:
    response = client.generic(method, path)
    assert (response.status_code, response["Allow"]) == (405, "GET, HEAD, POST")


@pytest.mark.parametrize(
    "path",
    [
        "/pair.aspx",
        "/pair.aspx?AppName=a&AppInfo=b&SecretCode=c",
        "/pair.aspx?AppName=a&appname=b",
        "/qr.aspx?data=a",
        "/Validate.aspx?Pin=1&SecretCode=never-guessed-before",
        "/api.asmx",
        "/api.asmx?WSDL",
        "/api.asmx/Pair?appName=a&appInfo=b&secretCode=c",
        "/api.asmx/ValidatePin",
    ],
)
def test_no_answer_may_be_kept_or_referred_to(client: Client, path: str) -> None:
    response = client.get(path)
    assert response["Cache-Control"] == "no-store"
    assert response["Pragma"] == "no-cache"
    assert response["Referrer-Policy"] == "no-referrer"
    assert response["X-Content-Type-Options"] == "nosniff"


# -------------------------------------------------------------------------------------------------------------- qr.aspx


@pytest.mark.parametrize(
    ("size", "edge"),
    [
        ("", 300),
        ("300x300", 300),
        ("100X100", 100),
        ("1000x1000", 1000),
        ("80x80", 100),
        ("4000x4000", 1000),
        ("500x400", 400),
    ],
)
def test_the_picture_has_the_size_asked_for_inside_the_bounds(client: Client, size: str, edge: int) -> None:
    response = client.get("/qr.aspx", {"data": "otpauth://totp/a?secret=GEZDGNA", **({"size": size} if size else {})})
    assert response["Content-Type"] == "image/png"
    assert Image.open(io.BytesIO(response.content)).size == (edge, edge)
    assert scanned(response.content) == "otpauth://totp/a?secret=GEZDGNA"


def test_the_picture_is_never_asked_of_anybody_else(client: Client) -> None:
    response = client.get("/qr.aspx?data=otpauth%3A%2F%2Ftotp%2Fa")
    assert (response.status_code, response.has_header("Location")) == (200, False)


# -------------------------------------------------------------------------------------------------------- Validate.aspx


@pytest.mark.parametrize(("mode", "secret_code", "unix_time", "pin"), VECTORS)
def test_the_vectors_of_the_contract(
    client: Client, settings: Settings, mode: str, secret_code: str, unix_time: int, pin: str
) -> None:
    settings.STATELESS_SECRET_MODE = mode
    with time_machine.travel(unix_time, tick=False):
        right = client.get(f"/Validate.aspx?Pin={pin}&SecretCode={secret_code}")
        wrong = client.get(f"/Validate.aspx?Pin={(int(pin) + 1) % 10**6:06}&SecretCode={secret_code}")
    assert (right.status_code, right.content) == (200, b"True")
    assert (wrong.status_code, wrong.content) == (200, b"False")


@pytest.mark.parametrize(("mode", "window"), [("documented", 1), ("legacy", 10)])
def test_the_window_of_each_mode(client: Client, settings: Settings, secret: str, mode: str, window: int) -> None:
    settings.STATELESS_SECRET_MODE = mode
    key = totp.decoded_base32(secret) if mode == "documented" else secret.encode()
    assert key
    now = 1111111109
    accepted = []
    with time_machine.travel(now, tick=False):
        for offset in (-11, -10, -2, -1, 0, 1, 2, 10, 11):
            pin = totp.code_at(key, now + 30 * offset)
            if client.get(f"/Validate.aspx?Pin={pin}&SecretCode={secret}").content == b"True":
                accepted.append(offset)
    assert accepted == [offset for offset in (-11, -10, -2, -1, 0, 1, 2, 10, 11) if abs(offset) <= window]


def test_what_the_original_documents_and_breaks_works_here(client: Client) -> None:
    """A Base32 secret scanned into an app gives PINs that are right: the service's oldest open complaint."""
    html = client.get("/pair.aspx", {"AppName": "a", "AppInfo": "b", "SecretCode": BASE32}).text
    uri = urlsplit(unquote(Picture(html).src.rpartition("data=")[2]))
    app_key = totp.decoded_base32(parse_qs(uri.query)["secret"][0])
    assert app_key == totp.decoded_base32(BASE32)
    with time_machine.travel(1111111109, tick=False):
        assert (
            client.get(f"/Validate.aspx?Pin={totp.code_at(app_key or b'', 1111111109)}&SecretCode={BASE32}").text
            == "True"
        )


@pytest.fixture
def ask(client: Client, secret: str) -> Callable[[str], tuple[int, str]]:
    def answer(pin: str) -> tuple[int, str]:
        response = client.get(f"/Validate.aspx?Pin={quote(pin)}&SecretCode={secret}")
        return response.status_code, response.text

    return answer


@pytest.mark.parametrize(
    "spelling",
    ["{0} ", " {0}", "+{0}", "{0}\n", "0{0}", "{0}0", "{0}.0", "{1}_{2}", "{1} {2}", "{3}", "{4}"],
)
def test_another_spelling_of_a_right_pin_is_false(
    ask: Callable[[str], tuple[int, str]], secret: str, spelling: str
) -> None:
    with time_machine.travel(1111111109, tick=False):
        pin = totp.code_at(totp.decoded_base32(secret) or b"", 1111111109)
        full_width = "".join(chr(0xFF10 + int(digit)) for digit in pin)
        arabic = "".join(chr(0x0660 + int(digit)) for digit in pin)
        assert ask(spelling.format(pin, pin[:3], pin[3:], full_width, arabic)) == (200, "False")
        assert ask(pin) == (200, "True")


@pytest.mark.parametrize("pin", [123456, 123456.0, True, ["081804"], {"Pin": "081804"}])
def test_a_pin_that_is_no_text_is_false(client: Client, secret: str, pin: object) -> None:
    response = client.post("/Validate.aspx", {"Pin": pin, "SecretCode": secret}, "application/json")
    assert (response.status_code, response.text) == (200, "False")


def test_a_secret_that_is_no_text_is_refused(client: Client) -> None:
    response = client.post("/Validate.aspx", {"Pin": "123456", "SecretCode": 1234}, "application/json")
    assert response.status_code == 400
    assert "1234" not in response.text
