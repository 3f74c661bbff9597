"""`docs/reference/urls.md` lists every address of the URL configuration, and none that is not there."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.urls import URLResolver, get_resolver

from config import openapi

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reference" / "urls.md").read_text()
LISTED = set(re.findall(r"^\| `(/[^`]*)` \|", PAGE, re.MULTILINE))
_TABLE = re.compile(r"^/admin/(?:identity|mfa)/\w+/(?=$|add/$|\{object_id\}/)")


def served() -> Iterator[str]:
    for route in _routes(get_resolver().url_patterns, ""):
        address = openapi.readable_paths([(f"/{route}", route, "GET", None)])[0][0]
        address = re.sub(r"\(\?P<(\w+)>[^)]*\)", r"{\1}", address).replace("^", "").replace("$", "")
        address = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", address)
        yield (
            _TABLE.sub("/admin/{app}/{table}/", address)
            .replace("{object_id}", "{id}")
            .replace("{pk}", "{id}")
            .replace("{app_label}", "{app}")
        )


def _routes(patterns: list[Any], prefix: str) -> Iterator[str]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _routes(pattern.url_patterns, route)
        else:
            yield route


def test_every_address_is_listed_and_every_listed_address_is_served() -> None:
    found = {address.removesuffix("/") or "/" for address in served()}
    listed = {address.removesuffix("/") or "/" for address in LISTED - {"/static/"}}
    assert found - listed == set()
    assert listed - found == set()
