"""A clock that a test moves by hand: codes, rests and lifetimes are a matter of time."""

from collections.abc import Iterator

import pytest
import time_machine
from pytest_django import Settings

# The first second of a time step, so that small moves stay inside it.
START = 1_790_000_010


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    """`clock.shift(30)`: half a minute later. Nothing moves by itself."""
    with time_machine.travel(START, tick=False) as traveller:
        yield traveller


@pytest.fixture(autouse=True)
def _in_the_process(settings: Settings) -> None:
    """Messages go out by threads of this process, or not at all."""
    settings.REDIS_URL = ""
