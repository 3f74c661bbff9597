"""docs/explanation/scale.md says what the model says, and the model behaves as queues do."""

import json

import pytest

from bench import scale
from bench.simulation import Costs, Place, closed, opened
from bench.unit_costs import FILE

pytestmark = pytest.mark.timeout(120)
MEASURED = json.loads(FILE.read_text())
SMALL = Costs(
    hash=0.020,
    password={"web": 0.024, "postgresql": 0.002, "redis": 0.0, "load": 0.0},
    code={"web": 0.006, "postgresql": 0.002, "redis": 0.0, "load": 0.0},
    pause=0.001,
)


def test_the_tables_of_the_page_are_those_that_the_model_writes() -> None:
    page = scale.PAGE.read_text()
    shown = page[page.index(scale.BEGIN) : page.index(scale.END) + len(scale.END)]
    assert shown == scale.generated(MEASURED), "run python -m bench.scale --write"


def test_the_model_comes_to_what_was_measured() -> None:
    for point, rate, p50 in scale.errors(MEASURED):
        assert rate == pytest.approx(point["a_second"], rel=0.3), point
        assert p50 == pytest.approx(point["p50_ms"], rel=0.3), point


def test_one_client_alone_waits_for_its_own_work_only() -> None:
    alone = closed(SMALL, Place.one_machine(2, 2), 1)
    assert alone.p50 == pytest.approx(SMALL.web + SMALL.postgresql + 2 * SMALL.pause)
    assert alone.a_second == pytest.approx(1 / alone.p50, rel=0.02)


def test_many_clients_get_what_the_cores_give_and_no_more() -> None:
    most = 2 / (SMALL.web + SMALL.postgresql)
    # All but what a process's one hash slot leaves idle while its next caller has yet to come to it.
    assert closed(SMALL, Place.one_machine(2, 2), 32).a_second == pytest.approx(most, rel=0.05)
    # Twice the clients wait twice as long.
    assert closed(SMALL, Place.one_machine(2, 2), 64).p50 == pytest.approx(64 / most, rel=0.1)


def test_one_process_computes_python_on_one_core_however_many_there_are() -> None:
    python = SMALL.web - SMALL.hash
    assert closed(SMALL, Place.one_machine(16, 1), 32).a_second <= 1 / python + 1
    assert closed(SMALL, Place.one_machine(16, 8), 32).a_second > 2 / python


def test_a_database_that_is_too_small_is_what_holds_everybody_up() -> None:
    slow = Costs(SMALL.hash, {**SMALL.password, "postgresql": 0.05}, SMALL.code, SMALL.pause)
    result = closed(slow, Place.apart(8, 8, 1), 32)
    assert result.used["postgresql"] > 0.98
    assert result.a_second == pytest.approx(1 / slow.postgresql, rel=0.05)


def test_people_who_come_at_random_wait_longer_the_fuller_it_is() -> None:
    place = Place.one_machine(2, 2)
    most = closed(SMALL, place, 32).a_second
    calm, full = (opened(SMALL, place, most * share, 2000) for share in (0.5, 0.95))
    assert calm.a_second == pytest.approx(most * 0.5, rel=0.1)
    assert full.p99 > 2 * calm.p99
