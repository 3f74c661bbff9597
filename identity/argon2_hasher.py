"""Argon2id with the parameters of the settings (OWASP Password Storage: m=19456 KiB, t=2, p=1).

Django's own default takes 100 MiB a hash, which a burst of sign-ins cannot afford. On x86-64 libsodium compares, whose
Argon2 uses what the processor has (AVX2, AVX-512): docs/decisions/0063. Everywhere else, and for what libsodium cannot
read, it is argon2-cffi, where the memory of a hash is kept for the next one: docs/decisions/0051.
"""

import errno
import platform
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
_SODIUM_READS = 128  # bytes of a hash in its text form, NUL at the end


def _libsodium() -> tuple[Any, Any] | None:
    """The library and its window to C, where it is the faster one. PyNaCl's own call cannot tell a wrong password from
    a lack of memory, so this asks the function beneath it.
    """
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return None
    from nacl._sodium import ffi as window
    from nacl._sodium import lib

    lib.sodium_init()  # It looks what the processor has; a second call does nothing.
    return lib, window


_sodium = _libsodium()


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
        if _sodium is not None and facts.parallelism == 1 and len(rest) + 1 < _SODIUM_READS:
            return _matches_by_libsodium(*_sodium, f"${rest}".encode(), password.encode())
        salt, expected = (b64decode(text + "=" * (-len(text) % 4)) for text in rest.split("$")[-2:])
        cost = (facts.memory_cost, facts.time_cost, facts.parallelism)
        return compare_digest(_hash(password.encode(), salt, *cost, len(expected)), expected)


def _matches_by_libsodium(lib: Any, window: Any, encoded: bytes, password: bytes) -> bool:
    """Compared in constant time; raises MemoryError where there is no memory for the hash."""
    if lib.crypto_pwhash_str_verify(encoded.ljust(_SODIUM_READS, b"\0"), password, len(password)) == 0:
        return True
    if window.errno != errno.EINVAL:
        raise MemoryError("no memory for a password hash")
    return False


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
