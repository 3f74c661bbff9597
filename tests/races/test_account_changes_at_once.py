"""A reset, a removal or a new password that is committed while a sign-in of the same account is under way (A60)."""

import base64
import hashlib
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar
from urllib.parse import parse_qs, urlencode, urlsplit

import argon2
import pytest
from django.db import connection, connections, transaction
from django.utils import timezone
from pytest_django import Settings

from identity.flows import clients, hashing, passwords, tokens
from identity.flows.tokens import OAuthAnswer
from identity.models import Client, Installation, Session, User
from identity.oauth import authorization as browser_grants
from identity.oauth.authorization import Asked
from mfa.flows import authorization, own_sessions, password_change, remembered_devices, reset
from mfa.flows.password_change import Change, ChangeRefusal
from mfa.models import RememberedDevice
from mfa.outcomes import Origin
from tests.factories import PASSWORD, enrol_app, make_client, make_user, sign_in_client
from tests.races.test_challenges_at_once import at_once
from tests.support.visual_guard import FACTOR_REQUIRED, SUCCESS

T = TypeVar("T")
ORIGIN = Origin(address="203.0.113.9")
NEW = "another horse, another battery"
BACK = "https://application.example/back"
VERIFIER = "a-verifier-of-forty-three-characters-or-more-it-is"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _in_the_process(settings: Settings) -> None:
    settings.REDIS_URL = ""


def overtaken(change: Callable[[], object], act: Callable[[], T]) -> T:
    """What comes of `act`, which begins before `change` is committed and comes to the account's lock after it."""

    def elsewhere() -> T:
        try:
            return act()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            change()
            coming = pool.submit(elsewhere)
            _until_it_waits(coming)
        return coming.result(timeout=30)


def _until_it_waits(coming: "Future[T]") -> None:
    """Until somebody waits for a lock of this connection's."""
    waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
    deadline = time.monotonic() + 20
    with connection.cursor() as cursor:
        while not cursor.execute(waiting).fetchone():
            assert not coming.done(), coming.result()
            assert time.monotonic() < deadline, "nobody came to the lock"
            time.sleep(0.01)


def _reset(user: User) -> None:
    reset.reset_mfa(user, actor=None, reason="lost phone", origin=ORIGIN, now=timezone.now())


def _lock_and_unlock(user: User) -> None:
    reset.lock_account(user, actor=None, reason="left", origin=ORIGIN, now=timezone.now())
    User.objects.filter(pk=user.pk).update(locked_by_administrator_at=None)


def _change_password(user: User) -> None:
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        reset.after_password_change(user, ORIGIN, timezone.now())


def _session_at_own_pages(user: User) -> Session:
    now = timezone.now()
    return Session.objects.create(
        user=user, client=clients.own_pages(), auth_time=now, amr="pwd otp mfa", acr="2", last_used_at=now
    )


def _code_for(session: Session, client: Client) -> str:
    wanted = {
        "response_type": "code",
        "client_id": client.client_id,
        "redirect_uri": BACK,
        "scope": "openid offline_access",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    asked = browser_grants.check(urlencode(wanted))
    assert isinstance(asked, Asked)
    location = browser_grants.grant_code(asked, session, timezone.now())
    return parse_qs(urlsplit(location).query)["code"][0]


def _exchange(client: Client, code: str) -> OAuthAnswer:
    named = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK, "code_verifier": VERIFIER}
    return authorization.exchange(client, named, ORIGIN, timezone.now())


@pytest.mark.postgresql_only
@pytest.mark.parametrize("change", [_reset, _lock_and_unlock, _change_password])
def test_a_code_is_worth_nothing_once_its_browser_session_has_ended_meanwhile(change: Callable[[User], None]) -> None:
    user = make_user()
    client = make_client(redirect_uris=BACK, grant_types=["authorization_code", "refresh_token"])
    session = _session_at_own_pages(user)
    code, other = _code_for(session, client), _code_for(session, client)
    assert _exchange(client, other).status == 200
    answer = overtaken(lambda: change(user), lambda: _exchange(client, code))
    assert (answer.status, answer.document) == (400, {"error": "invalid_grant"})
    assert not Session.objects.filter(user=user, ended_at__isnull=True).exists()


def _forget_device(user: User) -> None:
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        assert own_sessions.forget_device(user, user.remembered_devices.get().pk, ORIGIN, timezone.now())


