"""Hostile query strings and bodies by the thousand: a seeded grammar over a recorded corpus, and what may come of them.

`make hostile` asks a hundred thousand and prints what it saw; the suite asks some thousands.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote_from_bytes

import psutil

CORPUS: Final = Path(__file__).with_name("corpus")
SLOWEST: Final = 0.100
"""Seconds of processor time; the clock on the wall also counts what other processes do."""

PATHS: Final = ["/Validate.aspx", "/pair.aspx", "/qr.aspx", "/api.asmx", "/api.asmx/Pair", "/api.asmx/ValidatePin"]
MODERN: Final = ["/api/totp/generate", "/api/totp/pair", "/api/totp/validate"]
NAMES: Final = [
    "Pin",
    "SecretCode",
    "AppName",
    "AppInfo",
    "SecretEncoding",
    "data",
    "size",
    "pin",
    "SECRETCODE",
    "x",
    "",
]
TYPES: Final = [
    "application/x-www-form-urlencoded",
    "application/json",
    "text/xml; charset=utf-8",
    "application/soap+xml",
    "multipart/form-data; boundary=x",
    "text/plain; charset=no-such",
    "",
]


@dataclass
class Seen:
    """What came of the requests so far."""

    statuses: Counter[int] = field(default_factory=Counter)
    slowest: float = 0.0
    slowest_of: str = ""
    asked: int = 0


def recorded(kind: str) -> list[str]:
    """The corpus: one case a line, as pieces of text and how often each is repeated. Each was an attack on some parser."""
    lines = (CORPUS / f"{kind}.jsonl").read_text().splitlines()
    return ["".join(piece * times for piece, times in json.loads(line)) for line in lines]


def numbered() -> list[str]:
    """Bodies with thousands of different names, which fill tables."""
    return [
        "<a " + " ".join(f'a{number}="{number}"' for number in range(4000)) + "/>",
        "<a " + " ".join(f'xmlns:n{number}="urn:{number}"' for number in range(2500)) + "/>",
        "&".join(f"a{number}=1" for number in range(5000)),
    ]


def requests(seed: int) -> Iterator[tuple[str, str, bytes, str]]:
    """Without end: method, path with its query, body, content type. The same seed gives the same requests."""
    chance = random.Random(seed)
    values, bodies = recorded("values"), recorded("bodies") + numbered()
    for body in bodies:
        for content_type in TYPES:
            for path in ("/api.asmx", "/api.asmx/Pair", "/Validate.aspx", "/api/totp/validate"):
                yield "POST", path, body.encode("utf-8", "surrogatepass"), content_type
    for value in values:
        for path in PATHS[:3]:
            yield "GET", f"{path}?{_query(chance, [value])}", b"", ""
    while True:
        if chance.random() < 0.5:
            yield "GET", f"{chance.choice(PATHS)}?{_query(chance, values)}", b"", ""
        else:
            content = _mutated(chance, chance.choice(bodies).encode("utf-8", "surrogatepass"))
            if chance.random() < 0.3:
                content = json.dumps(
                    {chance.choice(NAMES): chance.choice([1, None, [], {}, 1e400, True]) for _ in range(3)}
                ).encode()
            yield "POST", chance.choice(PATHS + MODERN), content, chance.choice(TYPES[:4] * 3 + TYPES)


def _query(chance: random.Random, values: list[str]) -> str:
    """A query string of likely names and unlikely values, sometimes cut up and put together again."""
    pairs = []
    for _ in range(chance.choice([1, 2, 2, 3, 3, 4, 40, 150])):
        value = _mutated(chance, chance.choice(values).encode("utf-8", "surrogatepass"))
        encoded = quote_from_bytes(value, safe="") if chance.random() < 0.8 else quote_from_bytes(value, safe="%&=;+")
        pairs.append(f"{chance.choice(NAMES)}{chance.choice(['=', '=', '=', '', '=='])}{encoded}")
    return "&".join(pairs)[:30_000]


def _mutated(chance: random.Random, value: bytes) -> bytes:
    """The value itself, or with bytes turned, cut, doubled or put in."""
    for _ in range(chance.choice([0, 0, 1, 2, 8])):
        at = chance.randrange(len(value) + 1)
        what = chance.randrange(4)
        if what == 0:
            value = value[:at] + bytes([chance.randrange(256)]) + value[at + 1 :]
        elif what == 1:
            value = value[:at]
        elif what == 2:
            value = value[:at] + value[at:] * 2
        else:
            value = (
                value[:at]
                + chance.choice([b"<![CDATA[", b"&#0;", b"\xff\xfe", b"%00", b'"', b"</", b"\xed\xa0\x80"])
                + value[at:]
            )
    return value[:60_000]


def answered(application: Any, method: str, path: str, body: bytes, content_type: str) -> int:
    """The status of one request to the WSGI application itself: Django's test client keeps something of each request."""
    from django.test import RequestFactory

    environ = RequestFactory().generic(method, path, body, content_type or "application/octet-stream").environ
    statuses: list[str] = []
    response = application(environ, lambda status, headers: statuses.append(status))
    try:
        for _ in response:
            pass
    finally:
        response.close()
    return int(statuses[0][:3])


def ask(application: Any, seen: Seen, method: str, path: str, body: bytes, content_type: str) -> None:
    """One request; a slow one is asked again, since the processor's cache or a collection may have had its moment."""
    least = float("inf")
    status = 0
    for _ in range(6):
        began = time.thread_time()
        status = answered(application, method, path, body, content_type)
        least = min(least, time.thread_time() - began)
        if least < SLOWEST:
            break
    seen.asked += 1
    seen.statuses[status] += 1
    if least > seen.slowest:
        seen.slowest, seen.slowest_of = (
            least,
            f"{method} {path[:60]!r} {content_type} {body[:60]!r} ({len(body)} bytes)",
        )
    if status >= 500 or least >= SLOWEST:
        raise AssertionError(f"{status} after {least:.3f} s: {method} {path!r} {content_type} {body!r}"[:4000])


def memory() -> float:
    """What this process holds, in MiB."""
    return float(psutil.Process().memory_info().rss) / 2**20


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.test")
    os.environ["RATE_LIMIT"] = "0"
    import logging

    import django

    django.setup()
    logging.disable()
    from django.core.handlers.wsgi import WSGIHandler

    wanted, seen, application = int(sys.argv[1]), Seen(), WSGIHandler()
    began, held = time.time(), 0.0
    for request in requests(seed=int(sys.argv[2]) if len(sys.argv) > 2 else 1):
        ask(application, seen, *request)
        if seen.asked == wanted // 4:
            held = memory()
        if seen.asked == wanted:
            break
    print(f"{seen.asked} requests in {time.time() - began:.0f} s, statuses {dict(seen.statuses)}")
    print(f"slowest {seen.slowest * 1000:.1f} ms of processor time: {seen.slowest_of}")
    print(f"memory {held:.0f} MiB after a quarter, {memory():.0f} MiB at the end")


if __name__ == "__main__":
    main()
