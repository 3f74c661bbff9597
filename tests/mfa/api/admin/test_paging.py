"""Lists while rows come and go, and lists of a large installation: nothing twice, nothing left out, nothing counted."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core import signing
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from identity.models import AuditEvent, Group, Session, User
from mfa.api.admin import paging
from mfa.models import Delivery, KeyRotation
from tests.factories import enrol_app, make_client
from tests.mfa.admin.test_growth import nodes, plans, without_reading_through
from tests.mfa.api.admin.conftest import MakeUser, Program

pytestmark = pytest.mark.django_db


def deliver(user: User, number: int, state: str, now: datetime) -> Delivery:
    at = now - timedelta(minutes=number)
    return Delivery.objects.create(
        user=user,
        kind=2,
        template="sign_in_code",
        destination="canary@mail.example",
        state=state,
        created_at=at,
        next_attempt_at=at,
        finished_at=None if state == "waiting" else at,
    )


def test_who_comes_meanwhile_pushes_nobody_out_and_nobody_in_twice(make_user: MakeUser, owner: Program) -> None:
    there = [f"m{number:02}" for number in range(12)]
    for name in there:
        make_user(name)
    seen, cursor = [], ""
    for turn in range(100):
        page = owner.get("people", limit=3, **({"cursor": cursor} if cursor else {}))
        seen += [row["username"] for row in page["results"]]
        # Before, between and behind; and one of those that have been shown goes.
        for name in (f"a{turn:02}", f"m{turn:02}b", f"z{turn:02}"):
            make_user(name)
        if turn == 1:
            User.objects.filter(username="m00").delete()
        cursor = page["next_cursor"] or ""
        if not cursor or len(seen) > 60:
            break
    assert [name for name in seen if name in there] == there
    assert len(seen) == len(set(seen))
    assert seen == sorted(seen)


def test_events_that_come_meanwhile_push_nothing_on(owner: Program) -> None:
    now = timezone.now()
    first = [AuditEvent.objects.create(at=now, event="x.y", outcome="success").pk for _ in range(9)]
    seen, cursor = [], ""
    while True:
        page = owner.get("audit-events", event="x.y", limit=2, **({"cursor": cursor} if cursor else {}))
        seen += [row["id"] for row in page["results"]]
        AuditEvent.objects.create(at=now, event="x.y", outcome="success")
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == first[::-1]


def test_rows_of_one_instant_are_each_shown_once(make_user: MakeUser, owner: Program) -> None:
    now, person = timezone.now(), make_user("target")
    for number in (0, 0, 0, 1, 1):
        deliver(person, number, "sent", now)
        deliver(person, number, "waiting", now)
    over = owner.every("deliveries", limit=1)
    waiting = owner.every("deliveries", state="waiting", limit=2)
    of_the_person = owner.every("deliveries", subject=str(person.subject), limit=3)
    assert len({row["id"] for row in over}) == len(over) == 5
    assert len({row["id"] for row in waiting}) == len(waiting) == 5
    assert len({row["id"] for row in of_the_person}) == len(of_the_person) == 10
    assert [row["finished_at"] for row in over] == sorted((row["finished_at"] for row in over), reverse=True)
    assert [row["next_attempt_at"] for row in waiting] == sorted(row["next_attempt_at"] for row in waiting)


def test_a_cursor_serves_its_own_list_and_is_not_to_be_made(make_user: MakeUser, owner: Program) -> None:
    for number in range(3):
        make_user(f"person {number}")
    cursor = owner.get("people", limit=1)["next_cursor"]
    assert owner.call("get", "people", cursor=cursor)[0] == 200
    assert owner.call("get", "clients", cursor=cursor)[0] == 400
    assert owner.call("get", "people", cursor=f"{cursor}x")[0] == 400
    own = signing.dumps(["\x00"], key="a key of my own", salt="api.admin.people")
    status, document = owner.call("get", "people", cursor=own)
    assert (status, document["detail"]) == (400, "The cursor is none of this list's.")


def test_the_last_page_has_no_cursor_even_where_it_is_full(make_user: MakeUser, owner: Program) -> None:
    make_user("one")
    page = owner.get("people", limit=2)
    assert len(page["results"]) == 2
    assert page["next_cursor"] is None


def test_a_filter_without_an_index_looks_through_so_many_a_page_and_finds_all(
    make_user: MakeUser, owner: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "REACH", 5)
    people = [make_user(f"m{number:02}") for number in range(23)]
    for number in (0, 7, 8, 22):
        enrol_app(people[number])
    pages, cursor = [], ""
    while True:
        page = owner.get("people", enrolled="true", **({"cursor": cursor} if cursor else {}))
        pages.append([row["username"] for row in page["results"]])
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert pages == [["m00"], ["m07", "m08"], [], [], ["m22"]]
    assert [row["username"] for row in owner.every("people", enrolled="true", limit=1)] == ["m00", "m07", "m08", "m22"]
    assert len(owner.every("people", enrolled="false", limit=3)) == 20

    now = timezone.now()
    for number in range(17):
        AuditEvent.objects.create(at=now, event="x.y", outcome="success", address=f"198.51.100.{number}")
    assert len(owner.every("audit-events", search="198.51.100.1")) == 8
    assert owner.get("audit-events", search="198.51.100.0")["results"] == []
    assert [row["address"] for row in owner.every("audit-events", search="198.51.100.0", event="x.y")] == [
        "198.51.100.0"
    ]
    assert owner.every("audit-events", search="198.51.100.0", event="x.z") == []


LISTS: list[tuple[str, dict[str, str], str, str]] = [
    ("people", {}, "identity_user", "identity_user_username_key_"),
    ("people", {"search": "m0"}, "identity_user", "identity_user_username_key_"),
    ("people", {"locked": "true"}, "identity_user", "user_locked"),
    ("people", {"enabled": "false"}, "identity_user", "user_disabled"),
    ("people", {"approved": "false"}, "identity_user", "user_not_approved"),
    ("people", {"role": "owner"}, "identity_user", "user_with_a_role"),
    ("people", {"enrolled": "false"}, "identity_user", "authenticator_of_user"),
    ("people", {"signed_in": "1"}, "identity_user", "identity_user_username_key_"),
    ("audit-events", {}, "identity_auditevent", "identity_auditevent_pkey"),
    ("audit-events", {"search": "x"}, "identity_auditevent", "identity_auditevent_pkey"),
    ("audit-events", {"event": "x.y"}, "identity_auditevent", "audit_of_kind"),
    ("audit-events", {"subject": "?"}, "identity_auditevent", "audit_of_user"),
    ("deliveries", {}, "mfa_delivery", "delivery_finished"),
    ("deliveries", {"state": "failed"}, "mfa_delivery", "delivery_finished"),
    ("deliveries", {"state": "waiting"}, "mfa_delivery", "delivery_waiting"),
    ("deliveries", {"subject": "?"}, "mfa_delivery", "mfa_delivery_user_id"),
]


@pytest.mark.postgresql_only
@pytest.mark.parametrize("behind", [False, True], ids=["first page", "behind a cursor"])
def test_each_list_is_found_by_an_index_counts_nothing_and_ends_soon(
    behind: bool, make_user: MakeUser, owner: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "REACH", 50)
    now, person = timezone.now(), make_user("m000")
    User.objects.bulk_create(
        User(
            username=f"m{number:03}",
            username_key=f"m{number:03}",
            is_active=number % 2 == 0,
            is_approved=number % 3 == 0,
            admin_role=40 if number % 5 == 0 else 0,
            locked_by_administrator_at=now if number % 7 == 0 else None,
            last_login=now,
        )
        for number in range(1, 200)
    )
    AuditEvent.objects.bulk_create(
        AuditEvent(
            at=now,
            event=f"x.{'y' if number % 40 == 0 else 'z'}",
            outcome="success",
            user_id=person.pk if number % 40 == 1 else None,
            username="xx",
        )
        for number in range(2000)
    )
    for number in range(120):
        deliver(person, number, ("waiting", "failed", "sent")[number % 3], now)
    with connection.cursor() as cursor:
        for table in ("identity_user", "identity_auditevent", "mfa_delivery"):
            cursor.execute(f"ANALYZE {table}")
    without_reading_through()
    for path, query, table, index in LISTS:
        asked = {name: str(person.subject) if value == "?" else value for name, value in query.items()}
        if behind:
            asked["cursor"] = owner.get(path, **asked, limit=1)["next_cursor"]
        with CaptureQueriesContext(connection) as queries:
            owner.get(path, **asked, limit=2)
        found = plans([each["sql"] for each in queries.captured_queries])
        keys = {sql: plan for sql, plan in found.items() if sql.endswith(" LIMIT 3") and f'"{table}"' in sql}
        assert len(keys) == 1, (path, query)
        indexes = [node.get("Index Name", "") for plan in keys.values() for node in nodes(plan)]
        assert any(name.startswith(index) for name in indexes), (path, query, keys)
        for sql, plan in found.items():
            assert "COUNT(" not in sql
            whole = [node for node in nodes(plan) if node["Node Type"] == "Seq Scan"]
            assert table not in [node["Relation Name"] for node in whole], (path, query, plan)


def test_a_page_costs_as_many_statements_however_far_it_is(make_user: MakeUser, owner: Program) -> None:
    for number in range(30):
        make_user(f"m{number:02}")

    def cost(**query: Any) -> tuple[int, str]:
        with CaptureQueriesContext(connection) as queries:
            cursor = owner.get("people", limit=5, **query)["next_cursor"]
        return len(queries), cursor

    first, cursor = cost()
    costs = {first}
    for _ in range(4):
        number, cursor = cost(cursor=cursor)
        costs.add(number)
    assert costs == {first}


def one_more(path: str, number: int, person: User) -> None:
    """A row more in the list, with everything that is shown of it."""
    now = timezone.now()
    client = make_client(mfa={"mode": "required"})
    if path == "people":
        other = User.objects.create(username=f"n{number}")
        enrol_app(other)
        other.groups.add(Group.objects.create(name=f"of people {number}"))
    elif path == "groups":
        Group.objects.create(name=f"group {number}").clients.add(client)
    elif path == "audit-events":
        AuditEvent.objects.create(at=now, event="x.y", outcome="success", user_id=person.pk)
    elif path == "deliveries":
        deliver(User.objects.create(username=f"n{number}"), number, "sent", now)
    elif path == "key-rotations":
        KeyRotation.objects.create(under="k", state="finished", begun_at=now, total=1)
    elif path.endswith("sessions"):
        Session.objects.create(user=person, client=client, auth_time=now, amr="pwd otp mfa", acr="2", last_used_at=now)
    elif path.endswith("authenticators"):
        enrol_app(person)
    else:
        assert path in ("clients", "policies")  # The client and its policy are the row.


@pytest.mark.parametrize(
    "path",
    [
        *("people", "groups", "clients", "policies", "audit-events", "deliveries", "key-rotations"),
        *("people/{subject}/sessions", "people/{subject}/authenticators"),
    ],
)
def test_no_list_asks_more_often_the_more_it_holds(path: str, make_user: MakeUser, owner: Program) -> None:
    person = make_user("target")
    filled = path.format(subject=person.subject)

    def statements() -> tuple[int, int]:
        with CaptureQueriesContext(connection) as queries:
            document = owner.get(filled)
        return len(queries), len(document if isinstance(document, list) else document["results"])

    one_more(path, 0, person)
    few, before = statements()
    for number in range(1, 8):
        one_more(path, number, person)
    asked, rows = statements()
    assert rows == before + 7
    assert asked == few <= 8
