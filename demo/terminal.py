"""How the demo looks: colours where there is a terminal, JSON without what says nothing, QR codes in half blocks."""

import io
import json
import os
import sys
from typing import Any

COLOURS = sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
LIGHT_QUIET_MODULES = 2  # Each side; four would be the standard's, and two is what phones need on a screen.


def paint(text: str, code: str) -> str:
    return f"\033[{code}m{text}\033[0m" if COLOURS else text


def title(number: int, text: str) -> None:
    print(f"\n{paint(f' {number} ', '1;97;44')} {paint(text, '1')}")


def explain(text: str) -> None:
    print(paint(f"    {text}", "2"))


def sent(method: str, path: str, fields: dict[str, str]) -> None:
    print(f"  {paint('→', '36')} {paint(method, '1;36')} {paint(path, '36')}")
    for name, value in fields.items():
        print(f"      {name}={paint(value, '36')}")


def received(status: int, kind: str, body: bytes) -> None:
    colour = "32" if status < 300 else "33"
    print(f"  {paint('←', colour)} {paint(str(status), '1;' + colour)} {kind}")
    if kind.endswith("json"):
        for line in json.dumps(shortened(json.loads(body)), indent=2, ensure_ascii=False).splitlines():
            print(paint(f"      {line}", colour))
    else:
        print(paint(f"      {len(body)} bytes", colour))


def shortened(value: Any) -> Any:
    """The same answer with the false booleans of an object counted instead of listed, and long tokens cut."""
    if isinstance(value, dict):
        said = {name: shortened(item) for name, item in value.items() if item is not False}
        unsaid = len(value) - len(said)
        return {**said, "…": f"{unsaid} more, all false"} if unsaid else said
    if isinstance(value, list):
        return [shortened(item) for item in value]
    if isinstance(value, str) and len(value) > 120:
        return f"{value[:56]}… ({len(value)} characters)"
    return value


def good(text: str) -> None:
    print(f"  {paint('✓', '1;32')} {text}")


def bad(text: str) -> None:
    print(f"  {paint('✗', '1;31')} {text}", file=sys.stderr)


def draw_qr(png: bytes) -> None:
    """Draw the modules of a served QR picture, two rows a line."""
    for line in qr_lines(modules(png), colours=COLOURS):
        print(f"      {line}")


def qr_lines(symbol: list[list[bool]], *, colours: bool) -> list[str]:
    """Half blocks: black on white with colours; without, a terminal is taken to be dark and light modules are drawn."""
    rows = _with_margin(symbol)
    block, end = (_painted_block, "\033[0m") if colours else (_light_block, "")
    pairs = zip(rows[::2], [*rows[1::2], [False] * len(rows[0])], strict=False)
    return ["".join(map(block, upper, lower)) + end for upper, lower in pairs]


def modules(png: bytes) -> list[list[bool]]:
    """The dark modules of the QR code in a picture; its first finder pattern, seven modules wide, gives the scale."""
    from PIL import Image, ImageOps

    dark = ImageOps.invert(Image.open(io.BytesIO(png)).convert("L")).point(lambda level: 255 if level > 127 else 0)
    box = dark.getbbox()
    if box is None:
        raise ValueError("The picture is empty.")
    symbol = dark.crop(box)
    finder = next((x for x in range(symbol.width) if not symbol.getpixel((x, 0))), symbol.width)
    scale = finder / 7
    side = round(symbol.width / scale)
    middle = [int((index + 0.5) * scale) for index in range(side)]
    return [[bool(symbol.getpixel((x, y))) for x in middle] for y in middle]


def _with_margin(rows: list[list[bool]]) -> list[list[bool]]:
    side = [False] * LIGHT_QUIET_MODULES
    wide = [[*side, *row, *side] for row in rows]
    empty = [[False] * len(wide[0]) for _ in side]
    return [*empty, *wide, *empty]


def _painted_block(top: bool, bottom: bool) -> str:
    return f"\033[{30 if top else 97};{40 if bottom else 107}m▀"


def _light_block(top: bool, bottom: bool) -> str:
    return {(False, False): "█", (False, True): "▀", (True, False): "▄", (True, True): " "}[top, bottom]
