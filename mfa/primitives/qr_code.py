"""QR codes, drawn here: a picture of a secret is never asked of a third party.

segno encodes the text; this module only paints its matrix. Written straight into a one-bit PNG a symbol costs about
2 ms of processor time; segno's own search for the best of the eight masks alone costs 6 ms (`docs/decisions/0020`).
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Sequence
from typing import Final

SMALLEST, LARGEST = 100, 1000
"""The edge of a picture, in pixels."""

QUIET_ZONE: Final = 4
"""White modules around the symbol. ISO/IEC 18004, section 6.3.8."""

_MASK: Final = 2
"""Any of the eight masks is a valid symbol: the mask's number stands in it. The choice only matters for worn prints."""

_COMFORTABLE_MODULE: Final = 3
"""From this many pixels a module, telephones read a screen with ease, and level M's redundancy is worth its room."""

_MODULE_TO_BIT: Final = bytes.maketrans(b"\x00\x01", b"10")  # In a PNG's grey scale 1 is white; in a symbol 1 is dark.

Matrix = Sequence[bytearray]


class DoesNotFit(ValueError):
    """The text needs more modules than the picture has pixels, or than the largest symbol has."""

    def __init__(self) -> None:
        super().__init__("the text is too long for a QR code of this size")


def png(text: str, size: int = 300) -> bytes:
    """A PNG of exactly `size` by `size` pixels, one bit each.

    Raises DoesNotFit where the text has no room, and ValueError for a size that is not 100 to 1000.
    """
    matrix, scale = _fitting(text, size)
    margin = (size - len(matrix) * scale) // 2
    padding = size - len(matrix) * scale - margin
    white = b"\x00" + _packed(b"1" * size)
    rows = [white] * margin
    for modules in matrix:
        bits = b"".join(bit * scale for bit in _bits(modules))
        rows += [b"\x00" + _packed(b"1" * margin + bits + b"1" * padding)] * scale
    rows += [white] * padding
    header = struct.pack(">IIBBBBB", size, size, 1, 0, 0, 0, 0)  # one bit, grey scale, no interlace
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(b"".join(rows), 6)), (b"IEND", b"")
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
    matrix, scale = _symbol(text, "M", size)
    if scale < _COMFORTABLE_MODULE:
        coarser, wider = _symbol(text, "L", size)
        if wider > scale:
            matrix, scale = coarser, wider
    if not scale:
        raise DoesNotFit
    return matrix, scale


def _symbol(text: str, level: str, size: int) -> tuple[Matrix, int]:
    """The symbol at this level, and how many whole pixels a module may have: 0 where there is no such symbol."""
    import segno  # Only who draws pays for it: 6 MB in each process.

    try:
        symbol = segno.make_qr(
            text, error=level, boost_error=False, mask=_MASK, mode="byte", encoding="utf-8", eci=False
        )
    except segno.DataOverflowError:
        return (), 0
    matrix: Matrix = symbol.matrix
    return matrix, size // (len(matrix) + 2 * QUIET_ZONE)


def _bits(modules: bytearray) -> list[bytes]:
    bits = bytes(modules).translate(_MODULE_TO_BIT)
    return [bits[i : i + 1] for i in range(len(bits))]


def _packed(bits: bytes) -> bytes:
    """ASCII zeros and ones, eight to a byte, the last byte filled up."""
    length = -(-len(bits) // 8)
    return int(bits.ljust(length * 8, b"0"), 2).to_bytes(length, "big")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
