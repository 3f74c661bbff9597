"""How long an answer takes tells nobody which names exist (ATTACKS A53), on a real server."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.server import Server
from tests.support.visual_guard import WRONG_PASSWORD, VisualGuardClient

CLIENT, TRIES = "timing_Native", 40
PASSWORD = "a password of its own"
PROVISIONED: dict[str, Any] = {
    "clients": [{"client_id": CLIENT, "name": "Timing"}],
    "lockout": {"attempts": 100, "window": 900, "unlock_after": 900},
    "users": [
        {"username": "plain", "password": PASSWORD, "clients": ["*"]},
        {"username": "disabled", "password": PASSWORD, "clients": ["*"], "is_active": False},
        {"username": "mailbox", "password": PASSWORD, "clients": ["*"], "email": "m@b.example", "email_verified": True},
        {"username": "foreign", "password": PASSWORD},
    ],
}


@pytest.mark.timeout(120)
def test_a_wrong_password_takes_as_long_for_a_name_that_does_not_exist(start_server: Callable[..., Server]) -> None:
    """Medians of interleaved tries. Hashes are cheap here, so that any other difference would be the larger part."""
    client = VisualGuardClient.of_server(start_server(PROVISIONED), CLIENT)
    names = ["nobody", "plain", "disabled", "mailbox", "foreign"]
    taken: dict[str, list[float]] = {name: [] for name in names}
    for number in range(TRIES):
        for name in names:
            started = time.perf_counter()
            answer = client.password_step(Username=name, Password="wrong")
            taken[name].append(time.perf_counter() - started)
            assert answer.status == WRONG_PASSWORD, (name, number)
    medians = {name: statistics.median(times[5:]) for name, times in taken.items()}
    for name in names[1:]:
        assert 0.6 < medians[name] / medians["nobody"] < 1.7, medians
