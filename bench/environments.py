"""The peers' environments: each its own, under var/bench/peers/, from versions pinned with their hashes."""

import hashlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PINS = ROOT / "bench" / "peers"


def python_of(name: str) -> Path:
    """The Python of a peer's environment; installed at first use, and again when its pins change."""
    lock = PINS / f"{name}.txt"
    folder = ROOT / "var" / "bench" / "peers" / name
    stamp, text = folder / "installed", hashlib.sha256(lock.read_bytes()).hexdigest()
    python = folder / "bin" / "python"
    if not (stamp.exists() and stamp.read_text() == text):
        uv = str(Path(sys.executable).with_name("uv"))
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)], check=True)
        install = [uv, "pip", "sync", "--quiet", "--require-hashes", "--python", str(python), str(lock)]
        subprocess.run(install, check=True, cwd=ROOT)
        stamp.write_text(text)
    return python


def version_of(name: str, package: str) -> str:
    """Which version its pins name."""
    start = f"{package.lower()}=="
    for line in (PINS / f"{name}.txt").read_text().splitlines():
        if line.startswith(start):
            return line.removeprefix(start).split()[0]
    raise ValueError(f"{package} is not among the pins of {name}")
