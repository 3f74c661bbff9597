"""Argon2id with the parameters of the settings (OWASP Password Storage: m=19456 KiB, t=2, p=1).

Django's own default takes 100 MiB a hash, which a burst of sign-ins cannot afford. The library is argon2-cffi, whose
memory for one hash is kept for the next: docs/decisions/0051. Where it was compiled for this processor, that is taken:
docs/decisions/0064. On other x86-64 machines libsodium compares, whose Argon2 takes what the processor has, AVX2 or
AVX-512: docs/decisions/0063.
"""

import errno
import mmap
import platform
import sys
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hmac import compare_digest
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import _argon2_cffi_bindings
from argon2 import extract_parameters
from argon2.low_level import ARGON2_VERSION, Type, error_to_str
from django.conf import settings
from django.contrib.auth.hashers import Argon2PasswordHasher

_HASH_BYTES = 32
_SODIUM_READS = 128  # bytes of a hash in its text form, NUL at the end
X86_64_V3 = {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"}  # as /proc/cpuinfo calls them
COMPILED = Path(sys.prefix, "x86-64-v3", "_ffi.abi3.so")  # by .ci/argon2


def compiled(file: Path = COMPILED, facts: Path = Path("/proc/cpuinfo")) -> ModuleType | None:
    """argon2-cffi's bindings compiled for x86-64-v3; None where they are not, where the processor that `facts` tells of
    has not all of it, and where this Python or this system cannot load them.
    """
    try:
        said = facts.read_text(encoding="utf-8")
    except OSError:
        return None
    flags = next((line for line in said.splitlines() if line.startswith("flags")), "")
    spec = spec_from_file_location(f"{_argon2_cffi_bindings.__name__}._ffi", file) if file.is_file() else None
    if spec is None or spec.loader is None or not set(flags.split()) >= X86_64_V3:
        return None
    try:
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
    except ImportError:  # Damaged, or carried here from another system.
        return None
    return module


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


_compiled = compiled()
_argon2 = _compiled or _argon2_cffi_bindings  # Each has the library, and a window to C.
_sodium = None if _compiled else _libsodium()


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
        try:
            memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        except OSError as none_left:
            raise MemoryError("no memory for a password hash") from none_left
        with suppress(AttributeError, OSError):  # Not every kernel has huge pages.
            memory.madvise(mmap.MADV_HUGEPAGE)
        self._start = _argon2.ffi.from_buffer("uint8_t[]", memory)  # It holds the memory.
        try:
            self.allocate = _argon2.ffi.callback("int(uint8_t **, size_t)", self._allocate)
            self.free = _argon2.ffi.callback("void(uint8_t *, size_t)", _keep)
        except (MemoryError, SystemError):  # A hardened kernel forbids it; then the library takes memory by itself.
            self.allocate = self.free = _argon2.ffi.NULL

    def _allocate(self, place: Any, size: int) -> int:
        place[0] = self._start if size <= self.size else _argon2.ffi.NULL  # The library makes an error of NULL.
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
    result = _argon2.ffi.new("uint8_t[]", length)
    given, salted = _argon2.ffi.new("uint8_t[]", password), _argon2.ffi.new("uint8_t[]", salt)
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
        error = _argon2.lib.argon2_ctx(_argon2.ffi.new("argon2_context *", context), Type.ID.value)
    if error == _argon2.lib.ARGON2_MEMORY_ALLOCATION_ERROR:
        raise MemoryError("no memory for a password hash")
    if error:
        raise ValueError(error_to_str(error))
    return bytes(_argon2.ffi.buffer(result))


def _text(value: bytes) -> str:
    return b64encode(value).rstrip(b"=").decode()
