"""The installation's own keys as a process holds them open (`identity.secret_store`)."""

import threading
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import serialization
from django.utils import timezone

from identity import secret_store
from identity.secret_store import add_signing_key, jwks, signing_key

pytestmark = pytest.mark.django_db


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The private keys that were opened since the test began, which holds none."""
    found: list[bytes] = []
    load = serialization.load_der_private_key

    def loading(der: bytes, password: None) -> object:
        found.append(der)
        return load(der, password)

    monkeypatch.setattr(serialization, "load_der_private_key", loading)
    secret_store.forget()
    return found


def grow_old() -> None:
    """As if the keys had been read a while ago."""
    secret_store._held.read_at -= 2 * secret_store._REFRESH_SECONDS


def test_a_key_is_opened_once_however_often_the_rows_are_read(opened: list[bytes]) -> None:
    """Checking a private key takes longer than signing two hundred times."""
    now = timezone.now()
    first = signing_key(now)
    assert len(opened) == 1
    for _ in range(3):
        grow_old()
        assert signing_key(now).kid == first.kid
    assert len(opened) == 1
    add_signing_key(now, slot="signing:next", signs_from=now + timedelta(hours=1))
    assert len(jwks(now)["keys"]) == 1
    grow_old()
    assert len(jwks(now)["keys"]) == 2
    assert len(opened) == 2
    assert signing_key(now).kid == first.kid
    assert signing_key(now + timedelta(hours=2)).kid != first.kid


def test_while_one_thread_reads_them_anew_the_others_go_on(opened: list[bytes]) -> None:
    now = timezone.now()
    first = signing_key(now)
    grow_old()
    found: list[str] = []
    with secret_store._lock:
        other = threading.Thread(target=lambda: found.append(signing_key(now).kid), daemon=True)
        other.start()
        other.join(10)
    assert found == [first.kid]
    assert len(opened) == 1
