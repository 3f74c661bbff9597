"""Guessing codes and passwords, and locking others out (ATTACKS A11 to A23)."""

import pytest
from django.core.cache import cache
from django.utils import timezone
from pytest_django import Settings
from time_machine import Traveller

from identity.models import AuditEvent, Installation, PasswordTries, User
from mfa.models import AuthenticationRequest, Authenticator
from mfa.models.authentication_request import RequestState
from tests.factories import PASSWORD, add_mailbox, enrol_app, make_client, make_user, sign_in_client
from tests.support.visual_guard import (
    CANCELLED,
    FACTOR_REQUIRED,
    LOCKED_OUT,
    SUCCESS,
    WRONG_CODE,
    WRONG_PASSWORD,
    VisualGuardClient,
)

pytestmark = pytest.mark.django_db
LAST_TRY = WRONG_PASSWORD | 1024 | 32768


def compared() -> int:
    """How many wrong codes were compared with anything."""
    return AuditEvent.objects.filter(
        event="sign_in.code_refused", reason__in=["wrong_code", "replayed", "outside_window", "malformed"]
    ).count()


def wrong_codes(client: VisualGuardClient, code: str, number: int) -> list[int]:
    """Submit `number` wrong codes, with a new sign-in whenever a request dies."""
    statuses: list[int] = []
    due = client.password_step()
    for _ in range(number):
        answer = client.code_step(due, code)
        statuses.append(answer.status)
        if answer.status & CANCELLED == CANCELLED:
            due = client.password_step()
    return statuses


# Codes.


def test_ten_thousand_wrong_codes_are_five_compared_ones() -> None:
    """A hundred stand for ten thousand: from the sixth on nothing changes."""
    user = make_user()
    phone, client = enrol_app(user), sign_in_client(user)
    statuses = wrong_codes(client, phone.wrong_code(), 100)
    assert set(statuses) == {WRONG_CODE, WRONG_CODE | 128}
    assert compared() == 5
    assert Authenticator.objects.get(user=user).failures == 5


def test_the_rest_doubles_and_a_hundred_in_a_row_disable_the_authenticator(clock: Traveller) -> None:
    user = make_user()
    phone, client = enrol_app(user), sign_in_client(user)
    wrong_codes(client, phone.wrong_code(), 5)
    expected = 30
    for number in range(6, 13):
        app = Authenticator.objects.get(user=user)
        assert app.rest_until is not None
        assert (app.rest_until - timezone.now()).total_seconds() == expected
        clock.shift(expected)
        wrong_codes(client, phone.wrong_code(), 1)
        assert Authenticator.objects.get(user=user).failures == number
        expected = min(expected * 2, 900)
    Authenticator.objects.filter(user=user).update(failures=99, rest_until=None)
    wrong_codes(client, phone.wrong_code(), 1)
    clock.shift(86400)
    assert Authenticator.objects.get(user=user).disabled_at is not None
    assert client.code_step(client.password_step(), phone.code()).status == WRONG_CODE
    # It stays a factor: the password alone neither signs in nor enrols another.
    due = client.password_step()
    assert due.status == FACTOR_REQUIRED
    assert client.qr(due.request_id).http_status == 403


def test_five_wrong_codes_end_the_request() -> None:
    user = make_user()
    phone, client = enrol_app(user), sign_in_client(user)
    due = client.password_step()
    answers = [client.code_step(due, phone.wrong_code()) for _ in range(6)]
    assert [answer.status for answer in answers] == [WRONG_CODE] * 4 + [WRONG_CODE | 128, CANCELLED]
    assert answers[4].document["error_description"] == "Failure, ProcessCanceled, SecureCodeDoesNotMatch"
    assert [answer.document["error"] for answer in answers] == ["invalid_request"] * 5 + ["invalid_grant"]


def test_a_hundred_sign_ins_with_ten_guesses_each_share_one_count_and_the_owner_is_told() -> None:
    user = make_user()
    phone, client = enrol_app(user), sign_in_client(user)
    add_mailbox(user)
    for _ in range(10):
        due = client.password_step()
        app = due.factor_id()
        for _ in range(10):
            client.code_step(due, phone.wrong_code(), factor=app)
    assert compared() == 5
    assert list(user.deliveries.values_list("template", flat=True)) == ["wrong_codes"]


