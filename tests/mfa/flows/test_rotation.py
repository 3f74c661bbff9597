"""Keys change while everything runs, and what was sealed before still opens."""

import secrets
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from identity import secret_store as installation_keys
from identity.models import AuditEvent, SealedKey, User
from identity.primitives.sealing import key_id
from mfa import secret_store
from mfa.flows import rotation, sweeping
from mfa.models import DataKey, KeyRotation

pytestmark = pytest.mark.django_db

OLD, NEW = secrets.token_bytes(32), secrets.token_bytes(32)
PLACE = {"table": "mfa_authenticator", "row": "1", "purpose": "test"}


@pytest.fixture(autouse=True)
def _own_keys_are_forgotten() -> Any:
    installation_keys.forget()
    yield
    installation_keys.forget()


@pytest.fixture
def people(settings: Any) -> list[tuple[User, bytes]]:
    """Seven people with a secret each, sealed under the old key."""
    settings.MFA_SECRET_KEYS = {"old": OLD}
    found = []
    for number in range(7):
        user = User.objects.create(username=f"person{number}")
        found.append((user, secret_store.seal_for(user, f"secret {number}".encode(), **PLACE)))
    return found


def opened(user: User, sealed: bytes) -> bytes:
    return secret_store.open_sealed(User.objects.get(pk=user.pk), sealed, **PLACE)


def test_after_a_rotation_the_old_key_may_be_taken_away(people: list[tuple[User, bytes]], settings: Any) -> None:
    digest = installation_keys.digest("test", "x")
    settings.MFA_SECRET_KEYS = {"new": NEW, "old": OLD}
    call_command("rotate_keys", "--batch", "3", verbosity=0)
    assert set(DataKey.objects.values_list("sealed_under", flat=True)) == {"new"}
    settings.MFA_SECRET_KEYS = {"new": NEW}
    installation_keys.forget()
    assert [opened(*person) for person in people] == [f"secret {n}".encode() for n in range(7)]
    assert installation_keys.digest("test", "x") == digest
    assert {key_id(bytes(row.sealed)) for row in SealedKey.objects.all()} == {"new"}


def test_a_rotation_that_stopped_half_way_goes_on(people: list[tuple[User, bytes]], settings: Any) -> None:
    settings.MFA_SECRET_KEYS = {"new": NEW, "old": OLD}
    assert rotation.reseal_batch(3) == 3
    assert rotation.left() == 4
    # Half-way everything opens, and who enrols now is sealed under the new key.
    assert [opened(*person) for person in people] == [f"secret {n}".encode() for n in range(7)]
    late = User.objects.create(username="late")
    secret_store.seal_for(late, b"late", **PLACE)
    assert DataKey.objects.get(user=late).sealed_under == "new"
    assert [rotation.reseal_batch(3), rotation.reseal_batch(3), rotation.reseal_batch(3)] == [3, 1, 0]
    assert rotation.left() == 0


def test_a_rotation_says_how_far_it_is_and_when_it_ended(people: list[tuple[User, bytes]], settings: Any) -> None:
    settings.MFA_SECRET_KEYS = {"new": NEW, "old": OLD}
    now = timezone.now()
    begun = rotation.begin(now, reason="a drill")
    assert begun is not None
    assert rotation.begin(now) == begun, "begun twice, it is one"
    assert rotation.go_on(now, seconds=0, batch=3), "there is more to do"
    begun.refresh_from_db()
    assert (begun.state, begun.total, begun.resealed, begun.leased_until) == ("running", 7, 3, None)
    assert not rotation.go_on(now, seconds=60, batch=3)
    begun.refresh_from_db()
    assert (begun.state, begun.resealed) == ("finished", 7)
    assert begun.finished_at is not None
    assert begun.finished_at >= now
    told = AuditEvent.objects.filter(event__startswith="keys.rotation").order_by("pk")
    assert [event.event for event in told] == ["keys.rotation_begun", "keys.rotation_finished"]
    assert told[0].detail == {"under": "new", "data_keys": 7, "reason": "a drill"}
    assert rotation.begin(timezone.now()) is None, "nothing is left to do"


def test_nothing_is_sealed_anew_before_a_rotation_is_begun(people: list[tuple[User, bytes]], settings: Any) -> None:
    settings.MFA_SECRET_KEYS, settings.REDIS_URL = {"new": NEW, "old": OLD}, ""
    sweeping.sweep(timezone.now())
    assert rotation.left() == 7
    rotation.begin(timezone.now())
    sweeping.sweep(timezone.now())
    assert rotation.left() == 0, "without a broker the sweep does it"
    assert KeyRotation.objects.get().state == "finished"


