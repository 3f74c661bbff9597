"""Recovery codes: ten, shown once, spent once, replaced as a set (ATTACKS A31)."""

from datetime import timedelta

import pytest
from pytest_django import Settings

from identity.models import AuditEvent
from mfa.flows import recovery
from mfa.models import Delivery, RecoveryCode, RecoveryCodeSet
from mfa.primitives.recovery_codes import canonical
from mfa.verifiers import recovery_code
from tests.support.ceremony import NOON, ORIGIN, a_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _in_the_process(settings: Settings) -> None:
    settings.REDIS_URL = ""


def told() -> list[str]:
    return list(Delivery.objects.order_by("created_at", "pk").values_list("template", flat=True))


def test_ten_codes_are_made_and_only_their_digests_are_kept() -> None:
    user = a_user()
    codes = recovery.make_codes(user, NOON, ORIGIN)
    assert len(set(codes)) == 10
    assert recovery.codes_left(user) == 10
    kept = {value for row in RecoveryCode.objects.values() for value in map(str, row.values())}
    assert not kept & {*codes, *map(str, map(canonical, codes))}


def test_every_code_is_right_once_in_any_order() -> None:
    user = a_user()
    for left, code in zip(range(9, -1, -1), reversed(recovery.make_codes(user, NOON, ORIGIN)), strict=True):
        match = recovery_code.find(user, code.lower(), NOON)
        assert match
        assert match.spend(NOON)
        assert recovery_code.find(user, code, NOON) is None
        assert recovery.codes_left(user) == left


def test_a_new_set_ends_the_old_one_and_the_user_is_told() -> None:
    user = a_user()
    [old, *_] = recovery.make_codes(user, NOON, ORIGIN)
    found_before = recovery_code.find(user, old, NOON)
    assert found_before
    assert told() == []
    [new, *_] = recovery.make_codes(user, NOON + timedelta(days=1), ORIGIN)
    assert not found_before.spend(NOON), "found before the set was replaced, spent after"
    assert recovery_code.find(user, old, NOON) is None
    assert recovery_code.find(user, new, NOON)
    assert recovery.codes_left(user) == 10
    assert told() == ["recovery_codes_replaced"]
    assert list(AuditEvent.objects.order_by("pk").values_list("event", flat=True)) == [
        "recovery_codes.made",
        "recovery_codes.replaced",
    ]


def test_a_new_set_begins_with_no_wrong_tries() -> None:
    user = a_user()
    recovery.make_codes(user, NOON, ORIGIN)
    RecoveryCodeSet.objects.filter(user=user).update(failures=100, disabled_at=NOON, rest_until=NOON)
    recovery.make_codes(user, NOON, ORIGIN)
    fresh = RecoveryCodeSet.objects.get(user=user)
    assert (fresh.failures, fresh.disabled_at, fresh.rest_until, fresh.generation) == (0, None, None, 2)


def test_each_use_is_told_and_the_last_three_are_warned_of() -> None:
    user = a_user()
    for code in recovery.make_codes(user, NOON, ORIGIN)[:8]:
        match = recovery_code.find(user, code, NOON)
        assert match
        match.spend(NOON)
        # Days apart, as the notices' own budget would otherwise end them.
        recovery.tell_of_use(user, ORIGIN, NOON + timedelta(days=10 - recovery.codes_left(user)))
    assert told().count("recovery_code_used") == 8
    assert told().count("recovery_codes_low") == 1


def test_without_a_set_there_are_no_codes() -> None:
    user = a_user()
    assert recovery.codes_left(user) == 0
    assert recovery_code.find(user, recovery.make_codes(a_user(), NOON, ORIGIN)[0], NOON) is None