def test_four_wrong_codes_and_a_new_start_do_not_begin_at_nothing() -> None:
    user = make_user()
    phone, client = enrol_app(user), sign_in_client(user)
    for _ in range(3):
        due = client.password_step()
        for _ in range(4):
            client.code_step(due, phone.wrong_code())
        client.token(AuthenticationRequestId=due.request_id, MFAAction="CancelOTP")
    assert compared() == 5


def test_a_right_password_in_between_does_not_set_the_count_of_codes_back() -> None:
    user = make_user()
    phone, client = enrol_app(user), sign_in_client(user)
    due = client.password_step()
    for _ in range(4):
        client.code_step(due, phone.wrong_code())
    client.password_step()
    assert Authenticator.objects.get(user=user).failures == 4


def test_a_right_code_sets_the_count_to_nothing() -> None:
    user = make_user()
    phone, client = enrol_app(user), sign_in_client(user)
    due = client.password_step()
    for _ in range(4):
        client.code_step(due, phone.wrong_code())
    assert client.code_step(due, phone.code()).status == SUCCESS
    app = Authenticator.objects.get(user=user)
    assert (app.failures, app.rest_until, app.disabled_at) == (0, None, None)


def test_the_fifth_try_may_still_be_the_right_one() -> None:
    user = make_user()
    phone, client = enrol_app(user), sign_in_client(user)
    wrong_codes(client, phone.wrong_code(), 4)
    assert client.code_step(client.password_step(), phone.code()).status == SUCCESS


def test_a_resting_authenticator_answers_a_right_code_like_a_wrong_one_and_spends_nothing(clock: Traveller) -> None:
    user = make_user()
    phone, client = enrol_app(user), sign_in_client(user)
    wrong_codes(client, phone.wrong_code(), 5)
    first, second = client.password_step(), client.password_step()
    code = phone.next_code()
    right, wrong = client.code_step(first, code), client.code_step(second, phone.wrong_code())
    hidden = {first.request_id: "-", second.request_id: "-"}
    assert _without(right.body, hidden) == _without(wrong.body, hidden)
    assert right.status == WRONG_CODE
    assert Authenticator.objects.get(user=user).failures == 5
    clock.shift(30)
    assert client.code_step(client.password_step(), code).status == SUCCESS


def _without(body: bytes, hidden: dict[str, str]) -> str:
    text = body.decode()
    for secret, mark in hidden.items():
        text = text.replace(secret, mark)
    return text


def test_codes_sent_while_it_rests_do_not_make_the_rest_longer(clock: Traveller) -> None:
    """A client that loops must not disable its owner's authenticator."""
    user = make_user()
    phone, client = enrol_app(user), sign_in_client(user)
    wrong_codes(client, phone.wrong_code(), 5)
    rest = Authenticator.objects.get(user=user).rest_until
    wrong_codes(client, phone.wrong_code(), 200)
    assert Authenticator.objects.get(user=user).rest_until == rest


def test_guesses_at_a_factor_that_is_not_the_users_own_compare_nothing() -> None:
    owner, thief = make_user(), make_user()
    enrol_app(thief)
    phone = enrol_app(owner)
    asking = make_client()
    theirs, own = sign_in_client(owner, asking), sign_in_client(thief, asking)
    due = own.password_step()
    foreign = theirs.password_step().factor_id()
    assert own.code_step(due, phone.code(), factor=foreign).status == WRONG_CODE
    assert own.code_step(due, phone.code(), factor="").status == WRONG_CODE
    assert own.code_step(due, phone.code(), factor="00000000-0000-0000-0000-000000000000").status == WRONG_CODE
    assert Authenticator.objects.get(user=owner).failures == 0


def test_the_count_is_kept_although_the_answer_is_a_refusal() -> None:
    """A counter that rolls back with its refused request counts nothing (Vikunja CVE-2026-35597)."""
    user = make_user()
    phone, client = enrol_app(user), sign_in_client(user)
    due = client.password_step()
    for number in range(1, 5):
        client.code_step(due, phone.wrong_code())
        assert Authenticator.objects.get(user=user).failures == number
        assert AuthenticationRequest.objects.get(user=user, state=RequestState.OPEN).failures == number


# Passwords.


def test_the_password_step_is_limited_and_says_when_one_try_is_left() -> None:
    client = sign_in_client(make_user())
    statuses = [client.password_step(Password="wrong").status for _ in range(7)]
    assert statuses == [WRONG_PASSWORD] * 3 + [LAST_TRY, WRONG_PASSWORD, LOCKED_OUT, LOCKED_OUT]
    assert client.password_step().status == LOCKED_OUT


