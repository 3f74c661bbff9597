"""What a person relies on before the first line of code: targets, locks, arrows, migrations, settings that deploy."""

import os
import platform
import re
import subprocess
import sys
import sysconfig
from importlib import metadata
from pathlib import Path
from shutil import which

import pytest
from django.core.management import call_command

from identity.argon2_hasher import COMPILED

ROOT = Path(__file__).resolve().parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
# Put together here, so that this file does not hold what it looks for.
FOREIGN = [
    *("pypi." + "org/simple", "python" + "hosted.org", "registry.npm" + "js.org", "deb.debian" + ".org"),
    *("/opt/" + "pypi", "file" + ":///opt", "/wo" + "rk/", "/ro" + "ot/", "--index" + "-url"),
]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False)


@pytest.mark.postgresql_only
def test_make_help_names_every_target() -> None:
    targets = {name for line in re.findall(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE) for name in line.split()}
    named = set(re.findall(r"^  make (\S+) ", run("make", "help").stdout, re.MULTILINE))
    assert targets == named
    assert {"setup", "serve", "demo", "test", "check", "bench", "help"} <= named


@pytest.mark.django_db
def test_no_model_waits_for_a_migration() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


@pytest.mark.postgresql_only
def test_imports_point_down() -> None:
    done = run(str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache")
    assert done.returncode == 0, done.stdout


@pytest.mark.postgresql_only
def test_the_locks_belong_to_pyproject() -> None:
    done = run(sys.executable, "requirements/freshness.py")
    assert done.returncode == 0, done.stderr


@pytest.mark.postgresql_only
def test_every_locked_package_is_installed_by_its_hash() -> None:
    for lock in (ROOT / "requirements").glob("*.txt"):
        pins = re.findall(r"^\S+==.*?(?=^\S|\Z)", lock.read_text(), re.MULTILINE | re.DOTALL)
        assert pins
        assert [pin for pin in pins if "--hash=sha256:" not in pin] == []


@pytest.mark.postgresql_only
def test_no_tracked_file_names_a_registry_or_a_machine() -> None:
    found = run("git", "grep", "-n", "-I", "-F", *(word for name in FOREIGN for word in ("-e", name)))
    assert found.returncode in (0, 1), found.stderr
    assert found.stdout == ""


@pytest.mark.postgresql_only
def test_production_settings_pass_the_deployment_check() -> None:
    command = ("-m", "tests.support.production_settings", "manage.py", "check", "--deploy", "--fail-level", "WARNING")
    done = run(sys.executable, *command)
    assert done.returncode == 0, done.stdout + done.stderr


def _compile(into: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [str(ROOT / ".ci" / "argon2"), str(into), "requirements/runtime.txt"]
    return subprocess.run(
        command, cwd=ROOT, text=True, capture_output=True, check=False, env={"PATH": os.environ["PATH"], **environment}
    )


def _can_compile() -> bool:
    """Whether there is a compiler that knows x86-64-v3, and Python's own headers."""
    compiler = os.environ.get("CC") or which("cc") or which("gcc") or which("clang")
    include = sysconfig.get_path("include")
    tried = [str(compiler), "-march=x86-64-v3", "-fsyntax-only", "-x", "c", "-I", include, "-"]
    given = "#include <Python.h>\n"
    return bool(compiler) and subprocess.run(tried, input=given, text=True, capture_output=True).returncode == 0


@pytest.mark.postgresql_only
@pytest.mark.skipif(platform.machine() != "x86_64", reason="elsewhere nothing is compiled")
def test_without_a_compiler_that_works_the_wheels_serve_and_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "bin").symlink_to(Path(sys.executable).parent)
    failed = _compile(tmp_path, CC="/bin/false")
    assert (failed.returncode, failed.stdout) == (0, "")
    assert "computed by ready-made wheels" in failed.stderr
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("awk", "bash", "cat", "uname"):
        (programs / name).symlink_to(which(name) or name)
    lacking = _compile(tmp_path, PATH=str(programs))
    assert (lacking.returncode, lacking.stdout) == (0, "")
    assert "no C compiler here" in lacking.stderr
    assert not (tmp_path / "x86-64-v3").exists()


@pytest.mark.slow
@pytest.mark.postgresql_only
@pytest.mark.skipif(platform.machine() != "x86_64", reason="elsewhere nothing is compiled")
def test_what_is_compiled_hashes_as_the_wheel_does_and_is_compiled_once(tmp_path: Path) -> None:
    (tmp_path / "bin").symlink_to(Path(sys.executable).parent)
    done = _compile(tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    if not _can_compile():
        assert "computed by ready-made wheels" in done.stderr
        return
    assert done.stderr == ""
    assert COMPILED.is_file()  # `make setup-test` has come as far.
    library = tmp_path / "x86-64-v3" / "_ffi.abi3.so"
    made = library.stat().st_mtime_ns
    assert _compile(tmp_path).returncode == 0
    assert library.stat().st_mtime_ns == made
    version = re.search(r"^argon2-cffi-bindings==(\S+)", (ROOT / "requirements/runtime.txt").read_text(), re.MULTILINE)
    assert version
    assert version[1] == metadata.version("argon2-cffi-bindings")
    assert (library.parent / "version").read_text() == f"argon2-cffi-bindings=={version[1]}\n"
