"""Sealing: authenticated encryption of one value under a named key, bound to where the value is kept.

A sealed value is `version (1 byte) | length of kid (1 byte) | kid | nonce (12 bytes) | ciphertext and tag`.
The cipher is AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce. The associated data repeats the
header and adds the place (table, row, user, purpose), so that a value moved to another place does not open.
"""

import os
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VERSION = 1
_NONCE_BYTES = 12


class CannotOpen(Exception):
    """The sealed value is damaged, was moved from another place, or its key is not at hand."""


def place(*parts: str) -> bytes:
    """The associated data of a place: each part prefixed by its length, so that no two places read alike."""
    encoded = (part.encode() for part in parts)
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)


def seal(plaintext: bytes, keys: Mapping[str, bytes], where: bytes) -> bytes:
    """Seal under the first of `keys` (kid → 32 bytes) for the place `where`."""
    kid = next(iter(keys))
    header = _header(kid)
    nonce = os.urandom(_NONCE_BYTES)
    return header + nonce + AESGCM(keys[kid]).encrypt(nonce, plaintext, header + where)


def unseal(sealed: bytes, keys: Mapping[str, bytes], where: bytes) -> bytes:
    """The plaintext; raises CannotOpen when anything at all is not as it was sealed."""
    kid = key_id(sealed)
    header = _header(kid)
    nonce, ciphertext = sealed[len(header) : len(header) + _NONCE_BYTES], sealed[len(header) + _NONCE_BYTES :]
    try:
        return AESGCM(keys[kid]).decrypt(nonce, ciphertext, header + where)
    except KeyError:
        raise CannotOpen(f"the key {kid!r} is not among those configured") from None
    except (InvalidTag, ValueError):
        raise CannotOpen("the sealed value does not open in this place") from None


def key_id(sealed: bytes) -> str:
    """Which key sealed the value: what a key rotation looks for."""
    if len(sealed) < 2 or sealed[0] != VERSION:
        raise CannotOpen("the sealed value has an unknown format version")
    try:
        return sealed[2 : 2 + sealed[1]].decode()
    except UnicodeDecodeError:
        raise CannotOpen("the sealed value is damaged") from None


def _header(kid: str) -> bytes:
    encoded = kid.encode()
    return bytes([VERSION, len(encoded)]) + encoded
