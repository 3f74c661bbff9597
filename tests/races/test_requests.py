"""Requests, enrolments, tokens and passwords, by several processes at once."""

import base64
import json
from functools import partial

import pytest
from jwcrypto.jwk import JWKSet
from jwcrypto.jwt import JWT

from tests.races.conftest import AT_ONCE, PROCESSES, WITHOUT, Track, enrolled, successes
from tests.support.soft_authenticator import SoftAuthenticator
from tests.support.visual_guard import CANCELLED, LOCKED_OUT, WRONG_PASSWORD

pytestmark = [pytest.mark.postgresql_only, pytest.mark.xdist_group("races"), pytest.mark.timeout(240)]


def test_processes_that_use_the_keys_for_the_first_time_at_once_agree_on_them(track: Track) -> None:
    published = {server.url: track_document(track, number) for number, server in enumerate(track.servers)}
    assert len(published) == PROCESSES
    assert len({json.dumps(keys, sort_keys=True) for keys in published.values()}) == 1
    keys = JWKSet.from_json(json.dumps(next(iter(published.values()))))
    assert len(track.first_tokens) == PROCESSES * 2
    for token in track.first_tokens:
        JWT(jwt=token, key=keys, algs=["RS256"], expected_type="JWS")
    kinds = track.query("SELECT purpose, count(*) FROM identity_sealedkey GROUP BY purpose ORDER BY purpose")
    assert kinds == [("digest", 1), ("signing", 1)]


def track_document(track: Track, number: int) -> dict[str, object]:
    client = track.clients("racer-0", WITHOUT)[number]
    return dict(client.send("GET", "/.well-known/jwks.json").document)


def test_of_a_hundred_parallel_wrong_passwords_five_are_compared_and_none_after(track: Track) -> None:
    track.query("UPDATE identity_installation SET lockout_attempts = 5")
    people = track.person(WITHOUT)
    answers = track.at_once([partial(client.password_step, Password="wrong") for client in track.spread(people, 100)])
    statuses = sorted(answer.status for answer in answers)
    compared = [status for status in statuses if status & WRONG_PASSWORD == WRONG_PASSWORD]
    assert len(compared) == 5
    assert statuses.count(LOCKED_OUT) == 95
    assert people[0].password_step().status == LOCKED_OUT


def test_parallel_right_passwords_do_not_lock_their_owner_out(track: Track) -> None:
    track.query("UPDATE identity_installation SET lockout_attempts = 5")
    people = track.person(WITHOUT)
    answers = track.at_once([client.password_step for client in track.spread(people, 16)])
    assert len(successes(answers)) == 16


def test_a_confirmed_request_redeemed_by_all_at_once_gives_tokens_once(track: Track) -> None:
    people = track.person()
    request_id = people[0].password_step().request_id
    people[0].enrol_app(request_id)
    answers = track.at_once([partial(client.redeem, request_id) for client in track.spread(people)])
    assert len(successes(answers)) == 1
    assert {answer.status for answer in answers if answer.http_status == 400} == {CANCELLED}


def test_a_refresh_token_used_by_all_at_once_is_renewed_once_and_its_family_ends(track: Track) -> None:
    """RFC 9700, 4.14.2: the server cannot tell the thief from the owner, so the winner's token is over as well."""
    people = track.person(WITHOUT)
    for _ in range(5):
        token = people[0].password_step(scope="offline_access").document["refresh_token"]
        answers = track.at_once([partial(client.refresh, token) for client in track.spread(people, 16)])
        winners = successes(answers)
        assert len(winners) == 1
        assert {answer.document["error"] for answer in answers if answer.http_status == 400} == {"invalid_grant"}
        assert people[1].refresh(winners[0].document["refresh_token"]).http_status == 400


def test_an_enrolment_confirmed_by_all_at_once_makes_one_authenticator(track: Track) -> None:
    people = track.person()
    request_id = people[0].password_step().request_id
    scanned = track.at_once([partial(client.qr, request_id) for client in track.spread(people, 8)])
    phones = {SoftAuthenticator.scan(picture.body).secret for picture in scanned}
    assert len(phones) == 1, "parallel fetches of the QR began several enrolments"
    phone = SoftAuthenticator.scan(scanned[0].body)
    codes = [phone.code(), phone.next_code()] * 8
    answers = track.at_once(
        [
            partial(client.confirm, request_id, code)
            for client, code in zip(track.spread(people, 16), codes, strict=True)
        ]
    )
    assert len(successes(answers)) == 1
    assert {answer.document["Status"] for answer in answers if answer.http_status != 200} <= {2, 4}
    held = "SELECT count(*) FROM mfa_authenticator a JOIN identity_user u ON u.id = a.user_id WHERE u.username = %s"
    assert track.query(held, people[0].username) == [(1,)]
    events = (
        "SELECT count(*) FROM identity_auditevent e JOIN identity_user u ON u.id = e.user_id"
        " WHERE u.username = %s AND e.event = 'enrolment.confirmed'"
    )
    assert track.query(events, people[0].username) == [(1,)]

    codes_given = track.at_once(
        [partial(client.enrolment, "GetRecoveryCodes", request_id) for client in track.spread(people, 16)]
    )
    assert len(successes(codes_given)) == 1
    assert len(successes(codes_given)[0].document["RecoveryCodes"]) == 10


