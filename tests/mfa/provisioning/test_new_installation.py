"""What an operator does before the server ran for the first time."""

import json
from pathlib import Path

import pytest

from tests.support.databases import manage


@pytest.fixture
def nothing_yet(tmp_path: Path) -> dict[str, str]:
    """A database that does not exist yet."""
    return {"DATABASE_URL": f"sqlite:///{tmp_path / 'new.sqlite3'}", "STEPWARD_VAR": str(tmp_path)}


def test_provision_makes_the_tables_of_a_new_installation(nothing_yet: dict[str, str]) -> None:
    said = manage("provision", "-", environment=nothing_yet, given=json.dumps({"groups": [{"name": "staff"}]}))
    assert said == "group staff: created\n1 change made.\n"


def test_bootstrap_makes_the_tables_of_a_new_installation(nothing_yet: dict[str, str]) -> None:
    assert "/account/bootstrap/" in manage("bootstrap_admin", environment=nothing_yet)


def test_tables_of_an_older_version_are_not_touched(nothing_yet: dict[str, str]) -> None:
    manage("migrate", "identity", "0001", "--verbosity", "0", environment=nothing_yet)
    with pytest.raises(AssertionError, match=r"Run `manage\.py migrate` first"):
        manage("provision", "-", environment=nothing_yet, given="{}")
