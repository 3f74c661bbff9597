"""Removing authenticators from two browsers in the same instant."""

import pytest

from identity.flows import clients
from mfa.flows import authenticators
from mfa.flows.authenticators import RemovalRefusal
from tests.races.test_challenges_at_once import at_once
from tests.support.ceremony import NOON, ORIGIN, a_user, by_email, by_sms

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("_round", range(5))
def test_of_two_authenticators_removed_at_once_the_last_one_stays(_round: int) -> None:
    clients.own_pages()
    user = a_user()
    held = [by_email(user).pk, by_sms(user).pk]
    outcomes = at_once(2, lambda number: authenticators.remove(user, held[number], ORIGIN, NOON))
    assert set(outcomes) == {None, RemovalRefusal.LAST_ONE}
    assert user.authenticators.count() == 1


@pytest.mark.parametrize("_round", range(5))
def test_one_authenticator_is_removed_once(_round: int) -> None:
    user = a_user()
    gone = by_email(user).pk
    by_sms(user)
    outcomes = at_once(4, lambda _number: authenticators.remove(user, gone, ORIGIN, NOON))
    assert outcomes.count(None) == 1
    assert outcomes.count(RemovalRefusal.NOT_YOURS) == 3
    assert user.authenticators.count() == 1
