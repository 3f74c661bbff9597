"""The plot of RESULTS.md: rates of ours, the floors and the peers, one panel for each kind of work, as SVG."""

from collections.abc import Iterator
from html import escape
from typing import Any

from bench import report
from bench.run import OURS

WIDTH, LABEL, BAR, GAP, TITLE = 760, 250, 22, 8, 44
COLOURS = {"ours": "#1f6feb", "floor": "#8c959f", "peer": "#d4a72c"}


def svg(run: dict[str, Any]) -> str:
    """The whole picture."""
    parts, y = [], 16
    for title, bars in _panels(run):
        if bars:
            drawn, y = _panel(title, bars, y)
            parts.append(drawn)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" viewBox="0 0 {WIDTH} {y}" role="img" '
        f'aria-label="Operations a second, at 8 clients" font-family="system-ui, sans-serif" font-size="13">\n'
        f'<rect width="{WIDTH}" height="{y}" fill="#ffffff"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _panels(run: dict[str, Any]) -> Iterator[tuple[str, list[tuple[str, float, str]]]]:
    def rate(key: str) -> float:
        return report.figure(run, key, 8)

    names = run["versions"]
    peers = [(peer, names.get(peer, peer)) for peer in report.PEERS]
    sign_in = [
        ("hash alone, both cores", report.hash_rate(run), "floor"),
        (OURS, rate(f"{OURS}: sign-in"), "ours"),
        *((name, rate(f"{peer}: sign-in"), "peer") for peer, name in peers),
    ]
    code = [
        ("DRF view, SELECT + UPDATE", rate("floor: SELECT + UPDATE"), "floor"),
        (f"{OURS}, tokens and audit", rate(f"{OURS}: code step"), "ours"),
        (f"{names.get('django-otp', 'django-otp')}, bare", rate("django-otp: code step, bare"), "peer"),
        *((name, rate(f"{peer}: code step"), "peer") for peer, name in peers),
    ]
    enrolment = [
        (OURS, report.enrolment(run, OURS, 8), "ours"),
        *((name, report.enrolment(run, peer, 8), "peer") for peer, name in peers),
    ]
    for title, bars in (
        ("Whole sign-in: password, code, tokens — a second, 8 clients", sign_in),
        ("Code step alone — a second, 8 clients", code),
        ("Enrolment: begin and confirm — a second, 8 clients", enrolment),
    ):
        yield title, [bar for bar in bars if bar[1]]


def _panel(title: str, bars: list[tuple[str, float, str]], y: int) -> tuple[str, int]:
    most = max(value for _, value, _ in bars)
    room = WIDTH - LABEL - 90
    lines = [f'<text x="16" y="{y + 20}" font-weight="600" fill="#1f2328">{escape(title)}</text>']
    y += TITLE - 10
    for name, value, kind in bars:
        width = max(1.0, value / most * room)
        middle = y + BAR / 2 + 4.5
        told = f"{value:.0f}" if value >= 20 else f"{value:.1f}"
        lines += [
            f'<text x="{LABEL - 10}" y="{middle}" text-anchor="end" fill="#1f2328">{escape(name)}</text>',
            f'<rect x="{LABEL}" y="{y}" width="{width:.1f}" height="{BAR}" rx="3" fill="{COLOURS[kind]}"/>',
            f'<text x="{LABEL + width + 8:.1f}" y="{middle}" fill="#1f2328">{told}</text>',
        ]
        y += BAR + GAP
    return "\n".join(lines), y + 14
