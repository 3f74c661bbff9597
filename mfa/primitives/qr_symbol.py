"""Symbols by their difference from one that segno has drawn.

Everything between the bytes of a text and the modules of its symbol is linear over the field of two elements: error
correction, interleaving, placement and mask (ISO/IEC 18004, sections 7.5 to 7.8). So of one version and level the
symbols of two texts differ by the codewords of their difference, each at its place. segno draws the first one, finder
patterns, format and all; of every further one only the codewords are computed, which takes a tenth of the time or less
(`docs/decisions/0020`, with figures). `tests/mfa/primitives/test_qr_symbol.py` compares both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, product, zip_longest
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from segno import QRCode

MASK: Final = 2
"""Any of the eight masks is a valid symbol: the mask's number stands in it. The choice only matters for worn prints."""

_LARGEST_KEPT: Final = 12
"""Up to this version (65 modules, 287 bytes of level M) what its symbols share is kept: 1.5 MB if all of it is used."""

_WIDE_COUNT_FROM: Final = 10
"""From this version on the number of bytes takes sixteen bits instead of eight. ISO/IEC 18004, table 3."""

_VERSION_SHOWN_FROM: Final = 7
_BYTE_MODE: Final = 0b0100
_PADDING: Final = b"\xec\x11"
_FIELD: Final = 0x11D
"""x⁸ + x⁴ + x³ + x² + 1, by which GF(256) is made. ISO/IEC 18004, section 7.5.2."""

_AS_MODULES: Final = bytes.maketrans(b"01", b"\x00\x01")

Matrix = Sequence[bytes]


def matrix(text: str, level: str, version: int) -> Matrix:
    """The symbol of `text` in byte mode, UTF-8: rows of modules, 1 is dark.

    `level` is L or M. `version` must be the least one that has room for the text: what segno chooses.
    """
    if version > _LARGEST_KEPT:
        return tuple(map(bytes, drawn(text, level).matrix))
    return _frame(version, level).symbol(text.encode())


def drawn(text: str, level: str) -> QRCode:
    """The symbol by segno, in the smallest version with room. Raises segno.DataOverflowError where there is none."""
    import segno  # Only who draws pays for it: 6 MB in each process.

    return segno.make_qr(text, error=level, boost_error=False, mask=MASK, mode="byte", encoding="utf-8", eci=False)


