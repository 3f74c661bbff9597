"""Every test counts wrong PINs in a place of its own, and none of these calls may touch the database."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import Settings

from mfa.primitives import totp


@pytest.fixture(autouse=True)
def _own_count(settings: Settings, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path


@pytest.fixture(params=["redis", "local"])
def counted_in(request: pytest.FixtureRequest, settings: Settings, redis_url: str) -> str:
    """Run the test twice: with Redis for all servers, and without it for all processes of one machine."""
    # A machine that stands still for a moment is no Redis that is away.
    settings.REDIS_URL = f"{redis_url}?socket_timeout=30" if request.param == "redis" else ""
    return str(request.param)


@pytest.fixture
def secret() -> str:
    """A secret that no other test has guessed at."""
    return totp.base32(totp.new_secret())


@pytest.fixture
def legacy(settings: Settings) -> None:
    settings.STATELESS_SECRET_MODE = "legacy"
