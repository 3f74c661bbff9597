"""`bench.soak` judges: what grew, went wrong or was accepted twice is a fault, and a run without any is none."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from django.utils import timezone

from bench.soak import SWEPT, Meter, Outcome, Seen
from bench.soak_sweep import sweep_ahead
from mfa.models import AuthenticationRequest
from tests.support.ceremony import a_request, a_user

TABLES = dict.fromkeys(SWEPT, (5000, 4 << 20)) | {"identity_auditevent": (1000, 1 << 20)}


def outcome(**different: Any) -> Outcome:
    """Ten minutes at ten a second, in which all was well but for what differs."""
    seen = Seen(0.0, [(second, 0.05) for second in range(600)], Counter({"signed in": 6000}), Counter(refused=300))
    meter = Meter(cast("Any", SimpleNamespace()), "", 600)
    meter.memory = [(10 * n, {"pss": 400 + n % 3, "rss": 500}, 100, 3) for n in range(60)]
    meter.tables = [{"identity_auditevent": (0, 0)}, TABLES, {**TABLES, "identity_auditevent": (20000, 9 << 20)}]
    return replace(Outcome(12.5, 10.0, 600.0, seen, meter, 100, 6100), **different)


def grown(found: Outcome) -> None:
    found.meter.tables[2]["identity_session"] = (10_000, 9 << 20)


def leaking(found: Outcome) -> None:
    found.meter.memory = [(10 * n, {"pss": 400 + n, "rss": 500}, 100, 3) for n in range(60)]


def failing(found: Outcome) -> None:
    found.seen.ends["WrongAnswer: 503"] = 1


def accepted_twice(found: Outcome) -> None:
    found.seen.replays["status 200"] = 1


def behind(found: Outcome) -> None:
    found.seen.ends["signed in"], found.after = 5000, 5100


def lost(found: Outcome) -> None:
    found.after -= 1


def test_a_run_in_which_all_was_well_has_no_fault() -> None:
    assert outcome().faults() == []


@pytest.mark.parametrize("spoil", [grown, leaking, failing, accepted_twice, behind, lost])
def test_each_thing_that_must_not_be_is_a_fault(spoil: Callable[[Outcome], None]) -> None:
    found = outcome()
    spoil(found)
    assert len(found.faults()) == 1


@pytest.mark.django_db
def test_what_is_over_goes_at_once_and_what_is_open_stays() -> None:
    now, user = timezone.now(), a_user()
    a_request(user, now - timedelta(minutes=11))
    still_open = a_request(user, now)
    sweep_ahead()
    assert list(AuthenticationRequest.objects.all()) == [still_open]


def test_the_report_shows_every_minute_and_each_process() -> None:
    found = outcome()
    found.meter.server = cast(
        "Any", SimpleNamespace(served=SimpleNamespace(services=SimpleNamespace(versions="PostgreSQL 18")))
    )
    found.meter.parts, found.meter.names = [{7: 100, 8: 60}, {7: 101, 8: 60}], {7: "web", 8: "beat"}
    told = found.report()
    assert "**It stays as it is.**" in told
    assert "| 10 | 60 | 50 | 50 |" in told
    assert "| web | 100 | 101 | 101 |" in told
    assert "| identity_session | 0 | 5000 | 5000 | 0 | 4096 | 4096 |" in told