def _end_of_all(user: User) -> None:
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        tokens.end_sessions(user, "authenticator removed", timezone.now())
        remembered_devices.forget_all(user, timezone.now())


def _remembered(user: User) -> tuple[Client, str]:
    asking = make_client(mfa={"mode": "required", "remember_days": 30})
    token = remembered_devices.remember(user, asking, ORIGIN, timezone.now())
    assert token
    return asking, token


@pytest.mark.postgresql_only
@pytest.mark.parametrize("change", [_forget_device, _end_of_all])
def test_a_device_that_is_forgotten_meanwhile_does_not_stand_for_the_second_factor(
    change: Callable[[User], None],
) -> None:
    user = make_user()
    enrol_app(user)
    asking, token = _remembered(user)
    client = sign_in_client(user, asking)
    answer = overtaken(lambda: change(user), lambda: client.password_step(RememberedDeviceToken=token))
    assert answer.status == FACTOR_REQUIRED
    assert not Session.objects.filter(user=user, ended_at__isnull=True).exists()


@pytest.mark.parametrize("_round", range(5))
def test_of_two_sign_ins_with_one_device_token_one_goes_without_the_second_factor(_round: int) -> None:
    user = make_user()
    enrol_app(user)
    asking, token = _remembered(user)
    people = [sign_in_client(user, asking) for _ in range(2)]
    answers = at_once(2, lambda number: people[number].password_step(RememberedDeviceToken=token))
    assert sorted(answer.status for answer in answers) == [SUCCESS, FACTOR_REQUIRED]
    [signed_in] = [answer for answer in answers if answer.status == SUCCESS]
    fresh = signed_in.document["RememberedDeviceToken"]
    assert people[0].password_step(RememberedDeviceToken=fresh).status == SUCCESS
    assert RememberedDevice.objects.filter(user=user, revoked_at__isnull=True).count() == 1


def _change_of_password(user: User, client: Client, session: Session | None = None) -> ChangeRefusal | None:
    asked = Change(client, user.username, PASSWORD, NEW, request_id="", origin=ORIGIN, session=session)
    return password_change.change(asked, timezone.now()).refusal


def _lock(user: User) -> None:
    reset.lock_account(user, actor=None, reason="left", origin=ORIGIN, now=timezone.now())


def _end_session(user: User) -> None:
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        tokens.end_session(user.sessions.get(), "ended by its owner", timezone.now())


def _set_password(user: User) -> None:
    locked = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    passwords.set_password(locked, "a third horse, a third battery", Installation.current(), timezone.now())


@pytest.mark.postgresql_only
@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        (_lock, ChangeRefusal.ACCOUNT_CLOSED),
        (_end_session, ChangeRefusal.FACTOR_DUE),
        (_set_password, ChangeRefusal.WRONG_PASSWORD),
    ],
)
def test_a_password_is_not_changed_by_who_may_not_any_more_when_the_account_is_free(
    change: Callable[[User], None], refusal: ChangeRefusal
) -> None:
    user, client = make_user(), make_client(mfa={"mode": "required"})
    enrol_app(user)
    session = _session_at_own_pages(user)
    assert overtaken(lambda: change(user), lambda: _change_of_password(user, client, session)) == refusal
    assert _matching(user) != NEW


def _matching(user: User) -> str:
    encoded = User.objects.get(pk=user.pk).password
    return next((each for each in (PASSWORD, NEW) if hashing.matches(each, encoded)), "")


@pytest.mark.postgresql_only
def test_of_two_changes_of_one_password_at_once_one_is_made_and_the_other_has_the_wrong_password() -> None:
    user, client = make_user(), make_client(mfa={"mode": "off"})
    refusals = at_once(2, lambda _number: _change_of_password(user, client))
    assert set(refusals) == {None, ChangeRefusal.WRONG_PASSWORD}
    assert _matching(user) == NEW


def test_right_passwords_at_once_are_right_whoever_brings_their_hash_up_to_date() -> None:
    user, asking = make_user(), make_client(mfa={"mode": "off"})
    of_old = "argon2" + argon2.PasswordHasher(time_cost=2, memory_cost=8, parallelism=1).hash(PASSWORD)
    User.objects.filter(pk=user.pk).update(password=of_old)
    people = [sign_in_client(user, asking) for _ in range(4)]
    answers = at_once(4, lambda number: people[number].password_step().status)
    assert answers == [SUCCESS] * 4
    assert User.objects.get(pk=user.pk).password != of_old
    assert _matching(user) == PASSWORD
