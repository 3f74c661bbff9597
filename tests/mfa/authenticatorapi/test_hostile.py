"""Nothing that a stranger sends makes these calls fail, dawdle or swell.

The suite asks some thousands; `make hostile` asks a hundred thousand.
"""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.db import connections
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.mfa.authenticatorapi import hostile
from tests.mfa.authenticatorapi.hostile import Seen, ask, requests

THOUSANDS = int(os.environ.get("STEPWARD_HOSTILE_THOUSANDS", "3"))

anything = st.text(max_size=60) | st.sampled_from(hostile.recorded("values"))
quick = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """A line for each request would be most of the memory that is measured."""
    logging.disable(logging.CRITICAL)
    connections.close_all()  # What another test left open, each request would look at; these calls need none.
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def served() -> WSGIHandler:
    """What the HTTP server calls."""
    return WSGIHandler()


@pytest.mark.timeout(600)
def test_hostile_requests_never_fail_never_dawdle_and_leave_nothing_behind(served: WSGIHandler) -> None:
    seen, stream = Seen(), requests(seed=20261121)
    for request in itertools.islice(stream, 1500):
        ask(served, seen, *request)
    held = hostile.memory()
    for request in itertools.islice(stream, THOUSANDS * 1000 - 1500):
        ask(served, seen, *request)
    assert seen.asked == THOUSANDS * 1000
    assert set(seen.statuses) <= {200, 400, 405, 413, 415, 429}
    assert seen.statuses[200] > seen.asked // 20  # The corpus reaches past the first check.
    assert hostile.memory() - held < 16  # MiB


@quick
@given(st.dictionaries(st.sampled_from(hostile.NAMES), anything, max_size=5), st.sampled_from(hostile.PATHS))
def test_any_query_is_answered(served: WSGIHandler, given_values: dict[str, str], path: str) -> None:
    query = urlencode(given_values, errors="surrogatepass")
    ask(served, Seen(), "GET", f"{path}?{query}", b"", "")


@quick
@given(st.binary(max_size=300), st.sampled_from(hostile.PATHS + hostile.MODERN), st.sampled_from(hostile.TYPES))
def test_any_bytes_are_answered(served: WSGIHandler, body: bytes, path: str, content_type: str) -> None:
    ask(served, Seen(), "POST", path, body, content_type)


trees = st.recursive(
    anything.map(lambda text: text.replace("&", "&amp;").replace("<", "&lt;")),
    lambda inner: st.tuples(
        st.sampled_from(["s:Envelope", "s:Body", "s:Header", "Pair", "ValidatePin", "pin", "secretCode", "a:b", "x"]),
        st.sampled_from(["", ' xmlns="http://authenticatorapi.com/"', ' s:mustUnderstand="1"', ' pin="1"']),
        st.lists(inner, max_size=4),
    ).map(lambda parts: f"<{parts[0]}{parts[1]}>{''.join(parts[2])}</{parts[0]}>"),
    max_leaves=12,
)


@quick
@given(trees, st.sampled_from(["http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope"]))
def test_any_envelope_is_answered(served: WSGIHandler, inner: str, namespace: str) -> None:
    body = f'<s:Envelope xmlns:s="{namespace}" xmlns:a="urn:a"><s:Body>{inner}</s:Body></s:Envelope>'
    ask(served, Seen(), "POST", "/api.asmx", body.encode("utf-8", "surrogatepass"), "text/xml")
