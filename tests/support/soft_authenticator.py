"""A phone with an authenticator app: scans a QR code and computes codes.

It shares no code with the product: the decoder is zxing-cpp, the URI is parsed here and the code computed here from
RFC 4226 and RFC 6238, so that an error in our own module cannot hide behind itself.
"""

import base64
import hashlib
import hmac
import io
import time
from dataclasses import dataclass
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit

import zxingcpp


class NotScannable(Exception):
    """The picture holds no QR code, more than one, or a text that an authenticator app would refuse."""


@dataclass(frozen=True)
class SoftAuthenticator:
    """What the app keeps of one scanned code."""

    secret: bytes
    issuer: str
    account: str
    digits: int = 6
    period: int = 30
    algorithm: str = "SHA1"
    uri: str = ""

    @classmethod
    def scan(cls, picture: bytes) -> Self:
        """From the bytes of a PNG, as a camera sees it; raises NotScannable."""
        return cls.from_uri(read_qr(picture))

    @classmethod
    def from_uri(cls, uri: str) -> Self:
        """From `otpauth://totp/Issuer:account?secret=…`, with the Key Uri Format's defaults; raises NotScannable."""
        parts = urlsplit(uri)
        fields = {name: values[-1] for name, values in parse_qs(parts.query, strict_parsing=True).items()}
        if parts.scheme != "otpauth" or parts.netloc != "totp" or "secret" not in fields:
            raise NotScannable(uri)
        label = unquote(parts.path.removeprefix("/"))
        prefix, colon, account = label.partition(":")
        return cls(
            secret=base64.b32decode(fields["secret"] + "=" * (-len(fields["secret"]) % 8)),
            issuer=fields.get("issuer", prefix if colon else ""),
            account=account.strip() if colon else label,
            digits=int(fields.get("digits", "6")),
            period=int(fields.get("period", "30")),
            algorithm=fields.get("algorithm", "SHA1").upper(),
            uri=uri,
        )

    def code(self, unix_time: float | None = None) -> str:
        """What the app shows at `unix_time` (seconds since 1970, now if left out)."""
        step = int(time.time() if unix_time is None else unix_time) // self.period
        digest = hmac.new(self.secret, step.to_bytes(8, "big"), getattr(hashlib, self.algorithm.lower())).digest()
        offset = digest[-1] & 0x0F  # RFC 4226, 5.3: dynamic truncation.
        number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
        return str(number % 10**self.digits).zfill(self.digits)

    def next_code(self, unix_time: float | None = None) -> str:
        """The code after the one shown now: still inside the server's window, and not spent by the present one."""
        return self.code((time.time() if unix_time is None else unix_time) + self.period)

    def wrong_code(self, unix_time: float | None = None) -> str:
        """Six digits that are right at no step within five minutes."""
        now = time.time() if unix_time is None else unix_time
        near = {self.code(max(0, now + self.period * steps)) for steps in range(-10, 11)}
        return next(text for number in range(10**self.digits) if (text := str(number).zfill(self.digits)) not in near)


def qr_alone() -> zxingcpp.BarcodeFormats:
    """What a phone looks for. Asked for every kind of code, the decoder now and then sees another in the pattern."""
    return zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)


def read_qr(picture: bytes) -> str:
    """The text of the one QR code in a picture; raises NotScannable."""
    from PIL import Image

    image = Image.open(io.BytesIO(picture)).convert("L")
    found = zxingcpp.read_barcodes(image, formats=qr_alone())
    if len(found) != 1 or "QR" not in str(found[0].format):
        raise NotScannable(f"{len(found)} codes")
    return str(found[0].text)
