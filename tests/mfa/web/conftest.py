"""A clock that stands still until somebody moves it, and Anna, who has an app on her telephone."""

from collections.abc import Iterator

import pytest
import time_machine
from pytest_django import Settings

from identity.models import User
from tests.support.visitor import NOON, Visitor, an_account, an_app


@pytest.fixture(autouse=True)
def _messages_go_from_this_process(settings: Settings) -> None:
    settings.REDIS_URL = ""


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def anna(clock: time_machine.Traveller, db: None) -> User:
    user = an_account("anna")
    an_app(user)
    return user


@pytest.fixture
def visitor(clock: time_machine.Traveller, anna: User) -> Visitor:
    return Visitor(clock)
