"""Changing the keys of MFA_SECRET_KEYS while everything runs.

Only the wrapping changes: a data key is opened under the key that sealed it and sealed under the first one. What the
data key itself sealed stays as it is, so a rotation costs one small row a person. What is left to do is read from the
rows themselves, so it may be stopped, killed and gone on with anywhere, by several processes at once.
"""

import time
from datetime import datetime, timedelta
from typing import TypedDict

import structlog
from django.core.cache import cache
from django.db import IntegrityError, transaction
from django.db.models import Count, F, Q

from identity import secret_store as installation_keys
from identity.flows import audit
from identity.models import SealedKey, User
from mfa import conf, secret_store
from mfa.models import DataKey, KeyRotation
from mfa.models.key_rotation import RotationState

log = structlog.get_logger("stepward.keys")

BATCH = 200
# Resource servers keep the published keys for a while; a key is published that long before it signs.
PUBLISHED_BEFORE = timedelta(hours=1)
# How long a rotation waits for a worker that was killed; a batch takes a fraction of a second.
LEASE = timedelta(seconds=15)
_COUNTS, _COUNTED_FOR = "stepward:data-keys", 60  # Seconds; counting reads an index from end to end.


class Counts(TypedDict):
    """Data keys by the key that seals them, and how many of them are not under the first of MFA_SECRET_KEYS."""

    by_kid: dict[str, int]
    left: int


def begin(now: datetime, *, actor: User | None = None, reason: str = "", address: str = "") -> KeyRotation | None:
    """Begin to seal everything under the first key; the rotation that runs then, or None: there is nothing to do.

    The installation's own keys, which are few, are sealed at once; `go_on` does the rest.
    """
    first, own = _first(), reseal_own_keys()
    cache.delete(_COUNTS)
    try:
        with transaction.atomic():
            running = KeyRotation.objects.select_for_update().filter(state=RotationState.RUNNING).first()
            if running is not None and running.under == first:
                return running
            if running is not None:
                _end(running, RotationState.SUPERSEDED, now)
            total = left()
            if not (total or own or running):
                return None
            rotation = KeyRotation.objects.create(
                under=first, begun_at=now, begun_by=actor.username if actor else "", reason=reason, total=total
            )
            detail = {"under": first, "data_keys": total, "reason": reason}
            audit.record("keys.rotation_begun", actor=actor, address=address, detail=detail)
    except IntegrityError:  # Somebody else began it in this very moment.
        return KeyRotation.objects.get(state=RotationState.RUNNING)
    if not total:
        finish(rotation, now)
    return rotation


def go_on(now: datetime, *, seconds: float, batch: int = BATCH) -> bool:
    """Work on the running rotation for so many seconds, unless another worker does; whether more is left to do.

    A process that still seals under another key than the rotation's leaves it alone: it would undo the work.
    """
    rotation = _take(now)
    if rotation is None:
        return False
    started = time.monotonic()
    while step(rotation, batch):
        spent = timedelta(seconds=time.monotonic() - started)
        more = spent.total_seconds() >= seconds
        KeyRotation.objects.filter(pk=rotation.pk).update(leased_until=None if more else now + spent + LEASE)
        if more:
            return True
    finish(rotation, now + timedelta(seconds=time.monotonic() - started))
    return False


def step(rotation: KeyRotation, batch: int = BATCH) -> int:
    """Seal one batch anew and note it, or neither; returns how many data keys."""
    with transaction.atomic():
        count = reseal_batch(batch)
        if count:
            KeyRotation.objects.filter(pk=rotation.pk).update(resealed=F("resealed") + count)
    return count


def finish(rotation: KeyRotation, now: datetime) -> bool:
    """End the rotation if nothing is left to do; whether nothing is."""
    remaining = left()
    if remaining:
        # Others hold them, or they are damaged, which the log says; the next worker looks again.
        KeyRotation.objects.filter(pk=rotation.pk).update(leased_until=None)
        return False
    with transaction.atomic():
        if _end(rotation, RotationState.FINISHED, now):
            rotation.refresh_from_db()
            audit.record("keys.rotation_finished", detail={"under": rotation.under, "data_keys": rotation.resealed})
    cache.delete(_COUNTS)
    return True


def left() -> int:
    """Data keys that a key of MFA_SECRET_KEYS other than the first opens."""
    return DataKey.objects.filter(sealed_under__in=_older()).count()


def reseal_batch(limit: int = BATCH) -> int:
    """Seal up to `limit` data keys anew; returns how many, 0 when there is nothing left to do."""
    with transaction.atomic():
        # In whatever order the index on `sealed_under` has them: an order of its own would read all that is done again.
        found = DataKey.objects.select_for_update(skip_locked=True, of=("self",)).filter(sealed_under__in=_older())
        done = [key for key in found.select_related("user")[:limit] if _reseal(key)]
        DataKey.objects.bulk_update(done, ["sealed", "sealed_under"])
    return len(done)


def reseal_own_keys() -> int:
    """The same for the installation's own keys, which are few; returns how many."""
    count = installation_keys.reseal_all()
    if count:
        audit.record("keys.resealed", detail={"own": count, "under": _first()})
    return count


def counts() -> Counts:
    """What seals the data keys, counted at most once a minute."""
    counted: Counts | None = cache.get(_COUNTS)
    if counted is None:
        by_kid = dict(DataKey.objects.values_list("sealed_under").annotate(Count("pk")).order_by())
        older = sum(count for kid, count in by_kid.items() if kid != _first())
        counted = {"by_kid": by_kid, "left": older}
        cache.set(_COUNTS, counted, _COUNTED_FOR)
    return counted


def rotate_signing_key(now: datetime, *, published_before: timedelta = PUBLISHED_BEFORE) -> SealedKey:
    """Publish a new signing key now and sign with it after `published_before`.

    The old ones stay published until the last token they signed is over. Asked twice within an hour, one key is made.
    """
    with transaction.atomic():
        key = installation_keys.add_signing_key(
            now, slot=f"signing:{now:%Y-%m-%dT%H}", signs_from=now + published_before
        )
        if key.created_at == now:
            installation_keys.retire_signing_keys_before(key)
            audit.record("keys.signing_key_made", detail={"kid": key.kid, "signs_from": key.signs_from.isoformat()})
    return key


def _take(now: datetime) -> KeyRotation | None:
    """The running rotation, leased to the caller; None where there is none, or somebody works on it."""
    free = Q(leased_until__isnull=True) | Q(leased_until__lt=now)
    running = KeyRotation.objects.filter(state=RotationState.RUNNING, under=_first()).filter(free).first()
    if running is None:
        return None
    taken = KeyRotation.objects.filter(free, pk=running.pk, state=RotationState.RUNNING)
    return running if taken.update(leased_until=now + LEASE) else None


def _end(rotation: KeyRotation, state: RotationState, now: datetime) -> bool:
    rows = KeyRotation.objects.filter(pk=rotation.pk, state=RotationState.RUNNING)
    return rows.update(state=state, finished_at=now, leased_until=None) == 1


def _reseal(key: DataKey) -> bool:
    try:
        secret_store.reseal(key.user, key)
    except secret_store.CannotOpen:
        log.error("data key cannot be opened", user=str(key.user.subject), under=key.sealed_under)
        return False
    return True


def _first() -> str:
    return next(iter(conf.sealing_keys()))


def _older() -> list[str]:
    return list(conf.sealing_keys())[1:]
