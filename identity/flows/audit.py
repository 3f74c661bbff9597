"""Writing the audit trail: one call, one event, in the transaction of the fact it tells."""

from typing import Any
from uuid import UUID

import structlog
from django.db import transaction
from django.utils import timezone

from identity import metrics
from identity.models import AuditEvent, Client, User

log = structlog.get_logger("stepward.audit")


def record(
    event: str,
    *,
    outcome: str = "success",
    reason: str = "",
    user: User | None = None,
    username: str = "",
    client: Client | None = None,
    actor: User | None = None,
    authenticator: UUID | str = "",
    address: str = "",
    request_ref: str = "",
    detail: dict[str, Any] | None = None,
) -> None:
    """Append one event. `event` is a name of docs/reference/audit-events.md, `reason` why something was refused.

    `detail` holds facts for the reader of the trail, never a secret, a code or a request id.
    """
    context = structlog.contextvars.get_contextvars()
    AuditEvent.objects.create(
        at=timezone.now(),
        event=event,
        outcome=outcome,
        reason=reason,
        user_id=user.pk if user else None,
        subject=user.subject if user else None,
        username=(user.username if user else username)[:64],
        actor_subject=actor.subject if actor else None,
        actor_name=actor.username if actor else "",
        client_id=client.client_id if client else "",
        authenticator=str(authenticator),
        address=address,
        request_ref=request_ref,
        trace_id=context.get("trace_id", ""),
        detail=detail or {},
    )
    transaction.on_commit(metrics.EVENTS.labels(event, outcome, reason).inc)
    log.info(
        "audit",
        audit_event=event,
        outcome=outcome,
        reason=reason,
        request_ref=request_ref,
        subject=str(user.subject) if user else "",
        client_id=client.client_id if client else "",
    )
