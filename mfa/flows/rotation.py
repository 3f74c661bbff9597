"""Changing the keys of MFA_SECRET_KEYS while everything runs.

Only the wrapping changes: a data key is opened under the key that sealed it and sealed under the first one. What the
data key itself sealed stays as it is, so a rotation costs one small row a person. Nothing remembers how far it came but
the rows themselves, so it may be stopped, killed and started again anywhere, and run twice at once.
"""

from datetime import datetime, timedelta

from django.db import transaction

from identity import secret_store as installation_keys
from identity.flows import audit
from identity.models import SealedKey
from mfa import conf, secret_store
from mfa.models import DataKey

BATCH = 200
# Resource servers keep the published keys for a while; a key is published that long before it signs.
PUBLISHED_BEFORE = timedelta(hours=1)


def left() -> int:
    """Data keys that are not sealed under the first key."""
    return DataKey.objects.exclude(sealed_under=_first()).count()


def reseal_batch(limit: int = BATCH) -> int:
    """Seal up to `limit` data keys anew; returns how many, 0 when there is nothing left to do."""
    with transaction.atomic():
        keys = list(
            DataKey.objects.select_for_update(skip_locked=True, of=("self",))
            .exclude(sealed_under=_first())
            .select_related("user")
            .order_by("pk")[:limit]
        )
        for key in keys:
            secret_store.reseal(key.user, key)
    return len(keys)


def reseal_own_keys() -> int:
    """The same for the installation's own keys, which are few; returns how many."""
    count = installation_keys.reseal_all()
    if count:
        audit.record("keys.resealed", detail={"own": count, "under": _first()})
    return count


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


def _first() -> str:
    return next(iter(conf.sealing_keys()))
