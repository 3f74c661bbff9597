"""What people see and end of their own: sessions, remembered devices, what happened to the account."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from identity.conf import access_token_lifetime, browser_session_lifetime
from identity.flows import accounts, audit, tokens
from identity.models import AuditEvent, Client, RefreshToken, Session, User
from identity.models.client import OWN_PAGES
from mfa.models import RememberedDevice
from mfa.outcomes import Origin

ACTIVITY_OF_A_PAGE = 50


def sessions(user: User, now: datetime) -> Sequence[Session]:
    """The sessions with which something can still be done, the one used last first.

    A browser's lasts a fixed time; a client's as long as its last access token or its refresh token is good.
    """
    own_pages = Q(client__client_id=OWN_PAGES)
    alive = (
        (own_pages & Q(auth_time__gt=now - browser_session_lifetime()))
        | (~own_pages & Q(last_used_at__gt=now - timedelta(seconds=access_token_lifetime())))
        | Exists(RefreshToken.objects.filter(session=OuterRef("pk"), expires__gt=now, revoked__isnull=True))
    )
    found = user.sessions.filter(alive, ended_at__isnull=True).select_related("client")
    return list(found.order_by("-last_used_at")[:100])


def lock_while_on(user: User, session_id: UUID | str) -> bool:
    """Whether the account's session goes on, under a lock on the account; inside a transaction.

    What ends every session of an account waits for this lock, or has been and is seen.
    """
    accounts.lock_row(user.pk)
    return user.sessions.filter(pk=session_id, ended_at__isnull=True).exists()


def end(user: User, session_id: UUID, origin: Origin, now: datetime) -> bool:
    """End one session of the account's own; False when there is none of this id (ATTACKS A40)."""
    session = user.sessions.filter(pk=session_id, ended_at__isnull=True).select_related("client").first()
    if session is None:
        return False
    _end(user, session, origin, now)
    return True


def end_others(user: User, kept: Session, origin: Origin, now: datetime) -> int:
    """End every session but `kept`; how many there were."""
    others = list(user.sessions.filter(ended_at__isnull=True).exclude(pk=kept.pk).select_related("client"))
    with transaction.atomic():
        for session in others:
            _end(user, session, origin, now)
    return len(others)


def remembered(user: User, now: datetime) -> Sequence[RememberedDevice]:
    """The devices that need no second factor for some days more."""
    live = user.remembered_devices.filter(revoked_at__isnull=True, expires_at__gt=now)
    return list(live.select_related("client").order_by("-last_used_at"))


def forget_device(user: User, device_pk: int, origin: Origin, now: datetime) -> bool:
    """Ask for the second factor again on one device; False when the account remembers none of this number."""
    with transaction.atomic():
        found = user.remembered_devices.filter(pk=device_pk, revoked_at__isnull=True)
        if not found.update(revoked_at=now):
            return False
        audit.record("device.forgotten", user=user, address=origin.address)
    return True


def activity(user: User, before: int | None = None) -> Sequence[AuditEvent]:
    """What happened to the account, the newest first: one page, older than the event numbered `before`."""
    older = Q(pk__lt=before) if before is not None else Q()
    return list(AuditEvent.objects.filter(older, user_id=user.pk).order_by("-pk")[:ACTIVITY_OF_A_PAGE])


def names_of_clients(events: Sequence[AuditEvent]) -> dict[str, str]:
    """The clients that the events name, as people know them."""
    ids = {event.client_id for event in events if event.client_id}
    return {client.client_id: str(client) for client in Client.objects.filter(client_id__in=ids)}


def _end(user: User, session: Session, origin: Origin, now: datetime) -> None:
    with transaction.atomic():
        tokens.end_session(session, "ended by its owner", now)
        audit.record("session.ended", user=user, client=session.client, address=origin.address)
