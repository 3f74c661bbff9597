"""One-time codes used twice: in other sign-ins, other spellings, other calls, at other times (ATTACKS A01 to A10)."""

import time
from collections.abc import Callable

import pytest
from django.core.cache import cache
from time_machine import Traveller

from identity.models import AuditEvent
from mfa.models import Authenticator
from tests.factories import enrol_app, make_user, sign_in_client
from tests.support.visual_guard import CANCELLED, FACTOR_REQUIRED, SUCCESS, WRONG_CODE

pytestmark = pytest.mark.django_db


def reasons() -> list[str]:
    return list(AuditEvent.objects.filter(event="sign_in.code_refused").order_by("id").values_list("reason", flat=True))


def test_the_same_code_in_a_second_sign_in_is_refused_like_a_wrong_one() -> None:
    user = make_user()
    phone, client = enrol_app(user), sign_in_client(user)
    assert client.code_step(client.password_step(), phone.code()).status == SUCCESS

    second = client.password_step()
    replayed = client.code_step(second, phone.code())
    third = client.password_step()
    wrong = client.code_step(third, phone.wrong_code())

    assert replayed.status == wrong.status == WRONG_CODE
    assert replayed.http_status == wrong.http_status == 400
    assert reasons() == ["replayed", "wrong_code"]
    assert "access_token" not in replayed.document


def test_the_code_of_a_step_is_refused_again_one_step_later(clock: Traveller) -> None:
    user = make_user()
    phone, client = enrol_app(user), sign_in_client(user)
    code = phone.code()
    assert client.code_step(client.password_step(), code).status == SUCCESS
    clock.shift(30)
    assert client.code_step(client.password_step(), code).status == WRONG_CODE
    assert client.code_step(client.password_step(), phone.code()).status == SUCCESS


def test_an_older_code_inside_the_window_is_refused_once_a_newer_one_was_used(clock: Traveller) -> None:
    user = make_user()
    phone, client = enrol_app(user), sign_in_client(user)
    older = phone.code()
    assert client.code_step(client.password_step(), phone.next_code()).status == SUCCESS
    assert client.code_step(client.password_step(), older).status == WRONG_CODE


def test_a_code_used_at_one_client_is_spent_at_every_other() -> None:
    user = make_user()
    phone = enrol_app(user)
    here, there = sign_in_client(user), sign_in_client(user)
    assert here.code_step(here.password_step(), phone.code()).status == SUCCESS
    assert there.code_step(there.password_step(), phone.code()).status == WRONG_CODE


def test_a_code_spent_at_sign_in_confirms_no_enrolment_and_passes_no_change_of_password() -> None:
    user = make_user()
    phone, client = enrol_app(user), sign_in_client(user)
    passed = client.password_step()
    assert client.code_step(passed, phone.code()).status == SUCCESS
    assert client.qr(passed.request_id).http_status == 200
    assert client.confirm(passed.request_id, phone.code()).document["Status"] == 5

    user.must_change_password = True
    user.save()
    change = client.password_step()
    assert client.code_step(change, phone.code()).status == WRONG_CODE
    assert client.code_step(change, phone.next_code()).status == 513


def test_flushing_the_cache_brings_no_code_back() -> None:
    user = make_user()
    phone, client = enrol_app(user), sign_in_client(user)
    assert client.code_step(client.password_step(), phone.code()).status == SUCCESS
    cache.clear()
    assert client.code_step(client.password_step(), phone.code()).status == WRONG_CODE


SPELLINGS = {
    "a blank before": lambda code: f" {code}",
    "a blank behind": lambda code: f"{code} ",
    "a blank between": lambda code: f"{code[:3]} {code[3:]}",
    "a plus": lambda code: f"+{code}",
    "an underscore": lambda code: f"{code[:3]}_{code[3:]}",
    "a seventh digit": lambda code: f"0{code}",
    "a newline": lambda code: f"{code}\n",
    "a tab": lambda code: f"\t{code}",
    "full-width digits": lambda code: code.translate({48 + n: 0xFF10 + n for n in range(10)}),
    "Arabic-Indic digits": lambda code: code.translate({48 + n: 0x0660 + n for n in range(10)}),
    "mathematical digits": lambda code: code.translate({48 + n: 0x1D7CE + n for n in range(10)}),
    "a zero-width blank": lambda code: f"{code[:3]}\u200b{code[3:]}",
    "a decimal point": lambda code: f"{code}.0",
    "an exponent": lambda code: f"{code}e0",
}


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_no_other_spelling_of_a_code_is_accepted_and_each_counts(spelling: Callable[[str], str]) -> None:
    user = make_user()
    phone, client = enrol_app(user), sign_in_client(user)
    due = client.password_step()
    refused = client.code_step(due, spelling(phone.code()))
    assert (refused.http_status, refused.status) == (400, WRONG_CODE)
    assert Authenticator.objects.get(user=user).failures == 1
    assert client.code_step(due, phone.code()).status == SUCCESS


