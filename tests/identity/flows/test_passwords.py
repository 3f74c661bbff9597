"""A right password stays right while its hash is brought up to date, and whatever the queue of hashes does."""

from typing import Any

import argon2
import pytest
from django.test import Client as Http
from prometheus_client import REGISTRY

from identity.errors import Overloaded
from identity.flows import hashing
from identity.flows.hashing import HashQueue
from identity.models import PasswordTries, User
from tests.factories import PASSWORD, make_client, make_user, sign_in_client
from tests.support.visual_guard import SUCCESS, VisualGuardClient

pytestmark = pytest.mark.django_db
NEW = "another horse, another battery"


def of_old(password: str = PASSWORD) -> str:
    """A hash as an earlier choice of parameters made it."""
    return "argon2" + argon2.PasswordHasher(time_cost=2, memory_cost=8, parallelism=1).hash(password)


@pytest.fixture
def user() -> User:
    user = make_user()
    User.objects.filter(pk=user.pk).update(password=of_old())
    return user


@pytest.fixture
def application(user: User) -> VisualGuardClient:
    return sign_in_client(user, make_client(client_id="app", mfa={"mode": "off"}))


def stored(user: User) -> str:
    return User.objects.get(pk=user.pk).password


def change(user: User) -> Any:
    fields = {"client_id": "app", "Username": user.username, "Password": PASSWORD, "NewPassword": NEW}
    return Http().post("/api/account/password", fields, content_type="application/json")


def meanwhile(monkeypatch: pytest.MonkeyPatch, happens: Any) -> None:
    """Let `happens` happen once, while the new hash of a right password is computed."""
    real = hashing.make

    def make(password: str) -> str:
        monkeypatch.setattr(hashing, "make", real)
        happens()
        return real(password)

    monkeypatch.setattr(hashing, "make", make)


def test_a_right_password_brings_its_hash_up_to_date(user: User, application: VisualGuardClient) -> None:
    assert application.password_step().status == SUCCESS
    assert not hashing.is_out_of_date(stored(user))
    assert application.password_step().status == SUCCESS


def test_of_two_right_sign_ins_at_once_both_are_right(
    user: User, application: VisualGuardClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    other: list[int] = []
    meanwhile(monkeypatch, lambda: other.append(application.password_step().status))
    assert application.password_step().status == SUCCESS
    assert other == [SUCCESS]
    assert hashing.matches(PASSWORD, stored(user))
    assert not PasswordTries.objects.exists()


def test_a_change_of_password_goes_on_while_a_sign_in_upgrades_the_hash(
    user: User, application: VisualGuardClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile(monkeypatch, application.password_step)
    assert change(user).json() == {"Status": 3}


def test_a_password_that_was_changed_meanwhile_is_not_right_any_more(
    user: User, application: VisualGuardClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    another = hashing.make(NEW)
    meanwhile(monkeypatch, lambda: User.objects.filter(pk=user.pk).update(password=another))
    assert application.password_step().status == 9
    assert stored(user) == another


def test_where_there_is_no_room_for_a_new_hash_the_old_one_does(
    user: User, application: VisualGuardClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_password: str) -> str:
        raise Overloaded(2)

    before = stored(user)
    with monkeypatch.context() as busy:
        busy.setattr(hashing, "make", full)
        assert [application.password_step().status for _ in range(7)] == [SUCCESS] * 7
    assert stored(user) == before
    assert not PasswordTries.objects.exists()


def refused_so_far() -> float:
    return REGISTRY.get_sample_value("stepward_unavailable_total", {"part": "hash_queue"}) or 0


def test_a_refusal_for_a_full_queue_is_counted_once_wherever_it_is_answered(
    user: User, application: VisualGuardClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = HashQueue(slots=1, places=0)
    monkeypatch.setattr(hashing, "queue", lambda: full)
    before = refused_so_far()
    with full.slot():
        assert application.password_step().http_status == 503
        assert refused_so_far() == before + 1
        assert change(user).status_code == 503
    assert refused_so_far() == before + 2


def test_a_hash_for_which_there_is_no_memory_is_counted_too(
    application: VisualGuardClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(*_arguments: Any, **_more: Any) -> bool:
        raise MemoryError

    monkeypatch.setattr(hashing, "check_password", none_left)
    before = refused_so_far()
    assert application.password_step().http_status == 503
    assert refused_so_far() == before + 1
