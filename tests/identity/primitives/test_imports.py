"""What a library imports for nothing stays out, and is there for whoever needs it."""

import importlib
import sys

import pytest

from identity.primitives.imports import absent, on_first_use


@pytest.fixture(autouse=True)
def _not_loaded() -> None:
    sys.modules.pop("wave", None)  # Of the standard library, and of no use here.


def test_an_absent_module_cannot_be_imported_until_it_may() -> None:
    with absent("wave"), pytest.raises(ImportError):
        importlib.import_module("wave")
    assert importlib.import_module("wave").open


def test_a_module_that_is_loaded_stays_loaded() -> None:
    with absent("json"), on_first_use("json"):
        assert importlib.import_module("json").dumps(1) == "1"
    assert importlib.import_module("json").dumps(1) == "1"


def test_a_stand_in_becomes_the_module_when_something_of_it_is_asked_for() -> None:
    with on_first_use("wave"):
        stand_in = importlib.import_module("wave")
        assert "open" not in vars(stand_in)
    assert "wave" not in sys.modules
    assert stand_in.open is importlib.import_module("wave").open


def test_a_stand_in_that_is_used_meanwhile_gives_way_to_the_module() -> None:
    with on_first_use("wave"):
        used = importlib.import_module("wave").open
    assert sys.modules["wave"].open is used