def test_a_lock_ends_after_its_time_and_the_count_begins_anew(clock: Traveller) -> None:
    client = sign_in_client(make_user())
    for _ in range(6):
        client.password_step(Password="wrong")
    clock.shift(899)
    assert client.password_step().status == LOCKED_OUT
    clock.shift(2)
    assert client.password_step(Password="wrong").status == WRONG_PASSWORD
    assert client.password_step().status & 1 == 1
    assert client.password_step().status != LOCKED_OUT


def test_wrong_passwords_add_up_inside_the_window_only(clock: Traveller) -> None:
    client = sign_in_client(make_user())
    for _ in range(3):
        client.password_step(Password="wrong")
    clock.shift(901)
    assert [client.password_step(Password="wrong").status for _ in range(4)] == [WRONG_PASSWORD] * 3 + [LAST_TRY]


@pytest.mark.parametrize(
    "spelling",
    ["victim", "Victim", "VICTIM", " victim", "victim ", "ｖｉｃｔｉｍ", "victim\u00a0", "\u2003victim", "ⓥictim"],
)
def test_every_spelling_of_a_name_is_one_account_with_one_count(spelling: str) -> None:
    client = sign_in_client(make_user(username="victim"))
    for _ in range(5):
        client.password_step(Password="wrong", Username=spelling)
    assert client.password_step(Username="victim").status == LOCKED_OUT
    assert client.password_step(Username=spelling).status == LOCKED_OUT


def test_forwarded_headers_give_no_new_count() -> None:
    client = sign_in_client(make_user())
    for number in range(8):
        address = f"203.0.113.{number}"
        headers = {
            "X-Forwarded-For": address,
            "Forwarded": f"for={address}",
            "X-Real-IP": address,
            "X-Client-IP": address,
            "True-Client-IP": address,
            "CF-Connecting-IP": address,
        }
        client.password_step(Password="wrong", how={"headers": headers})
    assert client.password_step().status == LOCKED_OUT


def test_behind_one_proxy_only_the_last_entry_is_believed(settings: Settings) -> None:
    settings.TRUSTED_PROXIES = 1
    client = sign_in_client(make_user())
    for number in range(5):
        spoofed = {"X-Forwarded-For": f"203.0.{number}.9, 198.51.100.7"}
        client.password_step(Password="wrong", how={"headers": spoofed})
    assert client.password_step(how={"headers": {"X-Forwarded-For": "198.51.100.7"}}).status == LOCKED_OUT
    assert client.password_step(how={"headers": {"X-Forwarded-For": "192.0.2.1"}}).status != LOCKED_OUT


@pytest.mark.parametrize("forwarded", ["", "unknown", "a b c", "999.1.1.1", ",,,", "fe80::1%eth0", "[::1]:80", "\x01"])
def test_a_forwarded_header_that_names_no_address_is_no_error(settings: Settings, forwarded: str) -> None:
    settings.TRUSTED_PROXIES = 1
    user = make_user()
    phone, client = enrol_app(user), sign_in_client(user)
    how = {"headers": {"X-Forwarded-For": forwarded}}
    due = client.password_step(how=how)
    assert client.code_step(due, phone.code(), how=how).status == SUCCESS


def test_a_host_that_is_not_ours_is_refused() -> None:
    client = sign_in_client(make_user())
    assert client.password_step(how={"headers": {"Host": "evil.example"}}).http_status == 400


def test_a_stranger_elsewhere_locks_only_the_own_network_out() -> None:
    client = sign_in_client(make_user())
    for number in range(10):
        client.password_step(Password="wrong", how={"address": f"203.0.113.{number}"})
    assert client.password_step(how={"address": "203.0.113.200"}).status == LOCKED_OUT
    assert client.password_step(how={"address": "198.51.100.1"}).status != LOCKED_OUT


def test_one_ipv6_customer_has_one_count() -> None:
    client = sign_in_client(make_user())
    for number in range(6):
        client.password_step(Password="wrong", how={"address": f"2001:db8:1:2:{number}::1"})
    assert client.password_step(how={"address": "2001:db8:1:2:ffff::9"}).status == LOCKED_OUT
    assert client.password_step(how={"address": "2001:db8:1:3::1"}).status != LOCKED_OUT
    mapped = client.password_step(how={"address": "::ffff:198.51.100.7"})
    assert mapped.status != LOCKED_OUT


