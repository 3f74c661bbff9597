"""One spelling for each address and number; nothing else gets through."""

import pytest

from mfa.primitives.destinations import canonical_email, canonical_phone, country_code


@pytest.mark.parametrize(
    ("typed", "canonical"),
    [
        ("m.m@gmail.com", "m.m@gmail.com"),
        (" M.M+home@Gmail.COM ", "m.m+home@gmail.com"),
        ("person@bücher.example", "person@xn--bcher-kva.example"),
        ("person@localhost", "person@localhost"),
    ],
)
def test_an_address_has_one_spelling(typed: str, canonical: str) -> None:
    assert canonical_email(typed) == canonical
    assert canonical_email(canonical) == canonical


@pytest.mark.parametrize(
    "typed",
    [
        "", "@", "person", "person@", "@example.org", "a b@example.org", '"a b"@example.org', "a..b@example.org",
        "person@example", "person@-example.org", "person@exa_mple.org", "person@example.org\r\nBcc: other@example.org",
        "person@example.org,other@example.org", "person@other@example.org", "pérson@example.org", "person@[127.0.0.1]",
        "person@example..org", f"{'a' * 65}@example.org", f"a@{'b' * 260}.org", None, 7, ["person@example.org"],
        "person@example.org\n",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(typed: object) -> None:
    assert canonical_email(typed) is None


@pytest.mark.parametrize(
    ("typed", "canonical"),
    [
        ("+33612345678", "+33612345678"),
        ("+33 6 12 34 56 78", "+33612345678"),
        ("+33 (0)6 12 34 56 78", "+33612345678"),
        ("+44-7700-900123", "+447700900123"),
        ("+1 202 555 0100", "+12025550100"),
    ],
)
def test_a_number_has_one_spelling(typed: str, canonical: str) -> None:
    assert canonical_phone(typed) == canonical
    assert canonical_phone(canonical) == canonical


@pytest.mark.parametrize(
    "typed",
    ["", "0612345678", "+33", "+3361234567890123", "+33612345678 ext. 5", "not a number", "+33６12345678", "+33899123456",
     None, 33612345678, "+" + "3" * 100],
)  # fmt: skip
def test_what_is_no_mobile_number_is_refused(typed: object) -> None:
    assert canonical_phone(typed) is None


def test_the_country_code_is_what_a_mask_leaves() -> None:
    assert country_code("+33612345678") == "33"
    assert country_code("+12025550100") == "1"
