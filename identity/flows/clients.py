"""Clients: their secrets, and the columns that the OAuth library wants filled."""

import hmac
import re
import secrets
import uuid
from urllib.parse import urlsplit

from identity import secret_store
from identity.models import Client, Installation
from identity.models.client import OWN_PAGES, GrantType

MINIMUM_SECRET_LENGTH = 16
CLIENT_ID = re.compile(r"[A-Za-z0-9._~@/+=-]{1,255}", re.ASCII)
_SCHEME = "hmac-sha256$"
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def new_client_id() -> str:
    """An id in Visual Guard's form."""
    return f"{uuid.uuid4()}_Native"


def new_secret() -> str:
    """A secret of 256 bits for a client."""
    return secrets.token_urlsafe(32)


def own_pages() -> Client:
    """The installation's own pages as a client, made at first use. It has no grant, so nobody gets a token with it."""
    Installation.current()
    Client.objects.get_or_create(
        client_id=OWN_PAGES,
        defaults={
            "name": "Stepward",
            "client_type": Client.CLIENT_PUBLIC,
            "client_secret": "",
            "hash_client_secret": False,
            "authorization_grant_type": Client.GRANT_CLIENT_CREDENTIALS,
            "grant_types": [],
        },
    )
    found: Client = Client.objects.select_related("installation", "installation__mfa_policy", "mfa_policy").get(
        client_id=OWN_PAGES
    )
    return found


def set_secret(client: Client, secret: str | None) -> None:
    """Give `client` this secret, or none: then it is public. The caller saves.

    Client secrets are random and long, so that a fast keyed digest protects them as well as a slow hash would.
    """
    client.hash_client_secret = False
    client.client_type = Client.CLIENT_CONFIDENTIAL if secret else Client.CLIENT_PUBLIC
    client.client_secret = _digest(secret) if secret else ""


def check_secret(client: Client, secret: str) -> bool:
    """Whether `secret` is the client's; in constant time, and never true for a public client."""
    kept = client.client_secret if client.client_secret.startswith(_SCHEME) else ""
    return hmac.compare_digest(kept or _SCHEME, _digest(secret)) and not client.is_public


def set_grants(client: Client, grant_types: list[str]) -> None:
    """Say which grants the client may use. The caller saves."""
    client.grant_types = grant_types
    # The library's own column, of which it asks only that it be filled.
    client.authorization_grant_type = (
        Client.GRANT_AUTHORIZATION_CODE
        if GrantType.AUTHORIZATION_CODE in grant_types
        else Client.GRANT_CLIENT_CREDENTIALS
    )


def fault_of_redirect_uri(uri: str) -> str:
    """Why a browser may not be sent there with a code; empty when it may.

    https, or http on the person's own machine (RFC 9700, 2.6; RFC 8252, 7.3).
    """
    try:
        parts = urlsplit(uri)
        absolute = bool(parts.hostname) and parts.username is None and "#" not in uri
        safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    except ValueError:
        absolute = safe = False
    if not absolute or any(character.isspace() for character in uri):
        return "must be an absolute URI without a fragment"
    return "" if safe else "must be https, or http on localhost"


def _digest(secret: str) -> str:
    return _SCHEME + secret_store.digest("client-secret", secret)
