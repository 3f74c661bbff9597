"""Client secrets: random and long, so a fast keyed digest keeps them (no password hasher is asked)."""

import hmac

from identity import secret_store
from identity.models import Client

_PREFIX = "hmac-sha256$"
MINIMUM_LENGTH = 16


def encode(secret: str) -> str:
    """What `Client.client_secret` holds for `secret`."""
    return _PREFIX + secret_store.digest("client-secret", secret)


def matches(client: Client, secret: str) -> bool:
    """Whether `secret` is the client's; never so for a public client or an empty secret. Constant time."""
    if client.is_public or not secret or not client.client_secret.startswith(_PREFIX):
        return False
    return hmac.compare_digest(client.client_secret, encode(secret))
