"""Ids are given out before a transaction commits: an event that commits late is sealed with its neighbours, not missed."""

import time
from datetime import timedelta

import psycopg
import pytest
from django.db import connection
from django.utils import timezone

from identity.flows import audit, audit_seals
from identity.flows.audit_verifier import Verifier
from identity.models import AuditEvent, AuditSeal
from tests.support.databases import named

pytestmark = [pytest.mark.postgresql_only, pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

INSERT = """
INSERT INTO identity_auditevent (at, event, outcome, reason, actor_name, username, client_id, authenticator, address,
    request_ref, trace_id, detail)
VALUES (now(), 'sign_in.completed', 'success', '', '', '', '', '', '', '', '', '{}') RETURNING id
"""


def settled(newest: int) -> int:
    """Once it is `newest`. Transactions of other databases are waited for as well, such as those of other tests."""
    deadline = time.monotonic() + 150
    while (found := audit_seals.settled_id()) < newest and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def test_an_event_that_commits_late_is_waited_for(settings: object) -> None:
    database = connection.settings_dict
    url = f"postgresql://{database['USER']}:{database['PASSWORD']}@{database['HOST']}:{database['PORT']}/"
    now = timezone.now()
    with psycopg.connect(named(url, str(database["NAME"]))) as late:
        row = late.execute(INSERT).fetchone()
        assert row
        audit.record("sign_in.completed")
        newest = AuditEvent.objects.latest("id").pk
        assert row[0] < newest, "it has the lower id and is not there yet"
        assert audit_seals.settled_id() == 0, "noted"
        assert audit_seals.settled_id() == 0, "and not settled while it may still come"
        late.commit()
    assert settled(newest) == newest
    assert audit_seals.seal(newest, now) == 1
    assert bytes(AuditSeal.objects.get().events)[:8] == row[0].to_bytes(8, "big")
    assert list(Verifier(now).findings()) == []


def test_a_gap_that_a_rollback_leaves_is_nothing() -> None:
    database, now = connection.settings_dict, timezone.now()
    url = f"postgresql://{database['USER']}:{database['PASSWORD']}@{database['HOST']}:{database['PORT']}/"
    audit.record("sign_in.completed")
    with psycopg.connect(named(url, str(database["NAME"]))) as taken_back:
        taken_back.execute(INSERT)
        taken_back.rollback()
    audit.record("sign_in.completed")
    ids = list(AuditEvent.objects.order_by("id").values_list("id", flat=True))
    assert ids[1] - ids[0] == 2
    assert audit_seals.seal(settled(ids[1]), now) == 1
    assert list(Verifier(now + timedelta(days=1)).findings()) == []
