"""A burst of password checks waits in a queue of known length, and nobody waits for longer than that."""

import threading

import pytest

from identity.errors import Overloaded
from identity.flows import hashing
from identity.flows.hashing import HashQueue


def test_slots_work_at_once_places_wait_and_one_more_is_refused() -> None:
    queue = HashQueue(slots=2, places=3)
    inside, done = threading.Semaphore(0), threading.Event()

    def work() -> None:
        with queue.slot():
            inside.release()
            done.wait(60)

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for _ in range(2):
        assert inside.acquire(timeout=30)
    while queue.waiting < 3:
        threading.Event().wait(0.01)
    with pytest.raises(Overloaded) as refused, queue.slot():
        pass
    assert refused.value.retry_after > 0
    assert not inside.acquire(timeout=0.05), "a third one works although there are two slots"
    done.set()
    for thread in threads:
        thread.join(60)
    assert queue.waiting == 0
    with queue.slot():
        pass


def test_a_slot_is_given_back_when_the_work_fails() -> None:
    queue = HashQueue(slots=1, places=1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), queue.slot():
            raise ZeroDivisionError


@pytest.mark.parametrize("encoded", [None, "", "!", "!unusable", "md5$salt$hash", "argon2", "pbkdf2_sha256$1$a$b"])
@pytest.mark.django_db
def test_an_account_without_a_usable_hash_never_matches(encoded: str | None) -> None:
    for password in ("", "nobody's password", "!", "x" * 1024):
        assert not hashing.matches(password, encoded)


@pytest.mark.django_db
def test_a_hash_made_with_other_parameters_is_out_of_date_and_still_right() -> None:
    encoded = hashing.make("correct horse")
    assert not hashing.is_out_of_date(encoded)
    older = encoded.replace("m=8,t=1", "m=8,t=2")
    assert hashing.is_out_of_date(older)
    assert hashing.matches("correct horse", encoded)
    assert not hashing.matches("Correct horse", encoded)
