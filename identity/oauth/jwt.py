"""JSON Web Tokens: signing and reading our own (RFC 7515 compact form, RS256)."""

import base64
import binascii
import json
from datetime import datetime
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256

from identity import secret_store


def sign(claims: dict[str, Any], *, typ: str, now: datetime) -> str:
    """A signed token; `typ` is `at+jwt` for an access token (RFC 9068, 2.1) and `JWT` for an ID token."""
    key = secret_store.signing_key(now)
    message = f"{_header(typ, key.kid)}.{_encode(_json(claims).encode())}"
    return f"{message}.{_encode(key.sign(message.encode()))}"


def read(token: str, *, typ: str, now: datetime, leeway: int = 0) -> dict[str, Any] | None:
    """The claims of a token that we signed and that is good at `now`; None for anything else."""
    try:
        head, body, signature = token.split(".")
        header, claims = json.loads(_decode(head)), json.loads(_decode(body))
        key = secret_store.public_key(header["kid"], now)
        if key is None or header["alg"] != "RS256" or header["typ"] != typ:
            return None
        key.verify(_decode(signature), f"{head}.{body}".encode(), padding.PKCS1v15(), SHA256())
        return claims if claims["exp"] + leeway > now.timestamp() else None
    except (ValueError, KeyError, TypeError, binascii.Error, InvalidSignature, UnicodeDecodeError, RecursionError):
        return None


_json = json.JSONEncoder(separators=(",", ":")).encode


@lru_cache
def _header(typ: str, kid: str) -> str:
    return _encode(_json({"alg": "RS256", "typ": typ, "kid": kid}).encode())


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
