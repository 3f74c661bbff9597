"""QR codes, drawn here: a picture of a secret is never asked of a third party.

`mfa.primitives.qr_symbol` makes the symbol, with segno; this module paints it, exactly as large as it was asked for
(`docs/decisions/0020`, with figures).
"""

from __future__ import annotations

import re
import struct
import zlib
from functools import lru_cache
from typing import Final

from mfa.primitives import qr_symbol
from mfa.primitives.qr_symbol import Matrix

SMALLEST, LARGEST = 100, 1000
"""The edge of a picture, in pixels."""

QUIET_ZONE: Final = 4
"""White modules around the symbol. ISO/IEC 18004, section 6.3.8."""

_COMFORTABLE_MODULE: Final = 3
"""From this many pixels a module, telephones read a screen with ease, and level M's redundancy is worth its room."""

_AS_ABOVE: Final = b"\x02"
"""PNG's filter "Up": each byte of the row is its difference from the one above. RFC 2083, section 6.4."""


class DoesNotFit(ValueError):
    """The text needs more modules than the picture has pixels, or than the largest symbol has."""

    def __init__(self) -> None:
        super().__init__("the text is too long for a QR code of this size")


def png(text: str, size: int = 300) -> bytes:
    """A PNG of exactly `size` by `size` pixels, one bit each.

    Raises DoesNotFit where the text has no room, and ValueError for a size that is not 100 to 1000.
    """
    matrix, scale = _fitting(text, size)
    left = (size - len(matrix) * scale) // 2
    right = size - len(matrix) * scale - left
    # Zeros alone: the same row again, at next to no cost for the compressor.
    again = _AS_ABOVE + bytes(-(-size // 8))
    white = b"\x00" + _packed(b"1" * size)
    rows = [white, again * (left - 1)]
    for modules in matrix:
        # In a PNG's grey scale 1 is white; in a symbol 1 is dark.
        bits = modules.replace(b"\x00", b"1" * scale).replace(b"\x01", b"0" * scale)
        rows += [b"\x00", _packed(b"1" * left + bits + b"1" * right), again * (scale - 1)]
    rows += [white, again * (right - 1)]
    header = struct.pack(">IIBBBBB", size, size, 1, 0, 0, 0, 0)  # one bit, grey scale, no interlace
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(b"".join(rows), 1)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def svg(text: str, size: int = 300) -> str:
    """The same symbol as an SVG document, `size` pixels wide where nothing scales it. Raises as `png` does."""
    matrix, _ = _fitting(text, size)
    edge = len(matrix) + 2 * QUIET_ZONE
    path = "".join(
        f"M{run.start() + QUIET_ZONE} {y}h{len(run[0])}v1h-{len(run[0])}z"
        for y, modules in enumerate(matrix, QUIET_ZONE)
        for run in re.finditer(rb"\x01+", modules)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size}" height="{size}" viewBox="0 0 {edge} {edge}" '
        f'shape-rendering="crispEdges"><path fill="#fff" d="M0 0h{edge}v{edge}h-{edge}z"/><path d="{path}"/></svg>'
    )


def _fitting(text: str, size: int) -> tuple[Matrix, int]:
    """The symbol, and how many pixels wide a module is.

    Error correction is of level M, unless that makes modules smaller than telephones like and level L makes them
    larger.
    """
    if not SMALLEST <= size <= LARGEST:
        raise ValueError(f"a QR code is {SMALLEST} to {LARGEST} pixels wide")
    length = len(text.encode())
    level, scale = "M", _scale(length, "M", size)
    if scale < _COMFORTABLE_MODULE and _scale(length, "L", size) > scale:
        level, scale = "L", _scale(length, "L", size)
    if not scale:
        raise DoesNotFit
    return qr_symbol.matrix(text, level, (_edge(length, level) - 17) // 4), scale


def _scale(length: int, level: str, size: int) -> int:
    """How many whole pixels a module may have; 0 where there is no such symbol."""
    edge = _edge(length, level)
    return size // (edge + 2 * QUIET_ZONE) if edge else 0


@lru_cache(maxsize=1024)
def _edge(length: int, level: str) -> int:
    """Modules of a symbol of so many bytes: nothing else decides it. 0 where the largest symbol has no room."""
    import segno

    try:
        return len(qr_symbol.drawn("x" * length, level).matrix)
    except segno.DataOverflowError:
        return 0


def _packed(bits: bytes) -> bytes:
    """ASCII zeros and ones, eight to a byte, the last byte filled up."""
    length = -(-len(bits) // 8)
    return int(bits.ljust(length * 8, b"0"), 2).to_bytes(length, "big")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