@pytest.mark.parametrize("value", [755224, 75.5, True, ["755224"], {"0": "755224"}, {"MFASecureCode": 1}])
def test_a_code_that_is_no_text_is_refused_and_changes_nothing(value: object) -> None:
    user = make_user()
    phone, client = enrol_app(user), sign_in_client(user)
    due = client.password_step()
    fields = {
        "client_id": client.client_id,
        "grant_type": "VGAuthenticator",
        "AuthenticationRequestId": due.request_id,
        "MFAAvailableId": due.factor_id(),
        "MFAAction": 3,
    }
    refused = client.send("POST", "/connect/token", json={**fields, "MFASecureCode": value})
    assert (refused.http_status, refused.document["error"]) == (400, "invalid_request")
    assert Authenticator.objects.get(user=user).failures == 0
    assert client.send("POST", "/connect/token", json={**fields, "MFASecureCode": phone.code()}).status == SUCCESS


@pytest.mark.parametrize("code", ["", "null", "0", "-00001", "1234567", "9" * 4096, "000000", "<script>", "' OR 1=1--"])
def test_what_is_no_code_is_refused_without_an_error(code: str) -> None:
    user = make_user()
    phone, client = enrol_app(user), sign_in_client(user)
    if code in (phone.code(), phone.next_code(), phone.code(time.time() - 30)):
        code = phone.wrong_code()  # Once in 300,000 runs 000000 is the right one.
    assert client.code_step(client.password_step(), code).status == WRONG_CODE


def test_a_code_of_a_thousand_pages_is_refused_before_anything_is_compared() -> None:
    user = make_user()
    enrol_app(user)
    client = sign_in_client(user)
    due = client.password_step()
    assert client.code_step(due, "1" * 5000).document["error"] == "invalid_request"
    assert client.code_step(due, "1" * 70000).http_status == 413
    assert Authenticator.objects.get(user=user).failures == 0


def test_the_code_that_confirmed_the_enrolment_signs_nobody_in(clock: Traveller) -> None:
    client = sign_in_client(make_user())
    phone = client.enrol_app(client.password_step().request_id)
    confirming = phone.code()
    assert client.code_step(client.password_step(), confirming).status == WRONG_CODE
    clock.shift(30)
    assert client.code_step(client.password_step(), confirming).status == WRONG_CODE
    assert client.code_step(client.password_step(), phone.code()).status == SUCCESS


def test_a_server_clock_that_steps_back_opens_no_spent_code(clock: Traveller) -> None:
    user = make_user()
    phone, client = enrol_app(user), sign_in_client(user)
    code = phone.code()
    assert client.code_step(client.password_step(), code).status == SUCCESS
    step = Authenticator.objects.get(user=user).last_time_step
    clock.shift(-90)
    assert client.code_step(client.password_step(), phone.code()).status == WRONG_CODE
    clock.shift(90)
    assert client.code_step(client.password_step(), code).status == WRONG_CODE
    assert Authenticator.objects.get(user=user).last_time_step == step


def test_a_time_that_the_client_sends_is_ignored(clock: Traveller) -> None:
    user = make_user()
    phone, client = enrol_app(user), sign_in_client(user)
    early = phone.code()
    clock.shift(300)
    due = client.password_step()
    sent = {"time": "1790000010", "timestamp": "1790000010", "counter": "59666667", "window": "100", "drift": "-10"}
    assert client.code_step(due, early, **sent).status == WRONG_CODE


def test_drift_is_learnt_one_step_and_never_two(clock: Traveller) -> None:
    """A phone that is late by a step is understood; one that is late by three is not, however often it tries."""
    user = make_user()
    phone, client = enrol_app(user), sign_in_client(user)
    for _ in range(3):
        clock.shift(60)
        now = time.time()
        assert client.code_step(client.password_step(), phone.code(now - 30)).status == SUCCESS
    assert Authenticator.objects.get(user=user).drift == -1
    clock.shift(300)
    now = time.time()
    assert client.code_step(client.password_step(), phone.code(now - 90)).status == WRONG_CODE
    assert client.code_step(client.password_step(), phone.code(now - 60)).status == SUCCESS
    assert Authenticator.objects.get(user=user).drift == -1
    clock.shift(60)
    # Put right again, it still fits: the present step never leaves the window.
    assert client.code_step(client.password_step(), phone.code(time.time())).status == SUCCESS


def test_a_request_gives_tokens_once_whatever_is_sent_again() -> None:
    user = make_user()
    phone, client = enrol_app(user), sign_in_client(user)
    due = client.password_step()
    assert due.status == FACTOR_REQUIRED
    assert client.code_step(due, phone.code()).status == SUCCESS
    for again in (
        client.code_step(due, phone.next_code()),
        client.redeem(due.request_id),
        client.token(AuthenticationRequestId=due.request_id, MFAAction="0"),
        client.token(AuthenticationRequestId=due.request_id, MFAAction="4"),
        client.token(AuthenticationRequestId=due.request_id, MFAAction="SendLink", MFAAvailableId=due.factor_id()),
        client.password_step(AuthenticationRequestId=due.request_id),
    ):
        assert (again.http_status, again.status) == (400, CANCELLED)
        assert again.document["error"] == "invalid_grant"
