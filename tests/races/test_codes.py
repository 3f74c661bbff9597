"""One code, or many guesses, at several server processes at once (ATTACKS A02, A11, A15)."""

import time
from functools import partial

import pytest

from tests.races.conftest import AT_ONCE, Track, enrolled, successes
from tests.support.visual_guard import CANCELLED, SUCCESS, WRONG_CODE, Answer, VisualGuardClient

pytestmark = [pytest.mark.postgresql_only, pytest.mark.xdist_group("races"), pytest.mark.timeout(240)]
ROUNDS = 100


def _round(
    track: Track, people: list[VisualGuardClient], opened: list[Answer], code: str, at_once: int
) -> list[Answer]:
    """The same code `at_once` times, spread over the processes and the open requests."""
    app = opened[0].factor_id()
    acts = [
        partial(client.code_step, due, code, factor=app)
        for client, due in zip(track.spread(people, at_once), track.spread(opened, at_once), strict=True)
    ]
    return track.at_once(acts)


def _forget(track: Track, person: VisualGuardClient) -> None:
    """As if no code of the person's app had been used yet."""
    track.query(
        "UPDATE mfa_authenticator SET last_time_step = -1, drift = 0, failures = 0, rest_until = NULL"
        " WHERE user_id = (SELECT id FROM identity_user WHERE username = %s)",
        person.username,
    )


def test_one_code_sent_32_times_through_4_processes_signs_in_once_in_each_of_100_rounds(track: Track) -> None:
    people = track.person()
    phone = enrolled(people)
    for number in range(ROUNDS):
        _forget(track, people[0])
        answers = _round(track, people, [people[number % 4].password_step()], phone.code(), AT_ONCE)
        assert len(successes(answers)) == 1, f"{len(successes(answers))} sign-ins in round {number}"
        assert {answer.status for answer in answers} <= {SUCCESS, WRONG_CODE, CANCELLED, WRONG_CODE | 128}


def test_one_code_sent_for_five_open_requests_at_once_signs_in_once(track: Track) -> None:
    """Here no request decides who was first: only the authenticator's ledger does."""
    people = track.person()
    phone = enrolled(people)
    for number in range(20):
        _forget(track, people[0])
        opened = track.at_once([client.password_step for client in track.spread(people, 5)])
        answers = _round(track, people, opened, phone.code(), 20)
        assert len(successes(answers)) == 1, f"{len(successes(answers))} sign-ins in round {number}"
        assert {answer.status for answer in answers} <= {SUCCESS, WRONG_CODE, CANCELLED}


def test_of_a_hundred_parallel_wrong_codes_five_are_compared(track: Track) -> None:
    people = track.person()
    phone = enrolled(people)
    opened = track.at_once([client.password_step for client in track.spread(people, 5)])
    wrong = phone.wrong_code()
    before = time.time()
    answers = _round(track, people, opened, wrong, 100)
    assert time.time() - before < 20
    assert not successes(answers)
    compared = track.query(
        "SELECT count(*) FROM identity_auditevent e JOIN identity_user u ON u.id = e.user_id"
        " WHERE u.username = %s AND e.reason IN ('wrong_code', 'outside_window', 'replayed')",
        people[0].username,
    )
    assert compared == [(5,)]
    failures = track.query(
        "SELECT failures, rest_until IS NOT NULL FROM mfa_authenticator a JOIN identity_user u ON u.id = a.user_id"
        " WHERE u.username = %s",
        people[0].username,
    )
    assert failures == [(5, True)]


def test_a_right_code_among_parallel_wrong_ones_signs_in_at_most_once_and_nobody_errs(track: Track) -> None:
    people = track.person()
    phone = enrolled(people)
    opened = track.at_once([client.password_step for client in track.spread(people, 5)])
    app, right, wrong = opened[0].factor_id(), phone.next_code(), phone.wrong_code()
    codes = [right if number % 4 == 0 else wrong for number in range(AT_ONCE)]
    answers = track.at_once(
        [
            partial(client.code_step, due, code, factor=app)
            for client, due, code in zip(track.spread(people), track.spread(opened), codes, strict=True)
        ]
    )
    assert len(successes(answers)) <= 1
    assert all(answer.http_status in (200, 400) for answer in answers)
