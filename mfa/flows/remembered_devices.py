"""Remembered devices and invitations: what a client may show beside the password."""

import secrets
from datetime import datetime, timedelta

from identity import secret_store
from identity.flows import audit
from identity.models import Client, User
from identity.primitives import login_names
from mfa.flows import policy
from mfa.models import Invitation, RememberedDevice
from mfa.outcomes import Origin

_TOKEN_BYTES = 32


def find(token: str, typed_name: str, client: Client, now: datetime) -> RememberedDevice | None:
    """The live device whose token this is, for the account that `typed_name` names, at this client."""
    if not token:
        return None
    found = (
        RememberedDevice.objects.select_related("user")
        .filter(
            digest=secret_store.digest("remembered-device", token),
            client=client,
            revoked_at__isnull=True,
            expires_at__gt=now,
        )
        .first()
    )
    return found if found and found.user.username_key == login_names.normalise(typed_name) else None


def remember(user: User, client: Client, origin: Origin, now: datetime) -> str | None:
    """Remember the device that just passed a second factor; its token, or None where the policy does not allow it."""
    days = policy.effective(user, client).remember_days
    if not days:
        return None
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    RememberedDevice.objects.create(
        user=user,
        client=client,
        digest=secret_store.digest("remembered-device", token),
        created_at=now,
        last_used_at=now,
        expires_at=now + timedelta(days=days),
        user_agent=origin.user_agent[:200],
        address=origin.address,
    )
    audit.record("device.remembered", user=user, client=client, address=origin.address, detail={"days": days})
    return token


def rotate(device: RememberedDevice, now: datetime) -> str | None:
    """A new token for the device, whose old one is good no more; None when another call was first."""
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    rotated = RememberedDevice.objects.filter(pk=device.pk, digest=device.digest, revoked_at__isnull=True).update(
        digest=secret_store.digest("remembered-device", token), last_used_at=now
    )
    return token if rotated else None


def forget_all(user: User, now: datetime) -> int:
    """End every remembered device: what each change of a factor does. How many there were."""
    return RememberedDevice.objects.filter(user=user, revoked_at__isnull=True).update(revoked_at=now)


def invite(user: User, *, actor: User | None, now: datetime, lifetime: timedelta) -> str:
    """An invitation's code, shown once; kept as a keyed digest."""
    code = secrets.token_urlsafe(16)
    Invitation.objects.create(
        user=user,
        digest=secret_store.digest("invitation", code),
        created_at=now,
        created_by=actor,
        expires_at=now + lifetime,
    )
    audit.record("invitation.made", user=user, actor=actor)
    return code


def invitation_is_good(user: User, code: str, now: datetime) -> bool:
    """Whether the code is an unspent invitation of this very account."""
    return (
        bool(code)
        and Invitation.objects.filter(
            user=user, digest=secret_store.digest("invitation", code), spent_at__isnull=True, expires_at__gt=now
        ).exists()
    )
