"""The otpauth URI: its exact text, and that what an app reads out of it is what was put in."""

from __future__ import annotations

import base64
from urllib.parse import parse_qs, unquote, urlsplit

from hypothesis import given
from hypothesis import strategies as st

from mfa.primitives.provisioning_uri import provisioning_uri

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=64)


def test_the_uri_of_the_contract() -> None:
    assert provisioning_uri(b"12345678901234567890", issuer="Caf\u00e9 Zo\u00eb", account="m.m@gmail.com") == (
        "otpauth://totp/Caf%C3%A9%20Zo%C3%AB:m.m%40gmail.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
        "&issuer=Caf%C3%A9%20Zo%C3%AB&algorithm=SHA1&digits=6&period=30"
    )


@given(st.binary(min_size=1, max_size=64), names, names)
def test_an_app_reads_what_was_written(secret: bytes, issuer: str, account: str) -> None:
    uri = urlsplit(provisioning_uri(secret, issuer=issuer, account=account))
    assert (uri.scheme, uri.netloc, uri.fragment) == ("otpauth", "totp", "")
    read_issuer, _, read_account = uri.path.removeprefix("/").partition(":")
    assert (unquote(read_issuer), unquote(read_account)) == (issuer, account)
    query = {
        name: values[0] for name, values in parse_qs(uri.query, keep_blank_values=True, strict_parsing=True).items()
    }
    key = query.pop("secret")
    assert base64.b32decode(key + "=" * (-len(key) % 8)) == secret
    assert query == {"issuer": issuer, "algorithm": "SHA1", "digits": "6", "period": "30"}


def test_other_values_than_the_usual_are_written_for_the_apps_that_read_them() -> None:
    uri = provisioning_uri(b"1234567890", issuer="A", account="b", digits=8, period=60, algorithm="SHA256")
    assert uri == "otpauth://totp/A:b?secret=GEZDGNBVGY3TQOJQ&issuer=A&algorithm=SHA256&digits=8&period=60"


@given(names, names)
def test_nothing_a_person_types_breaks_out_of_its_place(issuer: str, account: str) -> None:
    uri = provisioning_uri(b"12345678901234567890", issuer=issuer, account=account)
    assert uri.isascii()
    assert [uri.count(mark) for mark in ("?", "&", ":", "#", " ", '"', "<", "'")] == [1, 4, 2, 0, 0, 0, 0, 0]
