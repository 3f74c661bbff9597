"""Ten wrong PINs a minute for one secret, on Redis and without it, over all calls, threads and processes."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import stat
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import redis
import time_machine
from django.test import Client
from pytest_django import Settings

from mfa.flows import wrong_pins
from mfa.primitives import totp

Ask = Callable[[str], tuple[int, str, str | None]]
NOW = 1_900_000_000.0

both_counts = pytest.mark.usefixtures("counted_in")


@pytest.fixture
def ask(client: Client, secret: str) -> Ask:
    def answer(pin: str) -> tuple[int, str, str | None]:
        response = client.get(f"/Validate.aspx?Pin={pin}&SecretCode={secret}")
        return response.status_code, response.text, response.headers.get("Retry-After")

    return answer


def right_pin(secret: str, unix_time: float) -> str:
    return totp.code_at(totp.decoded_base32(secret) or b"", unix_time)


def wrong_pin(secret: str, unix_time: float, window: int = 1) -> str:
    key = totp.decoded_base32(secret) or b""
    return next(
        pin
        for pin in map("{:06}".format, range(100))
        if totp.matching_time_step(key, pin, unix_time=unix_time, window=window) is None
    )


@both_counts
def test_past_ten_wrong_pins_every_pin_gets_429_right_or_wrong(ask: Ask, secret: str) -> None:
    with time_machine.travel(NOW, tick=False):
        wrong, right = wrong_pin(secret, NOW), right_pin(secret, NOW)
        assert [ask(wrong) for _ in range(10)] == [(200, "False", None)] * 10
        for pin in (wrong, right, "malformed", right):
            assert ask(pin) == (429, "False", "60")


@both_counts
def test_right_pins_are_not_counted(ask: Ask, secret: str) -> None:
    with time_machine.travel(NOW, tick=False):
        wrong, right = wrong_pin(secret, NOW), right_pin(secret, NOW)
        for _ in range(9):
            assert ask(wrong)[1] == "False"
            assert [ask(right)[1] for _ in range(3)] == ["True"] * 3
        assert [ask(right)[:2] for _ in range(20)] == [(200, "True")] * 20
        assert ask(wrong)[:2] == (200, "False")
        assert ask(right)[:2] == (429, "False")


@both_counts
def test_the_minute_slides(ask: Ask, secret: str) -> None:
    """Five wrong PINs leave the window at once, not all ten when some clock minute turns."""
    with time_machine.travel(NOW, tick=False) as clock:
        wrong = wrong_pin(secret, NOW, window=10)
        for _ in range(5):
            ask(wrong)
        clock.shift(30)
        for _ in range(5):
            ask(wrong)
        assert ask(wrong) == (429, "False", "30")
        clock.shift(29)
        assert ask(wrong) == (429, "False", "1")
        clock.shift(2)
        assert [ask(wrong)[0] for _ in range(6)] == [200] * 5 + [429]
        clock.shift(61)
        assert ask(right_pin(secret, NOW + 122))[:2] == (200, "True")


@both_counts
def test_a_refused_pin_does_not_make_the_rest_longer(ask: Ask, secret: str) -> None:
    with time_machine.travel(NOW, tick=False) as clock:
        wrong = wrong_pin(secret, NOW, window=10)
        for _ in range(10):
            ask(wrong)
        for _ in range(5):
            clock.shift(10)
            assert ask(wrong)[0] == 429
        clock.shift(11)
        assert ask(wrong)[:2] == (200, "False")


@both_counts
def test_one_secret_is_one_secret_however_it_is_written_and_wherever_it_is_asked(client: Client, secret: str) -> None:
    """Spellings, calls and parameters share the count: none of them opens a fresh ten."""
    spaced = " ".join(secret[at : at + 4] for at in range(0, 32, 4))
    asked: Iterator[Callable[[], Any]] = itertools.cycle(
        [
            lambda: client.get("/Validate.aspx", {"Pin": "x", "SecretCode": spaced}),
            lambda: client.get("/VALIDATE.ASPX", {"pin": "x", "secretcode": secret.lower() + "===="}),
            lambda: client.get("/api.asmx/ValidatePin", {"pin": "x", "secretCode": secret, "SecretEncoding": "base32"}),
            lambda: client.post("/api.asmx/ValidatePin", {"pin": "x", "secretCode": secret}, "application/json"),
            lambda: client.post(
                "/api/totp/validate", {"pin": "x", "secret": secret, "digits": 8, "period": 60}, "application/json"
            ),
        ]
    )
    statuses = [call().status_code for call in itertools.islice(asked, 15)]
    assert statuses == [200] * 10 + [429] * 5


@both_counts
def test_another_secret_is_not_touched(ask: Ask, client: Client) -> None:
    for _ in range(12):
        ask("x")
    other = totp.base32(totp.new_secret())
    assert client.get(f"/Validate.aspx?Pin=x&SecretCode={other}").status_code == 200


@both_counts
def test_each_way_of_asking_says_that_the_secret_rests_in_its_own_way(client: Client, secret: str) -> None:
    for _ in range(10):
        client.get("/Validate.aspx", {"Pin": "x", "SecretCode": secret})
    given = {"pin": "x", "secretCode": secret}
    xml = client.get("/api.asmx/ValidatePin", given)
    as_json = client.post("/api.asmx/ValidatePin", given, "application/json")
    modern = client.post("/api/totp/validate", {"pin": "x", "secret": secret}, "application/json")
    assert b">false</boolean>" in xml.content
    assert as_json.json() == {"d": False}
    assert modern["Content-Type"] == "application/problem+json"
    for response in (xml, as_json, modern):
        assert response.status_code == 429
        assert 1 <= int(response["Retry-After"]) <= 60


@both_counts
def test_a_resting_secret_is_not_evaluated_or_its_evaluation_is_not_told(
    ask: Ask, secret: str, counted_in: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, evaluated = totp.matching_time_step, []

    def counting(*args: Any, **kwargs: Any) -> int | None:
        evaluated.append(args)
        return real(*args, **kwargs)

    monkeypatch.setattr(totp, "matching_time_step", counting)
    for _ in range(10):
        ask("x")
    assert len(evaluated) == 10
    assert ask("x")[:2] == (429, "False")
    assert len(evaluated) == (10 if counted_in == "local" else 11)


@both_counts
def test_of_two_hundred_guesses_at_once_ten_are_answered(secret: str) -> None:
    def guess(number: int) -> tuple[int, bytes]:
        response = Client().get(f"/Validate.aspx?Pin=x{number}&SecretCode={secret}")
        return response.status_code, response.content

    with ThreadPoolExecutor(16) as pool:
        answers = Counter(pool.map(guess, range(200)))
    assert answers == {(200, b"False"): 10, (429, b"False"): 190}


def _guess_in_a_process(folder: str, redis_url: str, digest: bytes, guesses: int, run: str = "") -> list[int]:
    from django.conf import settings

    settings.VAR_DIR, settings.REDIS_URL = Path(folder), redis_url
    settings.RUN_DIR = Path(run) if run else None
    return [wrong_pins.counted(digest, lambda: None, now=NOW)[1] for _ in range(guesses)]


@both_counts
def test_processes_share_the_count(settings: Settings, tmp_path: Path, counted_in: str) -> None:
    """Four processes, fifty guesses each, at the same time: ten are counted, a hundred and ninety must wait."""
    digest = os.urandom(16)
    with multiprocessing.get_context("fork").Pool(4) as pool:
        asked = [
            pool.apply_async(_guess_in_a_process, (str(tmp_path), settings.REDIS_URL, digest, 50)) for _ in range(4)
        ]
        waits = [wait for process in asked for wait in process.get(timeout=60)]
    assert sum(wait == 0 for wait in waits) == 10


# ------------------------------------------------------------------------------------------------------- what is kept


def records(folder: Path) -> list[tuple[bytes, float]]:
    """What stands in the ring, read by hand."""
    content = (folder / "wrong-pins.ring").read_bytes()
    (head,) = struct.unpack("=Q", content[:8])
    return [struct.unpack("=16sd", content[16 + 32 * number : 40 + 32 * number]) for number in range(head)]


def test_only_keyed_digests_are_kept(ask: Ask, secret: str, settings: Settings, tmp_path: Path) -> None:
    settings.REDIS_URL = ""
    with time_machine.travel(NOW, tick=False):
        for _ in range(3):
            ask("x")
        ask(right_pin(secret, NOW))
    assert [at for _, at in records(tmp_path)] == [NOW] * 3
    assert len({digest for digest, _ in records(tmp_path)}) == 1
    key = totp.decoded_base32(secret) or b""
    [file] = tmp_path.iterdir()
    assert secret.encode() not in file.read_bytes()
    assert key not in file.read_bytes()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.stat().st_blocks * 512 < 64 * 1024  # The ring's unwritten rest takes no room on the disk.


def test_the_index_in_memory_forgets_after_the_minute(tmp_path: Path) -> None:
    count = wrong_pins.LocalCount(tmp_path / "ring")
    for number in range(1000):
        count.counted(number.to_bytes(16, "big"), lambda: None, now=NOW + number / 100)
    count.counted(b"d" * 16, lambda: None, now=NOW + 120)
    count.counted(b"d" * 16, lambda: 7, now=NOW + 120)
    assert (len(count._wrong), len(count._in_order), len(count._unwritten)) == (1, 1, 0)


def test_where_the_ring_is_full_nothing_is_evaluated_and_nothing_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wrong_pins.LocalCount, "RECORDS", 20)
    count, evaluated = wrong_pins.LocalCount(tmp_path / "ring"), []

    def right() -> int:
        evaluated.append(1)
        return 7

    for number in range(20):
        assert count.counted(number.to_bytes(16, "big"), lambda: None, now=NOW) == (None, 0)
    assert count.counted(b"d" * 16, right, now=NOW + 30) == (None, 60)
    assert not evaluated
    assert count.counted(b"d" * 16, right, now=NOW + 61) == (7, 0)
    assert count.counted(b"d" * 16, lambda: None, now=NOW + 61) == (None, 0)


def test_a_process_that_starts_later_knows_what_was_counted_before(tmp_path: Path) -> None:
    earlier = wrong_pins.LocalCount(tmp_path / "ring")
    for _ in range(10):
        earlier.counted(b"d" * 16, lambda: None, now=NOW)
    later = wrong_pins.LocalCount(tmp_path / "ring")
    assert later.counted(b"d" * 16, lambda: 7, now=NOW + 20) == (None, 40)
    assert later.counted(b"e" * 16, lambda: None, now=NOW + 20) == (None, 0)
    assert len(earlier._in_order) == 9
    assert earlier.counted(b"e" * 16, lambda: 7, now=NOW + 20) == (7, 0)
    assert len(earlier._in_order) == 11


def test_redis_forgets_after_the_minute(ask: Ask, secret: str, settings: Settings, redis_url: str) -> None:
    settings.REDIS_URL = redis_url
    store = redis.Redis.from_url(redis_url)
    before = set(store.keys("*wrong_pins*"))
    ask("x")
    [key] = set(store.keys("*wrong_pins*")) - before
    assert 0 < store.ttl(key) <= 60
    assert secret.encode() not in key
    store.close()


def test_a_digest_depends_on_the_secret_key_of_the_installation(
    client: Client, secret: str, settings: Settings, tmp_path: Path
) -> None:
    """So that weak secrets cannot be tried against a stolen file."""
    settings.REDIS_URL = ""
    for key in ("one key", "another key"):
        settings.SECRET_KEY = key
        client.get(f"/Validate.aspx?Pin=x&SecretCode={secret}")
    assert len({digest for digest, _ in records(tmp_path)}) == 2


# ------------------------------------------------------------------------------------------------------- what fails


def test_without_an_answer_from_redis_the_machine_counts_by_itself(
    ask: Ask, settings: Settings, tmp_path: Path, unused_redis_url: str
) -> None:
    settings.REDIS_URL = unused_redis_url
    assert [ask("x")[0] for _ in range(12)] == [200] * 10 + [429] * 2
    assert (tmp_path / "wrong-pins.ring").exists()


def test_redis_is_left_alone_for_a_moment_after_it_failed(settings: Settings, unused_redis_url: str) -> None:
    settings.REDIS_URL = unused_redis_url
    asked = []
    shared = wrong_pins._shared(unused_redis_url)
    real = shared.counted

    def counting(*args: Any, **kwargs: Any) -> Any:
        asked.append(args)
        return real(*args, **kwargs)

    shared.counted = counting  # type: ignore[method-assign]
    for _ in range(5):
        wrong_pins.counted(b"d" * 16, lambda: 1, now=NOW)
    assert len(asked) == 1


def test_what_cannot_be_counted_is_not_evaluated(
    ask: Ask, secret: str, settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings.REDIS_URL = ""
    settings.VAR_DIR = tmp_path / "file"
    (tmp_path / "file").write_text("no folder")
    with time_machine.travel(NOW, tick=False):
        assert ask(right_pin(secret, NOW)) == (429, "False", "60")
    assert "Wrong PINs cannot be counted" in caplog.text
    assert secret not in caplog.text


@pytest.fixture
def only_to_read() -> Path:
    """A folder in which nobody can make a file, as `var/` is in the image."""
    return Path("/sys/stepward")


def test_where_var_is_only_to_read_the_processes_of_a_run_count_in_its_own_folder(
    ask: Ask, secret: str, settings: Settings, tmp_path: Path, unused_redis_url: str, only_to_read: Path
) -> None:
    """As in a container, while Redis is away: ten wrong ones are answered, and right ones among them."""
    settings.REDIS_URL, settings.VAR_DIR, settings.RUN_DIR = unused_redis_url, only_to_read, tmp_path
    with time_machine.travel(NOW, tick=False):
        assert ask(right_pin(secret, NOW))[:2] == (200, "True")
        assert [ask("x")[0] for _ in range(12)] == [200] * 10 + [429] * 2
    assert [file.name for file in tmp_path.iterdir()] == ["wrong-pins.ring"]
    assert stat.S_IMODE((tmp_path / "wrong-pins.ring").stat().st_mode) == 0o600
    digest = os.urandom(16)
    with multiprocessing.get_context("fork").Pool(4) as pool:
        given = (str(only_to_read), "", digest, 50, str(tmp_path))
        waits = [
            wait for each in [pool.apply_async(_guess_in_a_process, given) for _ in range(4)] for wait in each.get(60)
        ]
    assert sum(wait == 0 for wait in waits) == 10


def test_a_server_without_a_folder_of_its_run_evaluates_nothing(
    ask: Ask, secret: str, settings: Settings, only_to_read: Path
) -> None:
    settings.REDIS_URL, settings.VAR_DIR, settings.RUN_DIR = "", only_to_read, None
    with time_machine.travel(NOW, tick=False):
        assert ask(right_pin(secret, NOW)) == (429, "False", "60")


def test_a_disk_that_is_full_moves_no_count(ask: Ask, settings: Settings, tmp_path: Path) -> None:
    """A process that counted elsewhere for a moment would answer ten more."""
    (tmp_path / "file").write_text("no folder")
    settings.REDIS_URL, settings.VAR_DIR, settings.RUN_DIR = "", tmp_path / "file", tmp_path / "run"
    assert ask("x")[0] == 429
    assert not (tmp_path / "run").exists()


def test_nothing_is_counted_through_a_link_that_somebody_laid(tmp_path: Path) -> None:
    (tmp_path / "ring").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        wrong_pins.LocalCount(tmp_path / "ring")
    assert not (tmp_path / "elsewhere").exists()


def test_a_clock_set_back_does_not_make_a_secret_rest_for_long(ask: Ask, settings: Settings, secret: str) -> None:
    settings.REDIS_URL = ""
    with time_machine.travel(NOW, tick=False) as clock:
        for _ in range(10):
            ask("x")
        clock.shift(-3600)
        assert ask(right_pin(secret, NOW - 3600))[:2] == (200, "True")


@pytest.fixture
def unused_redis_url() -> str:
    """The address of a Redis that is not there; a new one for each test, so that no other's pause is met."""
    return f"redis://127.0.0.1:1/{os.urandom(4).hex().translate(str.maketrans('abcdef', '123456'))}"
