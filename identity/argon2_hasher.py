"""Argon2id with the parameters of the settings (OWASP Password Storage: m=19456 KiB, t=2, p=1).

Django's own default takes 100 MiB a hash, which a burst of sign-ins cannot afford. The memory of a hash is kept for the
next one: docs/decisions/0051 says why and what it saves.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from hmac import compare_digest
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, mmap
from typing import Any

from argon2 import extract_parameters
from argon2.low_level import ARGON2_VERSION, Type, core, error_to_str, ffi
from django.conf import settings
from django.contrib.auth.hashers import Argon2PasswordHasher

_HASH_BYTES = 32


class Argon2Hasher(Argon2PasswordHasher):
    """Django's Argon2 hasher with `settings.PASSWORD_ARGON2`: `memory_cost` in KiB, `time_cost`, `parallelism`."""

    def __init__(self) -> None:
        self.memory_cost = settings.PASSWORD_ARGON2["memory_cost"]
        self.time_cost = settings.PASSWORD_ARGON2["time_cost"]
        self.parallelism = settings.PASSWORD_ARGON2["parallelism"]

    def encode(self, password: str, salt: str) -> str:
        cost = (self.memory_cost, self.time_cost, self.parallelism)
        found = _hash(password.encode(), salt.encode(), *cost, _HASH_BYTES)
        facts = f"argon2id$v={ARGON2_VERSION}$m={cost[0]},t={cost[1]},p={cost[2]}"
        return f"{self.algorithm}${facts}${_text(salt.encode())}${_text(found)}"

    def verify(self, password: str, encoded: str) -> bool:
        """Hashes of other kinds and versions are the library's affair; it also raises for what is no hash."""
        _, _, rest = encoded.partition("$")
        facts = extract_parameters(f"${rest}")
        if facts.type is not Type.ID or facts.version != ARGON2_VERSION:
            return super().verify(password, encoded)
        salt, expected = (b64decode(text + "=" * (-len(text) % 4)) for text in rest.split("$")[-2:])
        cost = (facts.memory_cost, facts.time_cost, facts.parallelism)
        return compare_digest(_hash(password.encode(), salt, *cost, len(expected)), expected)


class _Block:
    """The memory of one hash at a time. The kernel gives its pages at the first; the library wipes it after each."""

    def __init__(self, size: int) -> None:
        self.size = size
        memory = mmap(-1, size, flags=MAP_PRIVATE | MAP_ANONYMOUS)
        self._start = ffi.from_buffer("uint8_t[]", memory)  # It holds the memory.
        try:
            self.allocate = ffi.callback("int(uint8_t **, size_t)", self._allocate)
            self.free = ffi.callback("void(uint8_t *, size_t)", _keep)
        except (MemoryError, SystemError):  # A hardened kernel forbids it; then the library takes memory by itself.
            self.allocate = self.free = ffi.NULL

    def _allocate(self, place: Any, size: int) -> int:
        place[0] = self._start if size <= self.size else ffi.NULL  # The library makes an error of NULL.
        return 0


def _keep(start: object, size: int) -> None:
    """For the next hash."""


_idle: list[_Block] = []


@contextmanager
def _block(size: int) -> Iterator[_Block]:
    """As many are ever made as hashes were computed at once, which `identity.flows.hashing` bounds."""
    try:
        block = _idle.pop()
    except IndexError:
        block = _Block(size)
    if block.size < size:
        block = _Block(size)
    try:
        yield block
    finally:
        _idle.append(block)


def _hash(password: bytes, salt: bytes, memory: int, rounds: int, lanes: int, length: int) -> bytes:
    """Argon2id; `memory` in KiB."""
    result = ffi.new("uint8_t[]", length)
    given, salted = ffi.new("uint8_t[]", password), ffi.new("uint8_t[]", salt)
    with _block(memory * 1024) as block:
        context = {
            "version": ARGON2_VERSION,
            "out": result,
            "outlen": length,
            "pwd": given,
            "pwdlen": len(password),
            "salt": salted,
            "saltlen": len(salt),
            "t_cost": rounds,
            "m_cost": memory,
            "lanes": lanes,
            "threads": lanes,
            "allocate_cbk": block.allocate,
            "free_cbk": block.free,
        }
        error = core(ffi.new("argon2_context *", context), Type.ID.value)
    if error:
        raise ValueError(error_to_str(error))
    return bytes(ffi.buffer(result))


def _text(value: bytes) -> str:
    return b64encode(value).rstrip(b"=").decode()
