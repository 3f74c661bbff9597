"""The otpauth URI that an authenticator app reads from a QR code.

Source: the "Key Uri Format" page of google-authenticator's wiki, the only specification that exists; the label is
written as `issuer:account` and the issuer again as a parameter, as that page recommends, since some apps read only
the one or the other.
"""

from __future__ import annotations

from urllib.parse import quote

from mfa.primitives.totp import base32


def provisioning_uri(secret: bytes, *, issuer: str, account: str) -> str:
    """`otpauth://totp/{issuer}:{account}?secret=…`, percent-encoded UTF-8, always SHA-1, six digits and thirty seconds.

    Those three are all that Microsoft Authenticator supports: it ignores other values without a word. A colon inside
    the issuer or the account is encoded, so that the one between them is the only one.
    """
    encoded_issuer = quote(issuer, safe="")
    label = f"{encoded_issuer}:{quote(account, safe='@')}"
    return f"otpauth://totp/{label}?secret={base32(secret)}&issuer={encoded_issuer}&algorithm=SHA1&digits=6&period=30"
