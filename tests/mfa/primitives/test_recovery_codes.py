"""Recovery codes: enough bits, a readable alphabet, one meaning however they are typed."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfa.primitives.recovery_codes import ALPHABET, LENGTH, canonical, new_code, shown

CODES = st.text(ALPHABET, min_size=LENGTH, max_size=LENGTH)


def test_a_code_has_at_least_64_bits_and_no_look_alikes() -> None:
    assert LENGTH * math.log2(len(ALPHABET)) >= 64
    assert len(set(ALPHABET)) == len(ALPHABET)
    assert not set(ALPHABET) & set("0O1ILU")


def test_codes_do_not_repeat_and_use_the_whole_alphabet() -> None:
    codes = {new_code() for _ in range(500)}
    assert len(codes) == 500
    assert {character for code in codes for character in code} == set(ALPHABET)


def test_a_code_is_shown_in_groups() -> None:
    assert shown("23456789ABCDEFGH") == "2345-6789-ABCD-EFGH"


@given(CODES)
def test_what_is_shown_is_read_back(code: str) -> None:
    assert canonical(shown(code)) == code
    assert canonical(shown(code).lower()) == code
    assert canonical(f"  {shown(code).replace('-', ' – ')}\n") == code
    assert canonical(code) == code


@pytest.mark.parametrize(
    "typed",
    ["", "012345", "2345-6789-ABCD-EFG", "2345-6789-ABCD-EFGHJ", "2345-6789-ABCD-EFG0", "2345_6789_ABCD_EFGH",
     "+345-6789-ABCD-EFGH", "２345-6789-ABCD-EFGH", "٢345-6789-ABCD-EFGH", "2345-6789-ABCD-EFGß", "2345-6789-ABCD-EFGı",
     "2" * 10_000, "-" * 10_000, None, 2345678923456789, ["2345-6789-ABCD-EFGH"], b"2345-6789-ABCD-EFGH"],
)  # fmt: skip
def test_what_is_no_code_is_refused(typed: object) -> None:
    assert canonical(typed) is None
