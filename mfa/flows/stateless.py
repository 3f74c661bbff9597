"""Pairing and checking with a secret that the caller keeps: nothing of it is stored here (the contract's section 4)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from hashlib import blake2b, sha256
from typing import Final
from urllib.parse import quote

from django.conf import settings

from identity.errors import InvalidParameters
from mfa.flows import wrong_pins
from mfa.primitives import totp

SHORTEST_BASE32: Final = 16
"""Characters. A shorter text is more often a word than a key: 16, hence 80 bits, are what the service recommended."""

_WINDOWS: Final = {"documented": 1, "legacy": 10}


@dataclass(frozen=True, slots=True)
class Pairing:
    """What a phone is told: the key to type, and the otpauth URI to scan."""

    key: str
    uri: str


@dataclass(frozen=True, slots=True)
class Checked:
    """`time_step` is the step whose PIN was submitted, None for a wrong one. With `retry_after`, in seconds, the secret
    rests after too many wrong PINs, and whether this one was right is not known."""

    time_step: int | None
    retry_after: int = 0


def key_of(secret_code: str, encoding: str = "") -> bytes:
    """The bytes that a SecretCode stands for.

    `encoding` is `base32`, `text`, or "": then STATELESS_SECRET_MODE decides. Raises InvalidParameters for an unknown
    encoding and for a text that is not the Base32 it is said to be.
    """
    encoding = encoding.lower()
    if encoding == "base32":
        decoded = totp.decoded_base32(secret_code)
        if decoded is None:
            raise InvalidParameters("SecretCode is not Base32.")
        return decoded
    if encoding not in ("", "text"):
        raise InvalidParameters("SecretEncoding is neither base32 nor text.")
    if not encoding and settings.STATELESS_SECRET_MODE == "documented":
        return totp.decoded_base32(secret_code, at_least=SHORTEST_BASE32) or secret_code.encode()
    return secret_code.encode()


def pairing(app_name: str, app_info: str, key: bytes) -> Pairing:
    """The URI that the original service makes of these; its label loses spaces and stays as it is in `legacy` mode."""
    secret = totp.base32(key)
    label = app_info.replace(" ", "") if settings.STATELESS_SECRET_MODE == "legacy" else quote(app_info, safe="")
    return Pairing(secret, f"otpauth://totp/{label}?secret={secret}&issuer={quote(app_name, safe='')}")


def accepted_window() -> int:
    """How many steps early or late a PIN may be: one as documented, ten as the live service does it."""
    return _WINDOWS[settings.STATELESS_SECRET_MODE]


def check(
    key: bytes,
    pin: object,
    *,
    now: float,
    window: int,
    after_step: int = -1,
    digits: int = 6,
    period: int = 30,
    algorithm: str = "SHA1",
) -> Checked:
    """Whether `pin` is right at `now`, unless the secret rests. A wrong PIN is counted before anybody hears of it."""

    def matching_time_step() -> int | None:
        return totp.matching_time_step(
            key,
            pin,
            unix_time=now,
            after_step=after_step,
            window=window,
            digits=digits,
            period=period,
            algorithm=algorithm,
        )

    digest = blake2b(key, key=_digest_key(settings.SECRET_KEY), digest_size=16).digest()
    return Checked(*wrong_pins.counted(digest, matching_time_step, now=now))


@cache
def _digest_key(secret_key: str) -> bytes:
    """Without it nobody can tell from a digest which secret was guessed, not even by trying the weak ones."""
    return sha256(b"stepward.stateless.wrong_pins:" + secret_key.encode()).digest()
