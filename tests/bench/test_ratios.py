"""What our work costs stays near what was recorded, in units of floors measured beside it (`bench.ratios`)."""

import pytest

from bench import ratios

# A server, PostgreSQL and Redis of its own start, and the suite's other workers take the same cores.
pytestmark = [pytest.mark.slow, pytest.mark.postgresql_only, pytest.mark.timeout(1200)]


def test_no_operation_has_become_half_as_dear_again_as_it_was_recorded() -> None:
    then, now = ratios.recorded(), ratios.measured()
    assert then.keys() == now.keys()
    for _ in range(2):
        if ratios.worse(now, then):
            # A neighbour on the core may have come between the floor and what stands on it. What is dearer stays so.
            now = {name: min(now[name], again) for name, again in ratios.measured().items()}
    assert ratios.worse(now, then) == {}


def test_an_operation_that_has_become_dearer_is_named() -> None:
    then = {"code step": 4.0, "refresh": 3.0}
    assert list(ratios.worse({"code step": 6.1, "refresh": 4.4}, then)) == ["code step"]
