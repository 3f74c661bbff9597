"""How long an answer takes tells nobody which names exist (ATTACKS A53), on a real server."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.server import Server
from tests.support.visual_guard import WRONG_PASSWORD, VisualGuardClient

CLIENT, TRIES, ROUNDS = "timing_Native", 40, 4
PASSWORD = "a password of its own"
# Each round has people of its own, whom no wrong password of an earlier one can have locked.
KINDS: dict[str, dict[str, Any]] = {
    "plain": {"clients": ["*"]},
    "disabled": {"clients": ["*"], "is_active": False},
    "mailbox": {"clients": ["*"], "email": "m@b.example", "email_verified": True},
    "foreign": {},
}
PROVISIONED: dict[str, Any] = {
    "clients": [{"client_id": CLIENT, "name": "Timing"}],
    "lockout": {"attempts": 100, "window": 900, "unlock_after": 900},
    "users": [
        {"username": f"{kind}-{number}", "password": PASSWORD, **fields}
        for kind, fields in KINDS.items()
        for number in range(ROUNDS)
    ],
}


@pytest.mark.timeout(300)
def test_a_wrong_password_takes_as_long_for_a_name_that_does_not_exist(start_server: Callable[..., Server]) -> None:
    """Medians of interleaved tries. Hashes are cheap here, so that any other difference would be the larger part.

    One round in which all are alike will do: what else the machine does makes some differ, and no difference go away.
    """
    client = VisualGuardClient.of_server(start_server(PROVISIONED), CLIENT)
    rounds: list[dict[str, float]] = []
    while not any(_are_alike(medians) for medians in rounds):
        assert len(rounds) < ROUNDS, rounds
        rounds.append(_medians(client, len(rounds)))


def _medians(client: VisualGuardClient, round_number: int) -> dict[str, float]:
    """Seconds that a wrong password takes, by the kind of account."""
    taken: dict[str, list[float]] = {kind: [] for kind in ("nobody", *KINDS)}
    for number in range(TRIES):
        for kind, times in taken.items():
            started = time.perf_counter()
            answer = client.password_step(Username=f"{kind}-{round_number}", Password="wrong")
            times.append(time.perf_counter() - started)
            assert answer.status == WRONG_PASSWORD, (kind, number)
    return {kind: statistics.median(times[5:]) for kind, times in taken.items()}


def _are_alike(medians: dict[str, float]) -> bool:
    return all(0.6 < median / medians["nobody"] < 1.7 for median in medians.values())
