"""The installation's own keys: made once, kept in the database sealed under MFA_SECRET_KEYS, held open in the process.

Keyed digests (HMAC-SHA256) stand for short secrets that must be found again: client secrets, delivered codes,
recovery codes. Who reads the database without MFA_SECRET_KEYS cannot try them out.
"""

import hashlib
import hmac
import json
import os
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone
from jwcrypto.common import base64url_encode

from identity import conf
from identity.models.keys import KeyPurpose, SealedKey
from identity.primitives import sealing

_REFRESH_SECONDS = 30.0
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that signs tokens (RS256, which RFC 9068 requires every resource server to know)."""

    kid: str
    private: RSAPrivateKey
    signs_from: datetime

    def sign(self, message: bytes) -> bytes:
        return self.private.sign(message, padding.PKCS1v15(), SHA256())


@dataclass(slots=True)
class _Held:
    digest_key: bytes | None = None
    signing: tuple[SigningKey, ...] = ()
    public: tuple[dict[str, Any], ...] = ()
    read_at: float = -_REFRESH_SECONDS


_held = _Held()


def forget() -> None:
    """Drop what the process holds open; the next use reads the database again."""
    _held.digest_key, _held.signing, _held.public, _held.read_at = None, (), (), -_REFRESH_SECONDS


def prepare(now: datetime) -> None:
    """Make the first keys, if there are none: before any transaction that could take them back."""
    _digest_key()
    _keys(now)


def digest(purpose: str, secret: str) -> str:
    """The keyed digest of `secret`, hexadecimal, different for each purpose."""
    return hmac.new(_digest_key(), f"{purpose}\x00{secret}".encode(), hashlib.sha256).hexdigest()


def signing_key(now: datetime) -> SigningKey:
    """The newest key whose time to sign has come."""
    keys = sorted(_keys(now).signing, key=lambda key: key.signs_from)
    # A clock that was set back may lie before them all: the first one is published, so it signs.
    return next((key for key in reversed(keys) if key.signs_from <= now), keys[0])


def jwks(now: datetime) -> dict[str, Any]:
    """The published keys (RFC 7517): those that sign, will sign soon, or signed tokens that are still good."""
    return {"keys": list(_keys(now).public)}


def public_key(kid: str, now: datetime) -> rsa.RSAPublicKey | None:
    """The key that a token's header names, or None."""
    return next((key.private.public_key() for key in _keys(now).signing if key.kid == kid), None)


def add_signing_key(now: datetime, *, slot: str, signs_from: datetime) -> SealedKey:
    """Make a signing key. Publish it before it signs, so that nobody meets a token whose key he cannot find."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    der = private.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return _create(slot, KeyPurpose.SIGNING, der, now, signs_from, _jwk(private))


def retire_signing_keys_before(successor: SealedKey) -> None:
    """Keys that sign no more once `successor` does: published until the last token they signed is over."""
    over = successor.signs_from + timedelta(seconds=max(conf.access_token_lifetime(), 3600))
    SealedKey.objects.filter(
        purpose=KeyPurpose.SIGNING, signs_from__lt=successor.signs_from, published_until__isnull=True
    ).update(published_until=over)


def reseal_all() -> int:
    """Seal every key that is not under the first of MFA_SECRET_KEYS anew under it; returns how many."""
    keys = conf.sealing_keys()
    first = next(iter(keys))
    count = 0
    for row in SealedKey.objects.order_by("pk"):
        sealed = bytes(row.sealed)
        if sealing.key_id(sealed) != first:
            fresh = sealing.seal(_open(row), keys, _place(row.slot))
            count += SealedKey.objects.filter(pk=row.pk, sealed=sealed).update(sealed=fresh)
    return count


def own_keys_by_kid() -> dict[str, int]:
    """How many of the installation's own keys each key of MFA_SECRET_KEYS seals."""
    return Counter(sealing.key_id(bytes(sealed)) for sealed in SealedKey.objects.values_list("sealed", flat=True))


def _keys(now: datetime) -> _Held:
    """What the process holds open. One thread at a time reads it anew; the others go on with what there is."""
    held = _held
    if _is_fresh(held) or not _lock.acquire(blocking=not held.signing):
        return held
    try:
        if not _is_fresh(held):
            _read_keys(held, now)
    finally:
        _lock.release()
    return held


def _is_fresh(held: _Held) -> bool:
    return bool(held.signing) and time.monotonic() - held.read_at < _REFRESH_SECONDS


def _read_keys(held: _Held, now: datetime) -> None:
    """Open what is new: to check a private key takes as long as two hundred signatures with it."""
    rows = list(_published(now))
    if not rows:
        add_signing_key(now, slot="signing:first", signs_from=now - timedelta(seconds=1))
        rows = list(_published(now))
    loaded = {key.kid: key.private for key in held.signing}
    held.signing = tuple(SigningKey(row.kid, loaded.get(row.kid) or _load(_open(row)), row.signs_from) for row in rows)
    held.public = tuple(row.public_jwk for row in rows)
    held.read_at = time.monotonic()


def _published(now: datetime) -> Any:
    return SealedKey.objects.filter(
        Q(published_until__isnull=True) | Q(published_until__gt=now), purpose=KeyPurpose.SIGNING
    )


def _digest_key() -> bytes:
    if _held.digest_key is None:
        row = SealedKey.objects.filter(slot="digest:first").first()
        if row is None:
            now = timezone.now()
            row = _create("digest:first", KeyPurpose.DIGEST, os.urandom(32), now, now, None)
        _held.digest_key = _open(row)
    return _held.digest_key


def _create(
    slot: str, purpose: KeyPurpose, secret: bytes, now: datetime, signs_from: datetime, public: dict[str, Any] | None
) -> SealedKey:
    """Of two processes that fill one slot, the database keeps the first one's key for both."""
    kid = public["kid"] if public else uuid.uuid4().hex
    try:
        with transaction.atomic():
            return SealedKey.objects.create(
                slot=slot,
                purpose=purpose,
                kid=kid,
                public_jwk=public,
                sealed=sealing.seal(secret, conf.sealing_keys(), _place(slot)),
                created_at=now,
                signs_from=signs_from,
            )
    except IntegrityError:
        return SealedKey.objects.get(slot=slot)


def _open(row: SealedKey) -> bytes:
    return sealing.unseal(bytes(row.sealed), conf.sealing_keys(), _place(row.slot))


def _place(slot: str) -> bytes:
    return sealing.place("identity_sealedkey", slot)


def _load(der: bytes) -> RSAPrivateKey:
    private = serialization.load_der_private_key(der, password=None)
    assert isinstance(private, RSAPrivateKey)  # noqa: S101  Only `add_signing_key` writes these rows.
    return private


def _jwk(private: RSAPrivateKey) -> dict[str, Any]:
    numbers = private.public_key().public_numbers()
    required = {"e": _base64url(numbers.e), "kty": "RSA", "n": _base64url(numbers.n)}
    # The key id is the key's thumbprint (RFC 7638).
    thumbprint = hashlib.sha256(json.dumps(required, separators=(",", ":"), sort_keys=True).encode()).digest()
    return {**required, "kid": base64url_encode(thumbprint), "use": "sig", "alg": "RS256"}


def _base64url(number: int) -> str:
    return str(base64url_encode(number.to_bytes((number.bit_length() + 7) // 8, "big")))
