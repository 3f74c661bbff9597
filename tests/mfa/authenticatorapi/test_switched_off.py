"""With `STATELESS_API` off none of these calls is there."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import clear_url_caches
from pytest_django import Settings

import config.urls

PATHS = ["/Validate.aspx", "/pair.aspx", "/qr.aspx", "/api.asmx", "/api.asmx/Pair", "/api/totp/generate", "/stateless/"]


@pytest.fixture
def switched_off(settings: Settings) -> Iterator[None]:
    settings.STATELESS_API = False
    importlib.reload(config.urls)
    clear_url_caches()
    yield
    settings.STATELESS_API = True
    importlib.reload(config.urls)
    clear_url_caches()


def statuses() -> set[int]:
    return {Client().post(path, {}, "application/json").status_code for path in PATHS}


def test_switched_on_all_are_there() -> None:
    assert 404 not in statuses()


@pytest.mark.usefixtures("switched_off")
def test_switched_off_none_is() -> None:
    assert statuses() == {404}
