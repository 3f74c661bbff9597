"""Whether the audit trail still is what was sealed: each event, each link of the chain, and its newest link."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from identity.flows import audit_seals
from identity.flows.audit_seals import COLUMNS, DIGEST_BYTES, Head
from identity.models import AuditEvent, AuditSeal

# Sealing lags by a minute or two; past this it stands, or somebody dates events back.
SEALED_WITHIN = timedelta(minutes=15)
_ENTRY_BYTES = 8 + DIGEST_BYTES
# Below every id: sequences begin at 1, but whoever puts events in need not.
_LEAST_ID = -(2**63)


@dataclass(frozen=True, slots=True)
class Finding:
    """`kind` is edited, missing, inserted (events); chain (links); or unsealed."""

    kind: str
    text: str


@dataclass(slots=True)
class Verifier:
    """Walks the chain once. After `findings`, the counts say what was looked at, and `head` where the chain ends."""

    now: datetime
    links: int = 0
    events: int = 0
    head: Head | None = None
    # None: the link before is missing, and with it the knowledge of what lay between.
    last_id: int | None = _LEAST_ID

    def findings(self, heads: Iterable[Head] = ()) -> Iterator[Finding]:
        """Everything that is not as it was sealed; `heads` are links that once were the newest."""
        number, previous = 0, ""
        floor = audit_seals.newest_sweep()
        if floor is not None and audit_seals.mac_of(floor) == floor.mac:
            number, previous, self.last_id = floor.swept_number or 0, floor.swept_mac, floor.swept_id or 0
        for link in AuditSeal.objects.filter(number__gt=number).order_by("number").iterator(chunk_size=50):
            if link.number != number + 1:
                yield Finding("chain", f"links {number + 1} to {link.number - 1} are missing")
                self.last_id = None
            elif link.previous != previous:
                yield Finding("chain", f"link {link.number} does not follow link {number}")
            yield from self._look_at(link)
            number, previous = link.number, link.mac
            self.links, self.head, self.last_id = self.links + 1, Head(link.number, link.mac), link.last_id
        yield from self._unsealed()
        for head in heads:
            if not audit_seals.holds(head):
                yield Finding("chain", f"link {head.number} was the newest once, and is gone or another one")

    def _look_at(self, link: AuditSeal) -> Iterator[Finding]:
        if audit_seals.mac_of(link) != link.mac:
            yield Finding("chain", f"link {link.number} was edited, or not sealed by this installation")
            return
        entries = bytes(link.events)
        sealed = {
            int.from_bytes(entries[at : at + 8], "big", signed=True): entries[at : at + _ENTRY_BYTES]
            for at in range(0, len(entries), _ENTRY_BYTES)
        }
        after = min(sealed, default=link.last_id + 1) - 1 if self.last_id is None else self.last_id
        rows = AuditEvent.objects.filter(id__gt=after, id__lte=link.last_id).order_by("id").values_list(*COLUMNS)
        found = {row[0]: audit_seals.entry(row) for row in rows}
        self.events += len(found)
        for key in sorted(sealed.keys() | found.keys()):
            if key not in found:
                yield Finding("missing", f"event {key}, sealed by link {link.number}")
            elif key not in sealed:
                yield Finding("inserted", f"event {key}, after link {link.number} had sealed its neighbours")
            elif sealed[key] != found[key]:
                yield Finding("edited", f"event {key}, sealed by link {link.number}")

    def _unsealed(self) -> Iterator[Finding]:
        oldest = AuditEvent.objects.filter(id__gt=self.last_id or 0).order_by("id").first()
        if oldest is not None and oldest.at < self.now - SEALED_WITHIN:
            since = f"event {oldest.pk} of {oldest.at:%Y-%m-%d %H:%M} UTC"
            yield Finding("unsealed", f"everything from {since} on: the sweep stands, or events are dated back")
