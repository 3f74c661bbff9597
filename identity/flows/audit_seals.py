"""Sealing the audit trail, so that whoever holds the database cannot change it unseen (ATTACKS A72).

In the background, and never in a sign-in's way: new events are read in the order of their ids and a link is appended to
a chain, with a keyed digest over the block and over the link before. The key is the installation's digest key, which
the database holds only sealed. The newest link, the head, is logged, shown by /metrics and kept in a file, so that a
chain that was cut short is noticed too. docs/decisions/0055 says what is seen and what is not.
"""

import hashlib
import json
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.core.cache import cache
from django.db import IntegrityError, connection, transaction
from django.db.models import Max

from identity import conf, secret_store
from identity.models import AuditEvent, AuditSeal

log = structlog.get_logger("stepward.audit")

EVERY = timedelta(seconds=60)
BLOCK = 1000
DIGEST_BYTES = 16
# What is digested of an event. Another column takes another format, or what is sealed already would not verify.
FORMAT = 1
COLUMNS = (
    *("id", "at", "event", "outcome", "reason", "user_id", "subject", "actor_subject", "actor_name", "username"),
    *("client_id", "authenticator", "address", "request_ref", "trace_id", "detail"),
)
_DELETED_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Head:
    """A link of the chain as it was when it was the newest; its text is `number:mac`."""

    number: int
    mac: str

    def __str__(self) -> str:
        return f"{self.number}:{self.mac}"

    @classmethod
    def parse(cls, text: str) -> "Head":
        """Raises ValueError."""
        number, _, mac = text.strip().partition(":")
        if len(mac) != 64:
            raise ValueError("a head is NUMBER:MAC")
        return cls(int(number), mac)


def seal_when_due(now: datetime) -> int:
    """What whoever sweeps calls: once a minute, whatever is settled by then; how many links were appended."""
    if not cache.add("stepward:audit-seal", 1, timeout=EVERY.total_seconds()):
        return 0
    return seal(settled_id(), now)


def settled_id() -> int:
    """The id up to which no event can appear any more.

    PostgreSQL gives out ids before a transaction commits, so one may appear below others that are there already. What
    is noted at one call is settled at a later one, once every transaction that ran at the time of the first is over.
    """
    if connection.vendor != "postgresql":  # SQLite has one writer at a time.
        return AuditEvent.objects.aggregate(found=Max("id"))["found"] or 0
    noted: tuple[int, int] | None = cache.get("stepward:audit-horizon")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce((SELECT max(id) FROM identity_auditevent), 0), pg_snapshot_xmin(s)::text::bigint,"
            " pg_snapshot_xmax(s)::text::bigint FROM (SELECT pg_current_snapshot() AS s) AS now"
        )
        newest, oldest_running, next_transaction = cursor.fetchone()
    if noted is not None and noted[1] > next_transaction:
        noted = None  # Within one database that number never falls: the note is of another, and the cache outlived it.
    if noted is not None and oldest_running < noted[1]:
        return 0
    cache.set("stepward:audit-horizon", (newest, next_transaction), timeout=None)
    return noted[0] if noted is not None else 0


def seal(up_to: int, now: datetime, *, seconds: float = 5.0) -> int:
    """Append links over the events up to that id, for at most so many seconds; how many links."""
    deadline, count = time.monotonic() + seconds, 0
    last = newest()
    while time.monotonic() < deadline:
        after = last.last_id if last else 0
        events = AuditEvent.objects.filter(id__gt=after, id__lte=up_to).order_by("id")
        rows = list(events.values_list(*COLUMNS)[:BLOCK])
        appended = _append(last, now, last_id=rows[-1][0], events=b"".join(map(entry, rows))) if rows else None
        if appended is None:
            break
        last, count = appended, count + 1
    if count and last is not None:
        _keep(Head(last.number, last.mac), now)
    return count


