"""Which client is calling: HTTP Basic or the body (RFC 6749, 2.3.1), once, in one way."""

import base64
import binascii
from dataclasses import dataclass
from functools import cache
from urllib.parse import unquote_plus

from identity import rows
from identity.models import Client
from identity.oauth import client_rows, client_secrets


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the caller showed. `by_basic` decides whether a refusal carries WWW-Authenticate."""

    client_id: str
    client_secret: str
    by_basic: bool


def credentials(authorization: str, client_id: str, client_secret: str) -> Credentials | None:
    """The credentials of header and body together; None when they contradict or repeat each other."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return Credentials(client_id, client_secret, by_basic=False)
    try:
        name, colon, secret = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return Credentials("", "", by_basic=True)
    name, secret = unquote_plus(name), unquote_plus(secret)
    if client_secret or (client_id and client_id != name) or not colon:
        return None
    return Credentials(name, secret, by_basic=True)


def find(shown: Credentials, *, may_be_kept: bool = False) -> Client | None:
    """The client whose credentials these are, with the installation's rules joined; None for all else alike.

    With `may_be_kept` it may be the one that an earlier request read: `client_rows.kept` says for whom that is good.
    """
    if not shown.client_id or "\x00" in shown.client_id or len(shown.client_id) > 255:
        return None
    kept = client_rows.kept(shown.client_id) if may_be_kept else None
    if kept is not None and kept.is_active and _shows(kept, shown):
        return kept
    row = rows.one(_find(), {"client_id": shown.client_id, "yes": True})
    client = client_rows.read(row) if row else None
    return client if client is not None and _shows(client, shown) else None


def _shows(client: Client, shown: Credentials) -> bool:
    if client.is_public:
        return not shown.client_secret
    return client_secrets.matches(client, shown.client_secret)


@cache
def _find() -> str:
    return (
        f"SELECT {client_rows.columns()} FROM identity_client c {client_rows.JOINS} "  # noqa: S608
        "WHERE c.client_id = %(client_id)s AND c.is_active = %(yes)s"
    )
