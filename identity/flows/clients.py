"""Clients: their secrets, and the columns that the OAuth library wants filled."""

import hmac
import secrets

from identity import secret_store
from identity.models import Client
from identity.models.client import GrantType

MINIMUM_SECRET_LENGTH = 16
_SCHEME = "hmac-sha256$"


def new_secret() -> str:
    """A secret of 256 bits for a client."""
    return secrets.token_urlsafe(32)


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


def _digest(secret: str) -> str:
    return _SCHEME + secret_store.digest("client-secret", secret)
