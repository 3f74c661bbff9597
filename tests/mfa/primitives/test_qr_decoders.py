"""Two decoders that share no code, zxing-cpp and ZBar's QRdec, read what is drawn: every size, a thousand people."""

import io
import random

import deqr
import pytest
import zxingcpp
from PIL import Image

from mfa.primitives import qr_code
from mfa.primitives.provisioning_uri import provisioning_uri
from tests.support.soft_authenticator import qr_alone

# Scripts by the bytes of a character in UTF-8, which decide how long the percent-encoded URI is.
SCRIPTS = (
    "abcdefghijklmnopqrstuvwxyz0123456789.@_-",
    "\u00e9\u00e8\u00fc\u00df\u00f1\u00e7\u00f8\u0142\u0159\u017c",
    "\u03a9\u03bb\u03b1\u03b2\u03b3\u0434\u0436 \u044b\u0449\u044a\u044e\u044f",
    "\u05e9\u05d1\u05e8\u05d9\u05ea\u0627\u0644\u0639\u0631\u0628\u064a\u0629",
    "\u80fd\u767b\u9280\u884c\u540d\u524d\u6f22\u5b57",
    "\U0001f600\U0001f511\U0001f98a",
)


def zxing(image: Image.Image) -> list[str]:
    return [found.text for found in zxingcpp.read_barcodes(image, formats=qr_alone())]


def qrdec(image: Image.Image) -> list[str]:
    found = deqr.QRdecDecoder().decode(image)
    return [
        bytes(entry.data).decode() if isinstance(entry.data, bytes) else entry.data
        for code in found
        for entry in code.data_entries
    ]


def words(choose: random.Random, longest: int) -> str:
    return "".join(choose.choices(choose.choice(SCRIPTS), k=choose.randint(1, longest)))


@pytest.mark.timeout(400)
@pytest.mark.parametrize("people", [60, pytest.param(1000, marks=pytest.mark.slow)])
def test_two_decoders_read_the_qr_of_any_account_at_any_size(people: int) -> None:
    choose = random.Random(people)
    sizes = [qr_code.SMALLEST, qr_code.LARGEST, *choose.sample(range(101, 1000), min(people - 2, 899))]
    sizes += choose.choices(range(100, 1001), k=people - len(sizes))
    unread = []
    for size in sizes:
        # Longer ones are cut by who draws, where they have no room: see test_a_name_too_long_for_the_picture_is_cut.
        issuer, account = words(choose, 16), words(choose, 64 if size >= 185 else 20)
        uri = provisioning_uri(choose.randbytes(20), issuer=issuer, account=account)
        image = Image.open(io.BytesIO(qr_code.png(uri, size))).convert("L")
        unread += [(size, uri, read.__name__) for read in (zxing, qrdec) if read(image) != [uri]]
    assert not unread