def test_whoever_works_on_it_keeps_others_off_until_his_lease_is_over(
    people: list[tuple[User, bytes]], settings: Any
) -> None:
    settings.MFA_SECRET_KEYS = {"new": NEW, "old": OLD}
    now = timezone.now()
    rotation.begin(now)
    KeyRotation.objects.update(leased_until=now + rotation.LEASE)
    rotation.go_on(now, seconds=60)
    assert rotation.left() == 7
    rotation.go_on(now + rotation.LEASE + timedelta(seconds=1), seconds=60)
    assert rotation.left() == 0


def test_a_process_that_knows_another_first_key_leaves_the_rotation_alone(
    people: list[tuple[User, bytes]], settings: Any
) -> None:
    settings.MFA_SECRET_KEYS = {"new": NEW, "old": OLD}
    rotation.begin(timezone.now())
    rotation.reseal_batch(3)
    settings.MFA_SECRET_KEYS = {"old": OLD, "new": NEW}
    rotation.go_on(timezone.now(), seconds=60)
    assert DataKey.objects.filter(sealed_under="new").count() == 3


def test_a_third_key_supersedes_a_rotation_that_has_not_ended(people: list[tuple[User, bytes]], settings: Any) -> None:
    settings.MFA_SECRET_KEYS = {"new": NEW, "old": OLD}
    rotation.begin(timezone.now())
    rotation.go_on(timezone.now(), seconds=0, batch=3)
    settings.MFA_SECRET_KEYS = {"third": secrets.token_bytes(32), "new": NEW, "old": OLD}
    call_command("rotate_keys", verbosity=0)
    assert list(KeyRotation.objects.order_by("pk").values_list("under", "state", "resealed")) == [
        ("new", "superseded", 3),
        ("third", "finished", 7),
    ]
    assert set(DataKey.objects.values_list("sealed_under", flat=True)) == {"third"}


def flipped(sealed: bytes) -> bytes:
    """Another byte at the end, whatever stood there."""
    return sealed[:-1] + bytes([sealed[-1] ^ 1])


def test_a_damaged_data_key_keeps_no_other_one_back(people: list[tuple[User, bytes]], settings: Any) -> None:
    settings.MFA_SECRET_KEYS = {"new": NEW, "old": OLD}
    damaged = DataKey.objects.order_by("pk")[0]
    DataKey.objects.filter(pk=damaged.pk).update(sealed=flipped(bytes(damaged.sealed)))
    rotation.begin(timezone.now())
    assert not rotation.go_on(timezone.now(), seconds=60)
    assert list(DataKey.objects.filter(sealed_under="old")) == [damaged]
    assert KeyRotation.objects.get().state == "running", "it is not said to have ended"


def test_a_key_taken_away_too_early_is_named_by_the_checks(people: list[tuple[User, bytes]], settings: Any) -> None:
    from django.core.checks import run_checks

    installation_keys.digest("test", "x")
    settings.MFA_SECRET_KEYS = {"new": NEW}
    found = {message.id: message for message in run_checks(databases=["default"])}
    assert {"identity.E004", "mfa.E001"} <= set(found)
    assert "rotate_keys" in (found["mfa.E001"].hint or "")


def test_signing_keys_overlap() -> None:
    now = timezone.now()
    first = installation_keys.signing_key(now)
    second = rotation.rotate_signing_key(now)
    installation_keys.forget()
    assert {key["kid"] for key in installation_keys.jwks(now)["keys"]} == {first.kid, second.kid}
    assert installation_keys.signing_key(now).kid == first.kid
    later = now + timedelta(hours=1, seconds=1)
    installation_keys.forget()
    assert installation_keys.signing_key(later).kid == second.kid
    assert installation_keys.public_key(first.kid, later) is not None
    much_later = now + timedelta(hours=3)
    installation_keys.forget()
    assert installation_keys.public_key(first.kid, much_later) is None
    assert [key["kid"] for key in installation_keys.jwks(much_later)["keys"]] == [second.kid]


def test_a_rotation_asked_for_twice_makes_one_key() -> None:
    now = timezone.now().replace(minute=10)
    installation_keys.signing_key(now)
    assert rotation.rotate_signing_key(now).kid == rotation.rotate_signing_key(now + timedelta(minutes=1)).kid
    assert SealedKey.objects.filter(purpose="signing").count() == 2
