"""A symbol by its difference from another is, module by module, the one that segno draws."""

from __future__ import annotations

import random
from typing import Any

import pytest
from segno import encoder

from mfa.primitives import qr_symbol

ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ234567:/?&=%@.\u00e9\u540d"


@pytest.fixture(autouse=True)
def _padding_by_the_standard(monkeypatch: pytest.MonkeyPatch) -> None:
    """segno 1.6 puts a byte of zeros before the padding where the data ends with a codeword.

    Readers do not mind, as nothing after the data's end is read; ISO/IEC 18004, section 7.4.10, has no such byte.
    """

    def padded(buff: Any, version: object, length: int) -> None:
        buff.extend([0] * (-length % 8))

    monkeypatch.setattr(encoder, "write_padding_bits", padded)


def modules(text: str, level: str) -> list[bytes]:
    return [bytes(row) for row in qr_symbol.drawn(text, level).matrix]


@pytest.mark.parametrize("level", ["L", "M"])
def test_of_every_length_it_is_what_segno_draws(level: str) -> None:
    """From the least symbol to the first of those that segno draws always."""
    chosen = random.Random(level)
    lengths = versions = 0
    while versions <= qr_symbol._LARGEST_KEPT:
        lengths += 1
        text = "".join(chosen.choices(ALPHABET, k=lengths))
        drawn = qr_symbol.drawn(text, level)
        versions = int(drawn.version)
        assert list(qr_symbol.matrix(text, level, versions)) == [bytes(row) for row in drawn.matrix], (
            lengths,
            versions,
        )
    assert lengths > 250


@pytest.mark.parametrize("data", [b"\x00", b"\x00" * 84, b"\x7f" * 84, b"\x00" * 9 + b"a", b"0" * 14, b"0" * 13])
def test_of_the_ends_of_the_range_it_is_what_segno_draws(data: bytes) -> None:
    text = data.decode()
    for level in ("L", "M"):
        version = int(qr_symbol.drawn(text, level).version)
        assert list(qr_symbol.matrix(text, level, version)) == modules(text, level)


def test_nothing_of_a_text_is_kept() -> None:
    """A cache of symbols would be a store of secrets."""
    text = "otpauth://totp/x?secret=" + "GEZDGNBVGY3TQOJQ" * 2
    version = int(qr_symbol.drawn(text, "M").version)
    qr_symbol.matrix(text, "M", version)
    kept = qr_symbol._frame(version, "M")
    qr_symbol._frame.cache_clear()
    qr_symbol.matrix("y" * len(text), "M", version)
    assert qr_symbol._frame(version, "M").common == kept.common
