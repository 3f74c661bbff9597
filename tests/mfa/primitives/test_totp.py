"""The shared TOTP module against the vectors of RFC 4226, RFC 6238 and the contract, and against hostile spellings."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfa.primitives import totp

RFC_SECRET = b"12345678901234567890"
RFC_SECRETS = {
    "SHA1": RFC_SECRET,
    "SHA256": b"12345678901234567890123456789012",
    "SHA512": b"1234567890123456789012345678901234567890123456789012345678901234",
}

# RFC 4226, appendix D: the first ten codes of the counter.
RFC_4226 = ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"]

# RFC 6238, appendix B (with the secrets of its errata: as long as the hash).
RFC_6238 = [
    (59, "94287082", "46119246", "90693936"),
    (1111111109, "07081804", "68084774", "25091201"),
    (1111111111, "14050471", "67062674", "99943326"),
    (1234567890, "89005924", "91819424", "93441116"),
    (2000000000, "69279037", "90698825", "38618901"),
    (20000000000, "65353130", "77737706", "47863826"),
]

CONTRACT = [
    (b"12345678BXYT", 59, "198718"),
    (b"12345678BXYT", 1111111109, "418566"),
    (b"JBSWY3DPEHPK3PXP", 59, "081891"),
    (base64.b32decode("JBSWY3DPEHPK3PXP"), 59, "996554"),
    (base64.b32decode("JBSWY3DPEHPK3PXP"), 1111111109, "071271"),
    (base64.b32decode("JBSWY3DPEHPK3PXP"), 1234567890, "742275"),
    (base64.b32decode("JBSWY3DPEHPK3PXP"), 2000000000, "890699"),
    (RFC_SECRET, 59, "287082"),
    (RFC_SECRET, 1111111109, "081804"),
    (RFC_SECRET, 1234567890, "005924"),
    (RFC_SECRET, 2000000000, "279037"),
]

NOT_CODES: list[Any] = [
    "",
    " ",
    "75522",
    "7552244",
    " 755224",
    "755224 ",
    " 755224 ",
    "755 224",
    "755\n224",
    "755224\n",
    "755224\x00",
    "+755224",
    "-755224",
    "755_224",
    "7.5522",
    "0x5224",
    "７５５２２４",  # full-width digits
    "٧٥٥٢٢٤",  # Arabic-Indic digits
    "²²²²²²",
    "75522４",
    "7" * 10_000,
    755224,
    755224.0,
    None,
    True,
    b"755224",
    ["755224"],
    {"755224": "755224"},
]


@pytest.mark.parametrize(("counter", "code"), list(enumerate(RFC_4226)))
def test_the_vectors_of_rfc_4226(counter: int, code: str) -> None:
    assert totp.code_at(RFC_SECRET, counter, period=1) == code


@pytest.mark.parametrize("algorithm", ["SHA1", "SHA256", "SHA512"])
@pytest.mark.parametrize("vector", RFC_6238)
def test_the_vectors_of_rfc_6238(vector: tuple[int, str, str, str], algorithm: str) -> None:
    unix_time, code = vector[0], dict(zip(RFC_SECRETS, vector[1:], strict=True))[algorithm]
    secret = RFC_SECRETS[algorithm]
    assert totp.code_at(secret, unix_time, digits=8, algorithm=algorithm) == code
    assert totp.code_at(secret, unix_time, digits=6, algorithm=algorithm) == code[2:]
    step = totp.matching_time_step(secret, code, unix_time=unix_time, digits=8, algorithm=algorithm)
    assert step == unix_time // 30


@pytest.mark.parametrize(("secret", "unix_time", "code"), CONTRACT)
def test_the_vectors_of_the_contract(secret: bytes, unix_time: int, code: str) -> None:
    assert totp.code_at(secret, unix_time) == code
    assert totp.matching_time_step(secret, code, unix_time=unix_time) == unix_time // 30


def test_a_new_secret_has_160_bits_and_is_never_the_same() -> None:
    secrets = {totp.new_secret() for _ in range(1000)}
    assert len(secrets) == 1000
    assert {len(secret) for secret in secrets} == {20}


@pytest.mark.parametrize(
    ("secret", "key"),
    [
        (b"12345678BXYT", "GEZDGNBVGY3TQQSYLFKA"),
        (b"1234", "GEZDGNA"),
        (b"JBSWY3DPEHPK3PXP", "JJBFGV2ZGNCFARKIKBFTGUCYKA"),
        (b"", ""),
    ],
)
def test_base32_is_upper_case_without_padding(secret: bytes, key: str) -> None:
    assert totp.base32(secret) == key


@given(st.binary(min_size=1, max_size=80), st.booleans())
def test_base32_is_read_back_however_people_copy_it(secret: bytes, lower: bool) -> None:
    key = totp.base32(secret)
    grouped = "-".join(key[at : at + 4] for at in range(0, len(key), 4)).replace("-", " ", 1) + "=="
    assert totp.decoded_base32(grouped.lower() if lower else grouped) == secret


@pytest.mark.parametrize(
    "text",
    [
        "",
        "=",
        " - ",
        "A",
        "AAA",
        "AAAAAA",
        "AB1D",
        "ABC0",
        "AB.D",
        "\u0130BCD",
        "\u017fBCD",
        "AA=AAA",
        "ＡＢＣＤ",
        "AB\nCD",
    ],
)
def test_what_is_not_base32_is_not_read(text: str) -> None:
    assert totp.decoded_base32(text) is None


def test_base32_may_have_to_be_long_enough() -> None:
    assert totp.decoded_base32("JBSWY3DPEHPK3PXP", at_least=16) == b"Hello!\xde\xad\xbe\xef"
    assert totp.decoded_base32("JBSW-Y3DP-EHPK-3", at_least=16) is None


@pytest.mark.parametrize("submitted", NOT_CODES, ids=lambda value: repr(value)[:30])
def test_any_other_spelling_of_a_code_is_not_a_code(submitted: Any) -> None:
    assert totp.canonical_code(submitted) is None
    assert totp.matching_time_step(RFC_SECRET, submitted, unix_time=0) is None
    assert totp.matching_time_step(RFC_SECRET, "755224", unix_time=0) == 0


@given(st.text(max_size=8))
def test_what_is_canonical_is_six_ascii_digits_and_unchanged(text: str) -> None:
    canonical = totp.canonical_code(text)
    assert canonical == (text if len(text) == 6 and text.isascii() and text.isdigit() else None)


def test_one_step_before_and_one_after_are_accepted_and_no_more() -> None:
    now = 1111111109
    accepted = [
        offset
        for offset in range(-5, 6)
        if totp.matching_time_step(RFC_SECRET, totp.code_at(RFC_SECRET, now + 30 * offset), unix_time=now) is not None
    ]
    assert accepted == [-1, 0, 1]


@given(st.integers(0, 4_000_000_000), st.integers(-40, 40), st.integers(0, 4), st.integers(-30, 30))
def test_the_window_lies_around_now_and_the_learnt_drift(now: int, offset: int, window: int, drift: int) -> None:
    step = totp.time_step(now) + offset
    if step < 0:
        return
    found = totp.matching_time_step(
        RFC_SECRET, totp.code_at(RFC_SECRET, step * 30), unix_time=now, window=window, drift=drift
    )
    if abs(offset - drift) <= window:
        assert found is not None
    if found is not None:
        assert abs(found - totp.time_step(now) - drift) <= window
        assert totp.code_at(RFC_SECRET, found * 30) == totp.code_at(RFC_SECRET, step * 30)


def test_a_spent_step_and_those_before_it_are_not_found_again() -> None:
    now = 1111111109
    step = totp.time_step(now)
    codes = {offset: totp.code_at(RFC_SECRET, now + 30 * offset) for offset in (-1, 0, 1)}
    found = {
        offset: totp.matching_time_step(RFC_SECRET, code, unix_time=now, after_step=step)
        for offset, code in codes.items()
    }
    assert found == {-1: None, 0: None, 1: step + 1}


def test_steps_before_1970_are_not_looked_at() -> None:
    assert totp.matching_time_step(RFC_SECRET, "755224", unix_time=0, window=3) == 0
    assert totp.matching_time_step(RFC_SECRET, "755224", unix_time=-31, window=0) is None
    with pytest.raises(ValueError, match="1970"):
        totp.code_at(RFC_SECRET, -1)


def test_where_two_steps_share_a_code_the_nearest_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(totp, "_code_of_step", lambda secret, step, digits, algorithm: "000000")
    assert totp.matching_time_step(b"", "000000", unix_time=3000, window=3) == 100
    assert totp.matching_time_step(b"", "000000", unix_time=3000, window=3, after_step=100) == 101
    assert totp.matching_time_step(b"", "000000", unix_time=3000, window=3, drift=-2) == 98


def test_every_step_of_the_window_is_computed_whichever_one_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    real, computed = totp._code_of_step, []

    def counting(secret: bytes, step: int, digits: int, algorithm: str) -> str:
        computed.append(step)
        return real(secret, step, digits, algorithm)

    right, early, wrong = real(RFC_SECRET, 100, 6, "SHA1"), real(RFC_SECRET, 98, 6, "SHA1"), "000000"
    monkeypatch.setattr(totp, "_code_of_step", counting)
    for code in (right, early, wrong):
        computed.clear()
        totp.matching_time_step(RFC_SECRET, code, unix_time=3000, window=2)
        assert computed == [100, 99, 101, 98, 102]


def test_a_right_code_of_a_wrong_clock_is_told_from_a_wrong_code() -> None:
    now = 1111111109
    late = totp.code_at(RFC_SECRET, now - 40 * 60)
    assert totp.matching_time_step(RFC_SECRET, late, unix_time=now) is None
    assert totp.nearest_time_step_far(RFC_SECRET, late, unix_time=now) == totp.time_step(now) - 80
    assert totp.nearest_time_step_far(RFC_SECRET, late, unix_time=now, span=79) is None
    assert totp.nearest_time_step_far(RFC_SECRET, "no code", unix_time=now) is None


@pytest.mark.parametrize("digits", [-1, 0, 5, 9])
def test_other_than_six_to_eight_digits_are_a_misuse(digits: int) -> None:
    with pytest.raises(ValueError, match="digits"):
        totp.code_at(RFC_SECRET, 0, digits=digits)


@pytest.mark.parametrize("algorithm", ["", "sha1", "MD5", "SHA3"])
def test_an_unknown_algorithm_is_a_misuse(algorithm: str) -> None:
    with pytest.raises(ValueError, match="algorithm"):
        totp.code_at(RFC_SECRET, 0, algorithm=algorithm)


@pytest.mark.parametrize(
    ("unix_time", "step"), [(0, 0), (29.999, 0), (30, 1), (59, 1), (1111111109, 37037036), (-1, -1)]
)
def test_a_time_step_is_the_number_of_whole_periods(unix_time: float, step: int) -> None:
    assert totp.time_step(unix_time) == step
