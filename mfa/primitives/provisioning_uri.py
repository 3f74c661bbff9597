"""The otpauth URI that an authenticator app reads from a QR code.

Source: the "Key Uri Format" page of google-authenticator's wiki, the only specification that exists. The label is
written as `issuer:account` and the issuer again as a parameter, as that page recommends: some apps read only one.
"""

from __future__ import annotations

from urllib.parse import quote

from mfa.primitives.totp import base32


def provisioning_uri(
    secret: bytes, *, issuer: str, account: str, digits: int = 6, period: int = 30, algorithm: str = "SHA1"
) -> str:
    """`otpauth://totp/{issuer}:{account}?secret=…`, issuer and account percent-encoded as UTF-8.

    A colon inside the issuer or the account is encoded as well, so that the one between them is the only one. Leave the
    last three as they are: Microsoft Authenticator ignores other values without a word, and then shows wrong codes.
    """
    encoded_issuer = quote(issuer, safe="")
    label = f"{encoded_issuer}:{quote(account, safe='')}"
    return (
        f"otpauth://totp/{label}?secret={base32(secret)}&issuer={encoded_issuer}"
        f"&algorithm={algorithm}&digits={digits}&period={period}"
    )
