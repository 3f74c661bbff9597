"""Whoever holds the database can change the audit trail, and the verifier says what he did (ATTACKS A72)."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from identity.flows import audit, audit_seals
from identity.flows.audit_verifier import Verifier
from identity.models import AuditEvent, AuditSeal
from mfa.flows import cleanup
from tests.support.ceremony import a_user

pytestmark = pytest.mark.django_db

EVENTS, BLOCK = 10, 4


@contextmanager
def as_who_administers_the_database() -> Iterator[Any]:
    """A cursor past the triggers: PostgreSQL's superuser leaves them out, on SQLite they are dropped and made again."""
    guards: list[tuple[str, str]] = []
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL session_replication_role = replica")
        else:
            guards = cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
            for name, _ in guards:
                cursor.execute(f'DROP TRIGGER "{name}"')
        yield cursor
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL session_replication_role = origin")
        for _, statement in guards:
            cursor.execute(statement)


@pytest.fixture(autouse=True)
def var(settings: Any, tmp_path: Path) -> Path:
    settings.VAR_DIR = tmp_path
    return tmp_path


@pytest.fixture
def trail(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Ten events under three links; their ids."""
    monkeypatch.setattr(audit_seals, "BLOCK", BLOCK)
    user = a_user(username="Żółć")
    for number in range(EVENTS):
        audit.record(
            "sign_in.completed", user=user, address="198.51.100.7", detail={"n": number, "amr": ["pwd", "otp"]}
        )
    ids = list(AuditEvent.objects.order_by("id").values_list("id", flat=True))
    assert audit_seals.seal(ids[-1], timezone.now()) == 3
    return ids


def found(*heads: audit_seals.Head, later: timedelta = timedelta(0)) -> list[tuple[str, str]]:
    return [(finding.kind, finding.text) for finding in Verifier(timezone.now() + later).findings(heads)]


def head() -> audit_seals.Head:
    newest = audit_seals.newest()
    assert newest
    return audit_seals.Head(newest.number, newest.mac)


def test_a_trail_that_nobody_touched_verifies(trail: list[int]) -> None:
    verifier = Verifier(timezone.now())
    assert list(verifier.findings([head()])) == []
    assert (verifier.links, verifier.events) == (3, EVENTS)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("address", "'203.0.113.1'"), ("outcome", "'refused'"), ("username", "'nobody'"), ("user_id", "NULL"),
        ("at", "'2001-01-01 00:00:00+00:00'"), ("detail", "'{\"n\": 3, \"amr\": [\"pwd\"]}'"),
        ("subject", "NULL"), ("actor_name", "'x'"), ("reason", "'x'"), ("event", "'x'"), ("client_id", "'x'"),
        ("authenticator", "'x'"), ("request_ref", "'x'"), ("trace_id", "'x'"), ("actor_subject", "subject"),
    ],
)  # fmt: skip
def test_an_edit_of_any_column_is_seen(column: str, value: str, trail: list[int]) -> None:
    with as_who_administers_the_database() as cursor:
        cursor.execute(f"UPDATE identity_auditevent SET {column} = {value} WHERE id = %s", [trail[3]])  # noqa: S608
    assert found() == [("edited", f"event {trail[3]}, sealed by link 1")]


def test_every_column_of_an_event_is_sealed() -> None:
    """A new one has to be put there, or edits of it would go unseen."""
    assert set(audit_seals.COLUMNS) == {field.attname for field in AuditEvent._meta.fields}


def test_a_deleted_event_is_seen(trail: list[int]) -> None:
    with as_who_administers_the_database() as cursor:
        cursor.execute("DELETE FROM identity_auditevent WHERE id IN (%s, %s)", [trail[0], trail[5]])
    assert found() == [
        ("missing", f"event {trail[0]}, sealed by link 1"),
        ("missing", f"event {trail[5]}, sealed by link 2"),
    ]


def test_an_event_put_between_others_is_seen(trail: list[int]) -> None:
    with as_who_administers_the_database() as cursor:
        cursor.execute("DELETE FROM identity_auditevent WHERE id = %s", [trail[5]])
    gap = trail[5]
    AuditEvent.objects.create(id=gap, at=timezone.now(), event="sign_in.completed", outcome="success")
    assert found() == [("edited", f"event {gap}, sealed by link 2")]
    before = trail[0] - 1
    AuditEvent.objects.create(id=before, at=timezone.now(), event="sign_in.completed", outcome="success")
    assert ("inserted", f"event {before}, after link 1 had sealed its neighbours") in found()


def test_deleting_the_newest_with_their_seals_is_seen_by_an_earlier_head(trail: list[int]) -> None:
    once = head()
    with as_who_administers_the_database() as cursor:
        cursor.execute("DELETE FROM identity_auditevent WHERE id > %s", [trail[7]])
        cursor.execute("DELETE FROM identity_auditseal WHERE number = 3")
    assert found() == [], "the chain alone cannot tell"
    gone = ("chain", "link 3 was the newest once, and is gone or another one")
    assert found(once) == [gone]
    # What happens afterwards is sealed, and covers nothing up.
    audit.record("sign_in.completed")
    newest = AuditEvent.objects.latest("id")
    assert audit_seals.seal(newest.pk, timezone.now()) == 1
    assert head().number == 3
    assert found(once) == [gone]


def test_the_head_is_kept_in_a_file_that_a_cut_chain_does_not_write_over(
    trail: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    once = head()
    assert audit_seals.head_file().read_text() == f"{once}\n"
    with as_who_administers_the_database() as cursor:
        cursor.execute("DELETE FROM identity_auditevent WHERE id > %s", [trail[7]])
        cursor.execute("DELETE FROM identity_auditseal WHERE number = 3")
    audit.record("sign_in.completed")
    audit_seals.seal(AuditEvent.objects.latest("id").pk, timezone.now())
    assert audit_seals.head_file().read_text() == f"{once}\n"
    with pytest.raises(CommandError):
        call_command("verify_audit")
    assert "link 3 was the newest once" in capsys.readouterr().out
    call_command("verify_audit", "--accept")
    call_command("verify_audit")
    assert audit_seals.head_file().read_text() == f"{head()}\n"


def test_links_that_are_edited_moved_or_missing_are_seen(trail: list[int]) -> None:
    for statement, kind in (
        ("UPDATE identity_auditseal SET mac = 'x' WHERE number = 2", "link 2 was edited"),
        ("UPDATE identity_auditseal SET previous = '' WHERE number = 2", "link 2 does not follow link 1"),
        ("UPDATE identity_auditseal SET last_id = last_id - 1 WHERE number = 2", "link 2 was edited"),
        ("DELETE FROM identity_auditseal WHERE number = 2", "links 2 to 2 are missing"),
        ("DELETE FROM identity_auditseal WHERE number = 1", "links 1 to 1 are missing"),
    ):
        with as_who_administers_the_database() as cursor, transaction.atomic():
            cursor.execute(statement)
            seen = found()
            transaction.set_rollback(True)
        assert any(text.startswith(kind) for _, text in seen), (statement, seen)
        assert {kind for kind, _ in seen} <= {"chain", "inserted"}, seen
    assert found() == []


def test_a_seal_by_somebody_without_the_key_is_seen(trail: list[int]) -> None:
    """He may compute every digest but the keyed one."""
    last = AuditSeal.objects.latest("number")
    with as_who_administers_the_database() as cursor:
        cursor.execute("UPDATE identity_auditevent SET address = '203.0.113.1' WHERE id = %s", [trail[-1]])
        rows = list(AuditEvent.objects.filter(id__gt=trail[7]).order_by("id").values_list(*audit_seals.COLUMNS))
        AuditSeal.objects.filter(pk=last.pk).update(events=b"".join(map(audit_seals.entry, rows)))
    assert found() == [("chain", "link 3 was edited, or not sealed by this installation")]


def test_events_that_nothing_seals_are_reported_after_a_while(trail: list[int]) -> None:
    audit.record("sign_in.completed")
    assert found() == []
    (finding,) = found(later=timedelta(minutes=16))
    assert finding[0] == "unsealed"


def test_the_application_itself_can_neither_edit_nor_delete(trail: list[int]) -> None:
    for act in (
        lambda: AuditEvent.objects.filter(pk=trail[0]).update(address="x"),
        lambda: AuditEvent.objects.filter(pk=trail[0]).delete(),
        lambda: AuditSeal.objects.filter(number=1).update(mac="x"),
        lambda: AuditSeal.objects.filter(number=1).delete(),
    ):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            act()
    assert found() == []


def test_retention_sweeps_old_events_and_leaves_a_chain_that_verifies(trail: list[int], settings: Any) -> None:
    once, now = head(), timezone.now()
    settings.AUDIT_RETENTION_DAYS = 30
    cleanup.clean_up(now + timedelta(days=29))
    assert AuditEvent.objects.count() == EVENTS
    later = now + timedelta(days=32)
    audit.record("sign_in.completed")
    young = AuditEvent.objects.latest("id")
    audit_seals.seal(young.pk, later)
    assert cleanup.clean_up(later)["identity_auditevent"] == EVENTS
    assert list(AuditEvent.objects.all()) == [young]
    assert list(AuditSeal.objects.values_list("number", "swept_number")) == [(4, None), (5, 3)]
    assert cleanup.clean_up(later) == {}
    assert found(once, head()) == []
    with as_who_administers_the_database() as cursor:
        cursor.execute("UPDATE identity_auditevent SET address = 'x' WHERE id = %s", [young.pk])
    assert found() == [("edited", f"event {young.pk}, sealed by link 4")]


def test_retention_is_bounded_and_goes_on_later(
    trail: list[int], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.AUDIT_RETENTION_DAYS, later = 1, timezone.now() + timedelta(days=3)
    monkeypatch.setattr(audit_seals, "_DELETED_AT_ONCE", 3)
    assert audit_seals.sweep(later, seconds=0) == {}
    assert AuditEvent.objects.count() == EVENTS
    assert found() == [], "what is said to be swept may be there still"
    assert audit_seals.sweep(later, seconds=60) == {"identity_auditevent": EVENTS, "identity_auditseal": 3}


def test_nothing_is_swept_by_default_before_400_days_and_never_with_0(trail: list[int], settings: Any) -> None:
    assert settings.AUDIT_RETENTION_DAYS == 400
    assert audit_seals.sweep(timezone.now() + timedelta(days=399), seconds=60) == {}
    settings.AUDIT_RETENTION_DAYS = 0
    assert audit_seals.sweep(timezone.now() + timedelta(days=4000), seconds=60) == {}


def test_a_forged_sweep_neither_deletes_nor_hides(trail: list[int]) -> None:
    AuditSeal.objects.create(
        number=4, sealed_at=timezone.now(), last_id=trail[-1], events=b"", previous=head().mac, mac="0" * 64,
        swept_number=3, swept_id=trail[-1], swept_mac=head().mac,
    )  # fmt: skip
    assert audit_seals.sweep(timezone.now(), seconds=60) == {}
    assert AuditEvent.objects.count() == EVENTS
    assert found() == [("chain", "link 4 was edited, or not sealed by this installation")]


def test_a_sweep_seals_what_is_settled(settings: Any) -> None:
    """Within a test's transaction PostgreSQL has nothing settled; SQLite has one writer."""
    audit.record("sign_in.completed")
    now: datetime = timezone.now()
    audit_seals.seal_when_due(now)
    audit_seals.seal_when_due(now)
    assert AuditSeal.objects.count() == (0 if connection.vendor == "postgresql" else 1)


@pytest.mark.postgresql_only
def test_a_note_of_another_database_is_forgotten() -> None:
    """Redis may outlive the database: one that is restored elsewhere counts its transactions from the beginning."""
    cache.set("stepward:audit-horizon", (10**9, 10**15), timeout=None)
    audit.record("sign_in.completed")
    assert audit_seals.settled_id() == 0, "ids of another database say nothing about this one"
    newest, next_transaction = cache.get("stepward:audit-horizon")
    assert newest == AuditEvent.objects.latest("id").pk
    assert next_transaction < 10**15
    cache.set("stepward:audit-horizon", (newest, 1), timeout=None)
    assert audit_seals.settled_id() == newest
