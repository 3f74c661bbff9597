"""Who a client says it is: by header or body, once, in one way."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.oauth import client_authentication, client_secrets
from identity.oauth.client_authentication import Credentials
from tests.factories import make_client


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("header", "client_id", "secret", "expected"),
    [
        ("", "a", "s", Credentials("a", "s", by_basic=False)),
        (basic("a:s"), "", "", Credentials("a", "s", by_basic=True)),
        (basic("a:s"), "a", "", Credentials("a", "s", by_basic=True)),
        (basic("a:s"), "b", "", None),
        (basic("a:s"), "", "s", None),
        (basic("a"), "", "", None),
        (basic("a%3Ab:s%20t"), "", "", Credentials("a:b", "s t", by_basic=True)),
        (basic("a:s:t"), "", "", Credentials("a", "s:t", by_basic=True)),
        ("Basic !!!", "a", "s", Credentials("", "", by_basic=True)),
        ("Bearer x", "a", "s", Credentials("a", "s", by_basic=False)),
        ("basic " + base64.b64encode(b"a:s").decode(), "", "", Credentials("a", "s", by_basic=True)),
    ],
)
def test_credentials_come_from_one_place(
    header: str, client_id: str, secret: str, expected: Credentials | None
) -> None:
    assert client_authentication.credentials(header, client_id, secret) == expected


@given(header=st.text(max_size=60), client_id=st.text(max_size=20), secret=st.text(max_size=20))
def test_no_header_is_an_error(header: str, client_id: str, secret: str) -> None:
    shown = client_authentication.credentials(header, client_id, secret)
    assert shown is None or isinstance(shown, Credentials)


@pytest.mark.django_db
def test_a_client_is_found_by_its_own_secret_and_nothing_else() -> None:
    client = make_client(secret="a secret of twenty chars")
    public = make_client()
    other = make_client(secret="another one of twenty chars")

    def found(client_id: str, secret: str) -> object:
        return client_authentication.find(Credentials(client_id, secret, by_basic=False))

    assert found(client.client_id, "a secret of twenty chars") == client
    for wrong in ("", "a secret of twenty char", "another one of twenty chars", client.client_secret, "\x00"):
        assert found(client.client_id, wrong) is None
    assert found(other.client_id, "another one of twenty chars") == other
    assert found(public.client_id, "") == public
    assert found(public.client_id, "anything") is None
    for unknown in ("", "nobody", client.client_id.upper(), "x" * 300, "a\x00b"):
        assert found(unknown, "a secret of twenty chars") is None


@pytest.mark.django_db
def test_the_kept_digest_is_no_secret_and_an_empty_one_never_matches() -> None:
    client = make_client(secret="a secret of twenty chars")
    assert "a secret" not in client.client_secret
    assert not client_secrets.matches(client, client.client_secret)
    client.client_secret = ""
    assert not client_secrets.matches(client, "")
