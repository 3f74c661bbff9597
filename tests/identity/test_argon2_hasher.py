"""Whatever computes it, and wherever its memory is: what our hasher writes and reads is what Django's does."""

import errno
import platform
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import _argon2_cffi_bindings
import pytest
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError
from argon2.low_level import Type
from django.contrib.auth.hashers import Argon2PasswordHasher

from identity import argon2_hasher
from identity.argon2_hasher import COMPILED, X86_64_V3, Argon2Hasher, compiled
from identity.errors import Overloaded
from identity.flows import hashing

PASSWORDS = ["", "x", "correct horse", "é" * 512, "\U0001f600", "a\x00b"]


@pytest.fixture(autouse=True)
def _own_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(argon2_hasher, "_idle", [])


@pytest.fixture
def without_libsodium(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(argon2_hasher, "_sodium", None)


@pytest.fixture(params=["compiled", "libsodium", "wheel", "callbacks forbidden"])
def hasher(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Argon2Hasher:
    own_processor = platform.machine().lower() in ("x86_64", "amd64")
    used: Any = _argon2_cffi_bindings
    if request.param == "compiled":
        used = argon2_hasher._argon2
        assert (used is not _argon2_cffi_bindings) == (argon2_hasher.compiled() is not None)
    if request.param == "callbacks forbidden":
        used = SimpleNamespace(lib=used.lib, ffi=Forbidding(used.ffi))
    monkeypatch.setattr(argon2_hasher, "_argon2", used)
    monkeypatch.setattr(argon2_hasher, "_sodium", argon2_hasher._libsodium() if request.param == "libsodium" else None)
    assert (argon2_hasher._sodium is not None) == (own_processor and request.param == "libsodium")
    return Argon2Hasher()


class Forbidding:
    """A hardened kernel's window to C."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def callback(self, *_: object) -> None:
        raise MemoryError


@pytest.mark.parametrize("password", PASSWORDS)
def test_it_writes_what_the_library_writes_and_reads_what_it_wrote(hasher: Argon2Hasher, password: str) -> None:
    library = Argon2PasswordHasher()
    library.memory_cost, library.time_cost, library.parallelism = 8, 1, 1
    salt = hasher.salt()
    encoded = hasher.encode(password, salt)
    assert encoded == library.encode(password, salt)
    assert library.verify(password, encoded)
    assert hasher.verify(password, encoded)
    assert not hasher.verify(f"{password}.", encoded)


@pytest.mark.parametrize(("memory", "rounds", "lanes", "length"), [(64, 3, 4, 16), (8, 1, 1, 64), (4096, 1, 2, 32)])
def test_hashes_with_other_parameters_are_read(
    hasher: Argon2Hasher, memory: int, rounds: int, lanes: int, length: int
) -> None:
    other = PasswordHasher(memory_cost=memory, time_cost=rounds, parallelism=lanes, hash_len=length)
    encoded = f"argon2{other.hash('correct horse')}"
    assert hasher.verify("correct horse", encoded)
    assert not hasher.verify("wrong", encoded)


def test_hashes_of_other_kinds_are_read_and_what_is_no_hash_is_refused(hasher: Argon2Hasher) -> None:
    encoded = f"argon2{PasswordHasher(memory_cost=8, time_cost=1, parallelism=1, type=Type.I).hash('right')}"
    assert hasher.verify("right", encoded)
    assert not hasher.verify("wrong", encoded)
    with pytest.raises(InvalidHashError):
        hasher.verify("right", "argon2$argon2id$nothing")


@pytest.mark.parametrize("length", [16, 32, 64, 96])
def test_hashes_that_are_too_long_for_libsodium_are_read(hasher: Argon2Hasher, length: int) -> None:
    encoded = f"argon2{PasswordHasher(memory_cost=8, time_cost=1, parallelism=1, hash_len=length).hash('right')}"
    assert hasher.verify("right", encoded)
    assert not hasher.verify("wrong", encoded)


def test_a_lack_of_memory_is_no_wrong_password(monkeypatch: pytest.MonkeyPatch) -> None:
    hasher = Argon2Hasher()
    encoded = hasher.encode("right", hasher.salt())
    library = SimpleNamespace(crypto_pwhash_str_verify=lambda *_: -1)
    monkeypatch.setattr(argon2_hasher, "_sodium", (library, SimpleNamespace(errno=errno.ENOMEM)))
    with pytest.raises(MemoryError):
        hasher.verify("right", encoded)
    with pytest.raises(Overloaded):
        hashing.matches("right", encoded)
    monkeypatch.setattr(argon2_hasher, "_sodium", (library, SimpleNamespace(errno=errno.EINVAL)))
    assert not hasher.verify("right", encoded)


@pytest.mark.usefixtures("without_libsodium")
def test_as_many_blocks_are_made_as_hashes_at_once_and_none_is_shared() -> None:
    hasher = Argon2Hasher()
    right = {f"password {number}": hasher.encode(f"password {number}", hasher.salt()) for number in range(4)}
    wrong: list[str] = []

    def check(password: str, encoded: str) -> None:
        wrong.extend(password for _ in range(50) if not hasher.verify(password, encoded))

    threads = [threading.Thread(target=check, args=entry) for entry in right.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert 1 <= len(argon2_hasher._idle) <= len(threads)


def test_nothing_of_a_hash_stays_in_its_block() -> None:
    hasher = Argon2Hasher()
    hasher.encode("correct horse", hasher.salt())
    (block,) = argon2_hasher._idle
    assert bytes(argon2_hasher._argon2.ffi.buffer(block._start)).count(0) == block.size


def test_what_was_compiled_for_a_newer_processor_is_left_alone_on_an_older_one(tmp_path: Path) -> None:
    facts = tmp_path / "cpuinfo"
    assert compiled(tmp_path / "none.so") is None
    assert compiled(facts=tmp_path / "none") is None
    for lacking in sorted(X86_64_V3):
        facts.write_text(f"processor\t: 0\nflags\t\t: sse2 {' '.join(X86_64_V3 - {lacking})}\n")
        assert compiled(facts=facts) is None


def test_what_was_compiled_and_is_damaged_is_left_alone(tmp_path: Path) -> None:
    facts, file = tmp_path / "cpuinfo", tmp_path / "_ffi.abi3.so"
    facts.write_text(f"flags\t\t: {' '.join(X86_64_V3)}\n")
    file.write_bytes(b"\x7fELF and then nothing")
    assert compiled(file, facts) is None


@pytest.mark.skipif(sys.platform != "linux", reason="it reads what Linux says of the processor")
def test_what_was_compiled_is_taken_where_the_processor_has_it() -> None:
    """`tests/promises/test_tooling.py` sees to it that it is compiled wherever there is a compiler for it."""
    flags = Path("/proc/cpuinfo").read_text().split()
    found = compiled()
    assert (found is not None) == (COMPILED.is_file() and {*flags} >= X86_64_V3)
    if found is not None:
        assert found.__file__ == str(COMPILED)
        assert found.lib is not _argon2_cffi_bindings.lib
        assert argon2_hasher._sodium is None


def test_where_no_memory_is_left_nobody_is_told_of_a_wrong_password(monkeypatch: pytest.MonkeyPatch) -> None:
    hasher = Argon2Hasher()
    encoded = hasher.encode("right", hasher.salt())
    monkeypatch.setattr(argon2_hasher, "_sodium", None)
    monkeypatch.setattr(argon2_hasher, "_idle", [])

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    monkeypatch.setattr("mmap.mmap", full)
    with pytest.raises(Overloaded):
        hashing.matches("right", encoded)
    monkeypatch.undo()
    refusing = SimpleNamespace(
        ffi=argon2_hasher._argon2.ffi,
        lib=SimpleNamespace(argon2_ctx=lambda *_: -22, ARGON2_MEMORY_ALLOCATION_ERROR=-22),
    )
    monkeypatch.setattr(argon2_hasher, "_argon2", refusing)
    monkeypatch.setattr(argon2_hasher, "_sodium", None)
    with pytest.raises(MemoryError):
        hasher.verify("right", encoded)