def sweep(now: datetime, *, seconds: float) -> dict[str, int]:
    """Delete events older than AUDIT_RETENTION_DAYS and the links over them; rows by table.

    A link that says so is appended first: the chain begins after it from then on, and the database's triggers let
    nothing else be deleted. Once a day; what is left over for want of time goes the next time.
    """
    days, deadline = conf.audit_retention_days(), time.monotonic() + seconds
    floor, last = newest_sweep(), newest()
    if days and last is not None:
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        old = AuditSeal.objects.filter(sealed_at__lt=midnight - timedelta(days=days)).order_by("-sealed_at", "-number")
        upto = old.defer("events").first()
        if upto is not None and (floor is None or upto.number > (floor.swept_number or 0)):
            swept = {"swept_number": upto.number, "swept_id": upto.last_id, "swept_mac": upto.mac}
            floor = _append(last, now, last_id=last.last_id, events=b"", **swept) or floor
    # A link without our key would have us delete what somebody else wants gone.
    if floor is None or mac_of(floor) != floor.mac:
        return {}
    deleted = {"identity_auditevent": 0, "identity_auditseal": 0}
    for model, gone in ((AuditEvent, {"id__lte": floor.swept_id}), (AuditSeal, {"number__lte": floor.swept_number})):
        while time.monotonic() < deadline:
            rows = model._default_manager.filter(**gone).order_by("pk")
            batch = list(rows.values_list("pk", flat=True)[:_DELETED_AT_ONCE])
            deleted[model._meta.db_table] += model._default_manager.filter(pk__in=batch).delete()[0]
            if len(batch) < _DELETED_AT_ONCE:
                break
    return {table: count for table, count in deleted.items() if count}


def entry(row: tuple[Any, ...]) -> bytes:
    """An event's id and digest, as a link holds them; `row` has COLUMNS in their order."""
    text = json.dumps([FORMAT, *row], sort_keys=True, separators=(",", ":"), default=_as_text)
    return int(row[0]).to_bytes(8, "big", signed=True) + hashlib.sha256(text.encode()).digest()[:DIGEST_BYTES]


def mac_of(link: AuditSeal) -> str:
    """The keyed digest over everything else that the link holds."""
    events = hashlib.sha256(bytes(link.events)).hexdigest()
    swept = (link.swept_number, link.swept_id, link.swept_mac)
    facts = [FORMAT, link.number, _as_text(link.sealed_at), link.last_id, events, *swept, link.previous]
    return secret_store.digest("audit-seal", json.dumps(facts, separators=(",", ":")))


def newest() -> AuditSeal | None:
    return AuditSeal.objects.order_by("-number").defer("events").first()


def newest_sweep() -> AuditSeal | None:
    """The link that says up to where events were deleted for their age."""
    return AuditSeal.objects.filter(swept_number__isnull=False).order_by("-swept_number").first()


def kept_head() -> Head | None:
    """The head that this machine's file holds, or None."""
    try:
        return Head.parse(head_file().read_text())
    except (OSError, ValueError):
        return None


def keep_head(head: Head) -> None:
    """Write the file; a container without a writable folder has the log and /metrics alone."""
    draft = head_file().with_suffix(".part")
    try:
        draft.write_text(f"{head}\n")
        draft.replace(head_file())
    except OSError:
        return


def head_file() -> Path:
    """Named after the key, which is each installation's own: several may share a folder."""
    return Path(settings.VAR_DIR) / f"audit-head-{secret_store.digest('audit-head', '')[:12]}"


def holds(head: Head) -> bool:
    """Whether the chain still has this link as it was, or has swept it for its age."""
    floor = newest_sweep()
    if floor is not None and head.number <= (floor.swept_number or 0):
        return mac_of(floor) == floor.mac
    return AuditSeal.objects.filter(number=head.number, mac=head.mac).exists()


def _append(last: AuditSeal | None, now: datetime, **fields: Any) -> AuditSeal | None:
    """The next link; None where another process has just appended one."""
    link = AuditSeal(number=last.number + 1 if last else 1, previous=last.mac if last else "", sealed_at=now, **fields)
    link.mac = mac_of(link)
    try:
        with transaction.atomic():
            link.save(force_insert=True)
    except IntegrityError:
        return None
    log.info(
        "audit sealed",
        number=link.number,
        last_id=link.last_id,
        count=len(link.events) // (8 + DIGEST_BYTES),
        mac=link.mac,
    )
    return link


def _keep(head: Head, now: datetime) -> None:
    """Keep the new head, unless the one kept before is gone from the chain: then that file is the evidence."""
    before = kept_head()
    if before is not None and not holds(before):
        log.error("audit chain was cut", kept=str(before), kept_in=head_file().name)
        return
    keep_head(head)


def _as_text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds")
    return str(value)
