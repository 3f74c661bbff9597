"""Settings of mfa, typed. Read at call time, so that a test may override them."""

from datetime import timedelta

from django.conf import settings


def public_url() -> str:
    return str(settings.PUBLIC_URL)


def issuer() -> str:
    """The name that an authenticator app shows above the account."""
    return str(settings.ISSUER)


def sealing_keys() -> dict[str, bytes]:
    """kid → 32 bytes; the first seals, all open."""
    keys: dict[str, bytes] = settings.MFA_SECRET_KEYS
    return keys


def request_lifetime() -> timedelta:
    return timedelta(seconds=settings.REQUEST_LIFETIME)


def otp_lifetime() -> timedelta:
    return timedelta(seconds=settings.OTP_LIFETIME)


def link_lifetime() -> timedelta:
    return timedelta(seconds=settings.LINK_LIFETIME)
