"""The one door to a sealed secret of a user.

A secret is sealed under the user's data key, the data key under MFA_SECRET_KEYS, and both for the place they are
kept in: table, row, user and purpose. `pyproject.toml` names the modules that may import this one.
"""

import os

from django.utils import timezone

from identity import metrics, rows
from identity.models import User
from identity.primitives.sealing import CannotOpen, key_id, place, seal, unseal
from mfa import conf
from mfa.models.data_key import DataKey

__all__ = ["CannotOpen", "open_sealed", "seal_for", "shred"]

_DATA_KEY_ID = "user"
# Of two that make a user's first key at once, one keeps its own, and both get that one.
_MAKE = """
INSERT INTO mfa_datakey (user_id, sealed, sealed_under, created_at)
VALUES (%(user)s, %(sealed)s, %(sealed_under)s, %(now)s)
ON CONFLICT (user_id) DO UPDATE SET sealed_under = mfa_datakey.sealed_under
RETURNING sealed, sealed_under"""


def seal_for(user: User, secret: bytes, *, table: str, row: str, purpose: str) -> bytes:
    """Seal `secret` for one row; makes the user's data key at first use."""
    return seal(secret, {_DATA_KEY_ID: _data_key(user)}, _where(user, table, row, purpose))


def open_sealed(user: User, sealed: bytes | memoryview, *, table: str, row: str, purpose: str) -> bytes:
    """The secret; raises CannotOpen when it was moved, damaged, or the user's data key was shredded."""
    key = _known_key(user)
    if key is None:
        raise CannotOpen("the user's data key is gone")
    return unseal(bytes(sealed), {_DATA_KEY_ID: _unwrap(user, key)}, _where(user, table, row, purpose))


def shred(user: User) -> None:
    """Delete the user's data key: all that was sealed under it can never be read again, in no backup without it."""
    DataKey.objects.filter(user_id=user.pk).delete()


def reseal(user: User, key: DataKey) -> None:
    """Seal the data key anew under the first of MFA_SECRET_KEYS; the caller saves it. What it sealed stays as it is."""
    key.sealed, key.sealed_under = _wrap(user, _unwrap(user, key))


def _data_key(user: User) -> bytes:
    was_looked_for = "data_key" in user._state.fields_cache
    key = user._state.fields_cache["data_key"] if was_looked_for else _known_key(user)
    return _unwrap(user, key or _made(user))


def _known_key(user: User) -> DataKey | None:
    """The key that was read together with the user, or the one in the database by now."""
    read_along: DataKey | None = user._state.fields_cache.get("data_key")
    return read_along or DataKey.objects.filter(user_id=user.pk).first()


def first_data_key(user: User) -> DataKey | None:
    """A data key for somebody who was read along with none; from here on secrets are sealed under it.

    The caller writes it together with what it seals. Where that fails as another was first, `forget_data_key` is due.
    """
    if user._state.fields_cache.get("data_key", user) is not None:
        return None
    key = _new(user)
    user._state.fields_cache["data_key"] = key
    return key


def forget_data_key(user: User) -> None:
    """Let the next use look in the database."""
    user._state.fields_cache.pop("data_key", None)


def _new(user: User) -> DataKey:
    sealed, kid = _wrap(user, os.urandom(32))
    return DataKey(user_id=user.pk, sealed=sealed, sealed_under=kid, created_at=timezone.now())


def _made(user: User) -> DataKey:
    """The user's data key, made where there is none; kept with the user, as one that was read along."""
    key = _new(user)
    given = {
        "user": user.pk,
        "sealed": key.sealed,
        "sealed_under": key.sealed_under,
        "now": rows.instant(key.created_at),
    }
    found = rows.one(_MAKE, given)
    assert found is not None  # noqa: S101  It returns the row, whoever wrote it.
    key.sealed, key.sealed_under = found
    user._state.fields_cache["data_key"] = key
    return key


def _wrap(user: User, data_key: bytes) -> tuple[bytes, str]:
    sealed = seal(data_key, conf.sealing_keys(), _data_key_place(user))
    kid = key_id(sealed)
    metrics.KEY_USE.labels(kid, "seal").inc()
    return sealed, kid


def _unwrap(user: User, key: DataKey) -> bytes:
    metrics.KEY_USE.labels(key.sealed_under, "open").inc()
    return unseal(bytes(key.sealed), conf.sealing_keys(), _data_key_place(user))


def _data_key_place(user: User) -> bytes:
    return place("mfa_datakey", str(user.pk), str(user.subject), "data key")


def _where(user: User, table: str, row: str, purpose: str) -> bytes:
    return place(table, row, str(user.subject), purpose)