def test_a_hundred_in_a_row_from_everywhere_lock_the_account_and_its_requests_for_everybody(clock: Traveller) -> None:
    user = make_user()
    phone, client = enrol_app(user), sign_in_client(user)
    due = client.password_step()
    for number in range(100):
        client.password_step(Password="wrong", how={"address": f"198.18.{number}.1"})
    assert client.password_step(how={"address": "192.0.2.1"}).status == LOCKED_OUT
    assert client.code_step(due, phone.code()).status == CANCELLED
    clock.shift(901)
    assert client.password_step(how={"address": "192.0.2.1"}).status == FACTOR_REQUIRED


def test_a_remembered_device_gets_in_while_its_account_is_locked_everywhere() -> None:
    user = make_user()
    asking = make_client(mfa={"mode": "required", "remember_days": 30})
    phone, client = enrol_app(user), sign_in_client(user, asking)
    token = client.code_step(client.password_step(), phone.code(), RememberDevice="true").document[
        "RememberedDeviceToken"
    ]
    for number in range(100):
        client.password_step(Password="wrong", how={"address": f"198.18.{number}.1"})
    assert client.password_step().status == LOCKED_OUT
    assert client.password_step(RememberedDeviceToken=token).status == SUCCESS


def test_a_remembered_device_is_no_way_to_guess_without_limit() -> None:
    user = make_user()
    asking = make_client(mfa={"mode": "required", "remember_days": 30})
    phone, client = enrol_app(user), sign_in_client(user, asking)
    token = client.code_step(client.password_step(), phone.code(), RememberDevice="true").document[
        "RememberedDeviceToken"
    ]
    statuses = [client.password_step(Password="wrong", RememberedDeviceToken=token).status for _ in range(8)]
    assert statuses[-1] == LOCKED_OUT
    assert client.password_step(RememberedDeviceToken=token).status == LOCKED_OUT


def test_codes_cannot_be_counted_without_the_password() -> None:
    user = make_user()
    phone, client = enrol_app(user), sign_in_client(user)
    factor = client.password_step().factor_id()
    for _ in range(20):
        client.token(
            AuthenticationRequestId="1b671a64-40d5-491e-99b0-da01ff1f3341",
            MFAAvailableId=factor,
            MFAAction="3",
            MFASecureCode=phone.wrong_code(),
            Username=user.username,
        )
    assert Authenticator.objects.get(user=user).failures == 0


def test_emptying_the_cache_gives_no_new_tries() -> None:
    user = make_user()
    phone, client = enrol_app(user), sign_in_client(user)
    wrong_codes(client, phone.wrong_code(), 5)
    cache.clear()
    wrong_codes(client, phone.wrong_code(), 5)
    assert compared() == 5


def test_a_busy_server_locks_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A try that was never compared is no wrong one: 503 asks to come again, and whoever does is let in."""
    from identity.errors import Overloaded
    from identity.flows import hashing

    client = sign_in_client(make_user())
    with monkeypatch.context() as busy:
        busy.setattr(hashing, "matches", _raise(Overloaded(2)))
        for _ in range(7):
            refused = client.password_step()
            assert (refused.http_status, refused.headers["retry-after"]) == (503, "2")
    assert client.password_step().status != LOCKED_OUT
    assert PasswordTries.objects.count() == 0


def _raise(exception: Exception):  # type: ignore[no-untyped-def]
    def raising(*_arguments: object) -> bool:
        raise exception

    return raising


def test_names_that_do_not_exist_fill_one_row_each_and_keep_no_name() -> None:
    client = sign_in_client()
    for _ in range(9):
        client.password_step(Username="hunter2-typed-into-the-wrong-field", Password="wrong")
    rows = list(PasswordTries.objects.all())
    assert len(rows) == 2
    assert not any("hunter2" in str(vars(row)) for row in rows)
    assert not AuditEvent.objects.filter(username__contains="hunter2").exists()


def test_the_policy_of_one_try_locks_at_the_first_wrong_password() -> None:
    Installation.current()
    Installation.objects.update(lockout_attempts=1)
    client = sign_in_client(make_user())
    assert client.password_step(Password="wrong").status == WRONG_PASSWORD
    assert client.password_step(Password=PASSWORD).status == LOCKED_OUT
    assert User.objects.count() == 1
