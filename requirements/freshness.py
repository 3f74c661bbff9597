"""Says, without any network, whether the locks still belong to pyproject.toml.

`make lock` ends with `--write`, which notes a digest of every requirement that pyproject.toml names, beside the locks.
Without it the digest is compared, and each named requirement is looked up in its lock at a version it admits.
"""

import hashlib
import json
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
NOTE = FOLDER / "inputs.sha256"
LOCKS = {"runtime.txt": [], "otel.txt": ["otel"], "demo.txt": ["demo"], "development.txt": ["test", "lint"]}
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)


def main(arguments: list[str]) -> int:
    """Write or compare the note; 0 when the locks are fresh, 1 with a line for each reason otherwise."""
    project = tomllib.loads((FOLDER.parent / "pyproject.toml").read_text(encoding="utf-8"))
    digest = _digest(project)
    if "--write" in arguments:
        NOTE.write_text(digest + "\n", encoding="utf-8")
        return 0
    problems = (
        [] if NOTE.read_text(encoding="utf-8").strip() == digest else ["pyproject.toml changed since `make lock`"]
    )
    for lock, groups in LOCKS.items():
        problems += _unmet(lock, _named(project, groups))
    for problem in problems:
        print(f"locks: {problem}", file=sys.stderr)
    return 1 if problems else 0


def _digest(project: dict[str, Any]) -> str:
    named = {
        "python": project["project"]["requires-python"],
        "runtime": project["project"]["dependencies"],
        "groups": project["dependency-groups"],
    }
    return hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()


def _named(project: dict[str, Any], groups: list[str]) -> list[str]:
    lines: list[str] = list(project["project"]["dependencies"])
    waiting = list(groups)
    while waiting:
        for entry in project["dependency-groups"][waiting.pop()]:
            if isinstance(entry, dict):
                waiting.append(entry["include-group"])
            else:
                lines.append(entry)
    return lines


def _unmet(lock: str, named: list[str]) -> list[str]:
    # Only the comparison needs this package; `--write` also runs where nothing is installed yet.
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    text = (FOLDER / lock).read_text(encoding="utf-8")
    pins = {canonicalize_name(name): version for name, version in PIN.findall(text)}
    return [
        f"{lock} does not hold {requirement}"
        for requirement in map(Requirement, named)
        if not requirement.specifier.contains(pins.get(canonicalize_name(requirement.name), "0.dev0"))
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
