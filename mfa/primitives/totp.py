"""Time-based one-time passwords: RFC 4226 (HOTP) and RFC 6238 (TOTP), in plain Python.

Nothing here reads a clock, a setting or a database: the caller says what time it is, in seconds since 1970 (UTC), and
keeps the time step that a code spent. Everything that checks a code on this server, stored or stateless, does it with
this module.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import math
import secrets
from collections.abc import Callable, Iterable
from typing import Any, Final

SECRET_BYTES: Final = 20
"""RFC 4226, section 4, R6: 160 bits are recommended, and they are one whole SHA-1 block of HMAC output."""

ALGORITHMS: Final[dict[str, Callable[..., Any]]] = {
    "SHA1": hashlib.sha1,
    "SHA256": hashlib.sha256,
    "SHA512": hashlib.sha512,
}
"""The three hash functions of RFC 6238, section 1.2, by the names that otpauth URIs use."""

_ASCII_DIGITS: Final = frozenset("0123456789")
_BASE32_CHARACTERS: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz234567")

_AS_PYTHON_WRITES_32: Final = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "0123456789abcdefghijklmnopqrstuv")


def new_secret(length: int = SECRET_BYTES) -> bytes:
    """A shared secret of 160 bits, or of `length` bytes, straight from the operating system."""
    return secrets.token_bytes(length)


def base32(secret: bytes) -> str:
    """The secret as people type it into an app: upper case, no padding (RFC 4648, section 6)."""
    return base64.b32encode(secret).decode("ascii").rstrip("=")


def decoded_base32(text: str, *, at_least: int = 1) -> bytes | None:
    """The bytes that a typed Base32 text stands for, or None where it is not Base32 of `at_least` characters.

    Case, spaces, hyphens and padding do not matter: people copy keys in groups of four. RFC 4648, section 6; a length
    that no whole number of bytes gives is refused.
    """
    characters = text.replace(" ", "").replace("-", "").rstrip("=")
    if len(characters) < at_least or len(characters) % 8 not in (0, 2, 4, 5, 7):
        return None
    if not _BASE32_CHARACTERS.issuperset(characters):
        return None
    bits = len(characters) * 5
    number = int(characters.upper().translate(_AS_PYTHON_WRITES_32), 32)  # Ten times as fast as base64.b32decode.
    return (number >> bits % 8).to_bytes(bits // 8, "big")


def canonical_code(text: object, digits: int = 6) -> str | None:
    """The one spelling of a code that may be compared, or None for anything that is not one.

    A code is a text of exactly `digits` ASCII digits. Spaces, signs, underscores, other scripts' digits, numbers and
    lists are refused rather than mended, so that no second spelling of a spent code can slip past a ledger or a
    limit.
    """
    if not isinstance(text, str) or len(text) != digits or not _ASCII_DIGITS.issuperset(text):
        return None
    return text


def time_step(unix_time: float, period: int = 30) -> int:
    """The number of whole periods since 1970: T of RFC 6238, section 4.2."""
    return math.floor(unix_time / period)


def code_at(secret: bytes, unix_time: float, *, digits: int = 6, period: int = 30, algorithm: str = "SHA1") -> str:
    """The code that an authenticator shows at `unix_time`.

    Raises ValueError for an instant before 1970, for an unknown algorithm, and for other than 6 to 8 digits.
    """
    return _code_of_step(secret, time_step(unix_time, period), digits, algorithm)


def matching_time_step(
    secret: bytes,
    submitted_code: object,
    *,
    unix_time: float,
    after_step: int = -1,
    window: int = 1,
    drift: int = 0,
    digits: int = 6,
    period: int = 30,
    algorithm: str = "SHA1",
) -> int | None:
    """The time step whose code was submitted, or None.

    Looked at are the steps at most `window` away from now's step plus `drift` (in steps, positive for a fast phone),
    nearest first, and of these only the ones later than `after_step`: the last step spent. The caller spends the step
    it gets. RFC 6238, section 5.2: a code is accepted once, and one step either side is tolerated for the network and
    the clock.
    """
    code = canonical_code(submitted_code, digits)
    centre = time_step(unix_time, period) + drift
    steps = [step for step in _nearest_first(centre, window) if step > after_step]
    return None if code is None else _first_match(secret, code, steps, digits, algorithm)


def nearest_time_step_far(
    secret: bytes,
    submitted_code: object,
    *,
    unix_time: float,
    span: int = 120,
    digits: int = 6,
    period: int = 30,
    algorithm: str = "SHA1",
) -> int | None:
    """The step nearest to now, at most `span` steps away (one hour), whose code was submitted; for the audit trail
    only.

    It tells a phone with a wrong clock from a wrong guess. Among 241 steps some code of six digits fits one guess in
    4,000 by chance: so this is a hint to a person who helps, and never a reason to let anybody in.
    """
    return matching_time_step(
        secret, submitted_code, unix_time=unix_time, window=span, digits=digits, period=period, algorithm=algorithm
    )


def _nearest_first(centre: int, window: int) -> Iterable[int]:
    """centre, centre - 1, centre + 1, centre - 2 …, without the steps before 1970."""
    distances = sorted(range(-window, window + 1), key=lambda distance: (abs(distance), distance))
    return (centre + distance for distance in distances if centre + distance >= 0)


def _first_match(secret: bytes, code: str, steps: Iterable[int], digits: int, algorithm: str) -> int | None:
    """Every step is computed and compared, so that the time taken does not tell which one fitted, or whether any
    did.
    """
    submitted = code.encode("ascii")
    found: int | None = None
    for step in steps:
        fits = hmac.compare_digest(_code_of_step(secret, step, digits, algorithm).encode("ascii"), submitted)
        if fits and found is None:
            found = step
    return found


def _code_of_step(secret: bytes, step: int, digits: int, algorithm: str) -> str:
    """RFC 4226, sections 5.3 and 5.4: an HMAC of the counter, truncated at the place its last nibble names."""
    if not 6 <= digits <= 8:
        raise ValueError("a code has six, seven or eight digits")
    if step < 0:
        raise ValueError("a time step is never before 1970")
    try:
        digestmod = ALGORITHMS[algorithm]
    except KeyError:
        raise ValueError("the algorithm is one of SHA1, SHA256, SHA512") from None
    digest = hmac.digest(secret, step.to_bytes(8, "big"), digestmod)
    offset = digest[-1] & 0x0F
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFF_FFFF
    return str(number % 10**digits).zfill(digits)
