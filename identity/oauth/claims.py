"""What tokens say: the access token (RFC 9068), the ID token (OpenID Connect Core, 2) and userinfo."""

import base64
import hashlib
import uuid
from datetime import datetime, timedelta
from typing import Any

from identity import conf
from identity.models import Client, Session, User
from identity.oauth import jwt


def access_token(
    *, client: Client, scopes: list[str], session: Session | None, user: User | None, now: datetime
) -> tuple[str, str]:
    """A signed access token and its `jti`. `auth_time`, `amr`, `acr` and `sid` tell of the sign-in it came from."""
    jti = str(uuid.uuid4())
    claims: dict[str, Any] = {
        "iss": conf.public_url(),
        "aud": conf.public_url(),
        "sub": str(user.subject) if user else client.client_id,
        "client_id": client.client_id,
        "scope": " ".join(scopes),
        "iat": int(now.timestamp()),
        "exp": int((now + timedelta(seconds=conf.access_token_lifetime())).timestamp()),
        "jti": jti,
    }
    if session is not None:
        claims |= _proof(session)
    if user is not None and "VGRoles" in scopes:
        claims["roles"] = sorted(user.groups.values_list("name", flat=True))
    return jwt.sign(claims, typ="at+jwt", now=now), jti


def id_token(
    *, client: Client, scopes: list[str], session: Session, user: User, access: str, nonce: str, now: datetime
) -> str:
    """A signed ID token for the client, bound to the access token by `at_hash` (OpenID Connect Core, 3.1.3.6)."""
    half = hashlib.sha256(access.encode()).digest()[:16]
    claims = {
        "iss": conf.public_url(),
        "aud": client.client_id,
        "iat": int(now.timestamp()),
        "exp": int((now + timedelta(seconds=conf.access_token_lifetime())).timestamp()),
        "at_hash": base64.urlsafe_b64encode(half).rstrip(b"=").decode(),
        **_proof(session),
        **about(user, scopes),
    }
    if nonce:
        claims["nonce"] = nonce
    return jwt.sign(claims, typ="JWT", now=now)


def about(user: User, scopes: list[str]) -> dict[str, Any]:
    """The claims about the person that the scopes allow: userinfo's answer."""
    claims: dict[str, Any] = {"sub": str(user.subject)}
    if "profile" in scopes or "VGProfile" in scopes:
        claims |= {"preferred_username": user.username, "name": user.username}
        if user.language:
            claims["locale"] = user.language
    if "VGProfile" in scopes:
        claims |= {"email": user.email, "email_verified": user.email_verified_at is not None}
        claims |= {"phone_number": user.mobile_phone, "phone_number_verified": user.mobile_verified_at is not None}
    if "VGRoles" in scopes:
        claims["roles"] = sorted(user.groups.values_list("name", flat=True))
    if "VGIsApproved" in scopes:
        claims["is_approved"] = user.is_approved
    if "VGIsLocked" in scopes:
        claims["is_locked"] = user.locked_by_administrator_at is not None
    if "VGActivityDate" in scopes and user.last_login:
        claims["last_activity"] = user.last_login.isoformat()
    return claims


def _proof(session: Session) -> dict[str, Any]:
    return {
        "auth_time": int(session.auth_time.timestamp()),
        "amr": session.amr.split(),
        "acr": session.acr,
        "sid": str(session.pk),
    }
