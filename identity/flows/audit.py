"""Writing the audit trail: one call, one event, in the transaction of the fact it tells."""

import logging
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction
from django.utils import timezone

from identity import metrics, rows
from identity.models import AuditEvent, Client, User

log = logging.getLogger("stepward.audit")


def record(event: str, **facts: Any) -> None:
    """Append one event; `facts` are those of `event_of`."""
    write(event_of(event, **facts))


def event_of(
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
) -> AuditEvent:
    """An event that is yet to be written. `event` is a name of docs/reference/audit-events.md, `reason` why not.

    `detail` holds facts for the reader of the trail, never a secret, a code or a request id.
    """
    return rows.new(
        AuditEvent,
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
        trace_id=structlog.contextvars.get_contextvars().get("trace_id", ""),
        detail=detail or {},
    )


def write(*events: AuditEvent) -> None:
    """Append events of one fact, in one statement, and log them."""
    rows.insert(*events)
    tell(*events)


def step(*events: AuditEvent) -> rows.Step:
    """The same as a step of `rows.together`, after which `tell` is due."""
    return rows.insertion(*events)


def tell(*events: AuditEvent) -> None:
    """Count and log events, once what they tell of is committed."""
    transaction.on_commit(lambda: _tell(events))


def _tell(events: tuple[AuditEvent, ...]) -> None:
    """Of what is committed: counted, and a line each in the log. `config.logs` lets such lines wait for each other."""
    for event in events:
        metrics.EVENTS.labels(event.event, event.outcome, event.reason).inc()
    if log.isEnabledFor(logging.INFO):
        # Not by `log.info`: it would look for its caller, which took longer than all the rest.
        record = logging.LogRecord(log.name, logging.INFO, __file__, 0, "audit", (), None)
        record.facts = [_facts(event) for event in events]
        log.handle(record)


def _facts(event: AuditEvent) -> dict[str, str]:
    return {
        "audit_event": event.event,
        "outcome": event.outcome,
        "reason": event.reason,
        "request_ref": event.request_ref,
        "subject": str(event.subject or ""),
        "client_id": event.client_id,
        "event": "audit",
        "trace_id": event.trace_id,
    }