def test_of_32_parallel_wrong_codes_of_an_enrolment_five_are_compared_and_no_right_one_after(track: Track) -> None:
    people = track.person()
    for _ in range(4):
        request_id = people[0].password_step().request_id
        phone = SoftAuthenticator.scan(people[0].qr(request_id).body)
        wrong = phone.wrong_code()
        answers = track.at_once([partial(client.confirm, request_id, wrong) for client in track.spread(people)])
        assert sorted(answer.document["Status"] for answer in answers) == [4] * (AT_ONCE - 5) + [5] * 5
        assert people[0].confirm(request_id, phone.code()).document["Status"] == 4
    counted = (
        "SELECT e.failures, e.state, e.sealed_secret IS NULL FROM mfa_enrolment e"
        " JOIN identity_user u ON u.id = e.user_id WHERE u.username = %s"
    )
    assert track.query(counted, people[0].username) == [(5, "ended", True)] * 4


def test_confirming_and_cancelling_at_once_leaves_one_or_none_and_no_secret_behind(track: Track) -> None:
    people = track.person()
    for _ in range(5):
        request_id = people[0].password_step().request_id
        phone = SoftAuthenticator.scan(people[0].qr(request_id).body)
        acts = [
            partial(client.confirm, request_id, phone.code())
            if number % 2
            else partial(client.enrolment, "CancelEnrollment", request_id)
            for number, client in enumerate(track.spread(people, 8))
        ]
        answers = track.at_once(acts)
        confirmed = [answer for answer in answers[1::2] if answer.http_status == 200]
        assert len(confirmed) <= 1
        left = track.query(
            "SELECT count(*) FROM mfa_enrolment e JOIN identity_user u ON u.id = e.user_id"
            " WHERE u.username = %s AND e.state <> 'pending' AND e.sealed_secret IS NOT NULL",
            people[0].username,
        )
        assert left == [(0,)]
        if confirmed:
            break


def test_thirty_two_password_steps_at_once_leave_five_open_requests(track: Track) -> None:
    people = track.person()
    track.query("UPDATE identity_installation SET lockout_attempts = 100")
    answers = track.at_once([client.password_step for client in track.spread(people)])
    assert {answer.http_status for answer in answers} == {400}
    live = (
        "SELECT count(*) FROM mfa_authenticationrequest r JOIN identity_user u ON u.id = r.user_id"
        " WHERE u.username = %s AND r.state IN ('open', 'passed')"
    )
    assert track.query(live, people[0].username) == [(5,)]


def test_signing_in_while_requests_are_opened_and_codes_are_wrong_never_deadlocks(track: Track) -> None:
    """Opening, superseding, completing and refusing touch the same rows from several sides."""
    people = track.person()
    track.query("UPDATE identity_installation SET lockout_attempts = 100")
    phone = enrolled(people)
    for _ in range(6):
        track.query("UPDATE mfa_authenticator SET last_time_step = -1, failures = 0, rest_until = NULL")
        opened = track.at_once([client.password_step for client in track.spread(people, 5)])
        app, code = opened[0].factor_id(), phone.code()
        acts = [client.password_step for client in track.spread(people, 12)]
        acts += [
            partial(client.code_step, due, code, factor=app)
            for client, due in zip(track.spread(people, 12), track.spread(opened, 12), strict=True)
        ]
        answers = track.at_once(acts)
        assert {answer.http_status for answer in answers} <= {200, 400}
        assert len(successes(answers)) <= 1


def test_the_bytes_of_the_qr_are_the_same_from_every_process(track: Track) -> None:
    people = track.person()
    request_id = people[0].password_step().request_id
    call = "EnrollUserToMicrosoftAuthenticatorByBytes"
    bodies = track.at_once([partial(client.enrolment, call, request_id) for client in people])
    assert len({base64.b64decode(body.document) for body in bodies}) == 1