@dataclass(frozen=True, slots=True)
class _Frame:
    """What all symbols of one version and level have in common."""

    version: int
    edge: int
    blocks: tuple[int, ...]  # data codewords of each
    correction: int  # codewords of each block
    placed: Callable[[str], tuple[str, ...]]  # of the bits of all codewords, block by block: the matrix, row by row
    common: int  # the matrix where all codewords are 0, as one number

    def symbol(self, data: bytes) -> Matrix:
        modules = f"{self._of(data) ^ self.common:0{self.edge**2}b}".encode().translate(_AS_MODULES)
        return [modules[start : start + self.edge] for start in range(0, len(modules), self.edge)]

    def against(self, data: bytes, modules: Sequence[Sequence[int]]) -> _Frame:
        """The same, once it is known that `modules` is the symbol of `data`."""
        shown = int("".join("1" if module else "0" for row in modules for module in row), 2)
        return _Frame(self.version, self.edge, self.blocks, self.correction, self.placed, shown ^ self._of(data))

    def _of(self, data: bytes) -> int:
        """The codewords of `data`, each at its place, everything else 0."""
        # A zero after them stands for whatever holds no codeword.
        bits = bin(int.from_bytes(b"\x01" + self._codewords(data), "big"))[3:] + "0"
        return int("".join(self.placed(bits)), 2)

    def _codewords(self, data: bytes) -> bytes:
        """Data and error correction, block by block."""
        room = sum(self.blocks)
        count = 16 if self.version >= _WIDE_COUNT_FROM else 8
        # After the data as many of four zeros as there is room for: they end the text.
        bits, length = (_BYTE_MODE << count | len(data)) << 8 * len(data) | int.from_bytes(data, "big"), 4 + count
        length += 8 * len(data)
        unused = min(4, 8 * room - length)
        filled = -(-(length + unused) // 8)
        words = (bits << 8 * filled - length).to_bytes(filled, "big")
        words += (_PADDING * room)[: room - filled]
        found, start = [], 0
        for size in self.blocks:
            block = words[start : start + size]
            found += [block, _corrections(block, self.correction)]
            start += size
        return b"".join(found)


@cache
def _frame(version: int, level: str) -> _Frame:
    """Taken from a symbol that segno draws for this alone."""
    from segno import consts

    in_blocks: Any = consts.ECC
    groups = in_blocks[version][getattr(consts, f"ERROR_LEVEL_{level}")]
    blocks = tuple(group.num_data for group in groups for _ in range(group.num_blocks))
    correction = groups[0].num_total - groups[0].num_data
    edge = 4 * version + 17
    nothing = 8 * (sum(blocks) + correction * len(blocks))
    # Up to seven places stay empty.
    bit_at = dict(zip(_places(version, edge), _bits_in_order(blocks, correction), strict=False))
    order = [bit_at.get((row, column), nothing) for row in range(edge) for column in range(edge)]
    most = b"x" * (sum(blocks) - (3 if version >= _WIDE_COUNT_FROM else 2))
    shown = drawn(most.decode(), level)
    return _Frame(version, edge, blocks, correction, itemgetter(*order), 0).against(most, shown.matrix)


def _places(version: int, edge: int) -> Iterator[tuple[int, int]]:
    """Row and column of each module that holds data, in the order in which they are filled: two columns at a time, up
    and down by turns, from the right; the column of the timing pattern is left out. ISO/IEC 18004, section 7.7.3.
    """
    taken = _function_patterns(version, edge)
    upwards = True
    for right in (*range(edge - 1, 6, -2), 5, 3, 1):
        for row in reversed(range(edge)) if upwards else range(edge):
            for column in (right, right - 1):
                if (row, column) not in taken:
                    yield row, column
        upwards = not upwards


def _function_patterns(version: int, edge: int) -> set[tuple[int, int]]:
    """Where finders, timing, alignment, format and version stand. ISO/IEC 18004, sections 6.3.3 to 6.3.6, 7.9, 7.10."""
    from segno import consts

    near, far = range(9), range(edge - 8, edge)  # A finder, its separator and the format beside them.
    taken = {*product(near, near), *product(near, far), *product(far, near)}
    taken |= {*product([6], range(edge)), *product(range(edge), [6])}
    centres = consts.ALIGNMENT_POS[version - 2] if version > 1 else ()
    for row, column in product(centres, centres):
        if (row, column) not in {(6, 6), (6, edge - 7), (edge - 7, 6)}:
            taken |= {*product(range(row - 2, row + 3), range(column - 2, column + 3))}
    if version >= _VERSION_SHOWN_FROM:
        ends = range(edge - 11, edge - 8)
        taken |= {*product(range(6), ends), *product(ends, range(6))}
    return taken


def _bits_in_order(blocks: tuple[int, ...], correction: int) -> Iterator[int]:
    """Where each bit of the message stands among the codewords block by block: the blocks' first codewords come first,
    then their second ones, and so on; after the data so the error correction. ISO/IEC 18004, section 7.6.
    """
    data, corrections, start = [], [], 0
    for size in blocks:
        data.append(range(start, start + size))
        corrections.append(range(start + size, start + size + correction))
        start += size + correction
    for word in chain.from_iterable(chain(zip_longest(*data), zip(*corrections, strict=True))):
        if word is not None:  # Shorter blocks come to their end.
            yield from range(8 * word, 8 * word + 8)


def _corrections(block: bytes, count: int) -> bytes:
    """Reed-Solomon: the remainder of the block by the generator of so many codewords, as a CRC is computed."""
    products = _products(count)
    remainder, top, kept = 0, 8 * (count - 1), (1 << 8 * count) - 1
    for word in block:
        remainder = remainder << 8 & kept ^ products[remainder >> top ^ word]
    return remainder.to_bytes(count, "big")


@cache
def _products(count: int) -> list[int]:
    """The generator polynomial, but for its first coefficient, times each element of the field; as numbers."""
    generator = [1]
    root = 1
    for _ in range(count):
        generator = [
            higher ^ _times(lower, root) for higher, lower in zip([*generator, 0], [0, *generator], strict=True)
        ]
        root = _times(root, 2)
    return [int.from_bytes(bytes(_times(element, each) for each in generator[1:]), "big") for element in range(256)]


def _times(one: int, other: int) -> int:
    """The product of two elements of GF(256)."""
    found = 0
    while other:
        found ^= one if other & 1 else 0
        one = one << 1 ^ (_FIELD if one & 0x80 else 0)
        other >>= 1
    return found
