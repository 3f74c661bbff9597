"""Settings of identity, typed. Read at call time, so that a test may override them."""

from datetime import timedelta

from django.conf import settings


def public_url() -> str:
    return str(settings.PUBLIC_URL)


def sealing_keys() -> dict[str, bytes]:
    """kid → 32 bytes; the first seals, all open."""
    keys: dict[str, bytes] = settings.MFA_SECRET_KEYS
    return keys


def access_token_lifetime() -> int:
    """Seconds."""
    return int(settings.ACCESS_TOKEN_LIFETIME)


def refresh_token_lifetime() -> int:
    """Seconds."""
    return int(settings.REFRESH_TOKEN_LIFETIME)


def browser_session_lifetime() -> timedelta:
    """How long a browser stays signed in to the hosted pages, whatever it does meanwhile."""
    return timedelta(seconds=settings.SESSION_COOKIE_AGE)


def audit_retention_days() -> int:
    """0: audit events are kept for ever."""
    return int(settings.AUDIT_RETENTION_DAYS)


def hash_slots() -> int:
    """Password hashes that one process works on at a time."""
    return int(settings.PASSWORD_HASH_SLOTS)


def hash_queue() -> int:
    """Callers of one process that may wait for a slot."""
    return int(settings.PASSWORD_HASH_QUEUE)
