"""A lock has an owner as soon as there is one: the panel shows it, it can be lifted, and the owner is told."""

import pytest
from django.utils import timezone

from identity.flows import accounts
from identity.models import PasswordTries, User
from mfa.admin import state
from mfa.flows.lock_notices import tell_of_locks
from mfa.models import Delivery
from tests.factories import make_client, make_user, sign_in_client
from tests.support.visual_guard import LOCKED_OUT, WRONG_PASSWORD, VisualGuardClient

pytestmark = pytest.mark.django_db
NAME = "newcomer"


def guess(client: VisualGuardClient, times: int, *, networks: int = 1) -> int:
    """Wrong passwords for NAME, from so many networks in turn; the last status."""
    statuses = [
        client.password_step(Username=NAME, Password="wrong", how={"address": f"198.18.{number % networks}.1"}).status
        for number in range(times)
    ]
    return statuses[-1]


def newcomer() -> User:
    return make_user(username=NAME, email="new@mail.example", email_verified_at=timezone.now())


def its_locks_are_seen_and_told_and_lifted(user: User, client: VisualGuardClient, networks: int) -> None:
    now = timezone.now()
    assert user.password_tries.filter(locked_until__gt=0).exists()
    assert state.at_a_glance(now).locked == 1
    assert tell_of_locks(now) >= 1
    assert set(Delivery.objects.values_list("user_id", "template")) == {(user.pk, "account_locked")}
    accounts.unlock(user, actor=None, reason="told by telephone", address="", now=now)
    assert not PasswordTries.objects.filter(locked_until__gt=0).exists()
    assert guess(client, 1, networks=networks) == WRONG_PASSWORD


def test_a_lock_that_was_counted_up_before_the_account_came_is_the_account_s() -> None:
    client = sign_in_client(client=make_client())
    assert guess(client, 3) == WRONG_PASSWORD
    user = newcomer()
    assert guess(client, 3) == LOCKED_OUT
    its_locks_are_seen_and_told_and_lifted(user, client, 1)


def test_a_network_that_was_locked_before_the_account_came_is_its_lock_at_the_next_try() -> None:
    client = sign_in_client(client=make_client())
    assert guess(client, 6) == LOCKED_OUT
    user = newcomer()
    assert guess(client, 1) == LOCKED_OUT
    its_locks_are_seen_and_told_and_lifted(user, client, 1)


def test_a_name_that_was_locked_for_everybody_before_the_account_came_can_be_unlocked() -> None:
    client = sign_in_client(client=make_client())
    guess(client, 100, networks=100)
    assert guess(client, 1) == LOCKED_OUT
    user = newcomer()
    assert guess(client, 1) == LOCKED_OUT
    its_locks_are_seen_and_told_and_lifted(user, client, 1)


def test_counts_go_over_to_whoever_has_the_name_now() -> None:
    client = sign_in_client(client=make_client())
    before = newcomer()
    guess(client, 2)
    before.username = "somebody else"
    before.save()
    guess(client, 1)
    assert set(PasswordTries.objects.values_list("user_id", flat=True)) == {None}
    user = make_user(username=NAME, email="next@mail.example", email_verified_at=timezone.now())
    guess(client, 1)
    assert set(PasswordTries.objects.values_list("user_id", flat=True)) == {user.pk}
