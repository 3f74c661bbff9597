"""Large installations: no list counts or reads all, and every lookup of a sign-in goes by an index."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from identity.models import User
from identity.models.user import AdminRole
from mfa.admin import state
from mfa.models.authenticator import Authenticator
from tests.factories import enrol_app, make_client, sign_in_client
from tests.factories import make_user as account
from tests.mfa.admin.conftest import MakeUser, SignIn

pytestmark = pytest.mark.django_db
USERS = "/admin/identity/user/"
PEOPLE = state.COUNTED + 500
BIG = (
    *("identity_user", "identity_session", "identity_refreshtoken", "identity_passwordtries", "identity_user_groups"),
    *("mfa_authenticator", "mfa_authenticationrequest", "mfa_enrolment", "mfa_datakey", "mfa_challenge"),
)
on_postgresql = pytest.mark.postgresql_only


def plans(statements: list[str]) -> dict[str, Any]:
    """How PostgreSQL would carry out each of them, but for those that only begin and end transactions."""
    found = {}
    with connection.cursor() as cursor:
        for statement in statements:
            if not statement.startswith(("SAVEPOINT ", "RELEASE SAVEPOINT ")):
                cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}")
                [(given,)] = cursor.fetchall()
                found[statement] = (json.loads(given) if isinstance(given, str) else given)[0]["Plan"]
    return found


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A plan and all below it, with those of each `WITH` and each subquery."""
    yield plan
    for each in plan.get("Plans", []):
        yield from nodes(each)


def reads_all(node: dict[str, Any]) -> bool:
    """Whether it goes through a table or, looking for nothing in it, through an index that holds every row."""
    kind = node["Node Type"]
    if kind == "Seq Scan":
        return True
    return "Index" in kind and "Index Cond" not in node and node.get("Index Name") not in _partial_indexes()


def _partial_indexes() -> set[str]:
    """Indexes of a few rows, such as those of what is pending: to go through one of them is to find these rows."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexrelid::regclass::text FROM pg_index WHERE indpred IS NOT NULL")
        return {str(name).strip('"') for (name,) in cursor.fetchall()}


def read_through(plan: dict[str, Any]) -> list[str]:
    """The big tables that are."""
    found = []
    for node in nodes(plan):
        if node.get("Relation Name") in BIG and any(map(reads_all, [node, *_bitmaps(node)])):
            found.append(node["Relation Name"])
    return found


def _bitmaps(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Where a scan by bitmap has its rows from."""
    if node["Node Type"].startswith("Bitmap"):
        for each in node.get("Plans", []):
            yield each
            yield from _bitmaps(each)


def without_reading_through() -> None:
    """The big tables are planned for as PostgreSQL does for new ones, of which it expects ten pages.

    Where autovacuum has noted that there are two rows, to go through all of an index is as good as to look in it.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SELECT usesuper FROM pg_user WHERE usename = current_user")
        if cursor.fetchone() == (True,):  # On a server of one's own the role may be less; it takes what is noted there.
            cursor.execute("ANALYZE")  # As autovacuum may have, at any moment.
            cursor.execute("SELECT array_agg(oid) FROM pg_class WHERE relname = ANY(%s)", [list(BIG)])
            [tables] = cursor.fetchone()
            cursor.execute("DELETE FROM pg_statistic WHERE starelid = ANY(%s)", [tables])
            cursor.execute("UPDATE pg_class SET relpages = 0, reltuples = -1 WHERE oid = ANY(%s)", [tables])


def captured(act: Any) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        act()
    return [query["sql"] for query in queries.captured_queries]


@on_postgresql
def test_no_lookup_of_a_ceremony_reads_a_whole_table() -> None:
    """Where a table may not be read through, each statement still finds an index for what it looks for."""
    person, newcomer = account(), account()
    phone, client = enrol_app(person), sign_in_client(person)
    confidential = sign_in_client(newcomer, make_client(mfa={"mode": "required"}))

    def ceremonies() -> None:
        due = client.password_step(scope="VGToken offline_access")
        given = client.code_step(due, phone.code()).document
        client.refresh(given["refresh_token"])
        client.code_step(client.password_step(), phone.wrong_code())
        client.password_step(Password="wrong")
        confidential.enrol_app(confidential.password_step().request_id)

    statements = captured(ceremonies)
    without_reading_through()
    found = plans(statements)
    assert len(found) > 20
    assert not [(text, tables) for text, plan in found.items() if (tables := read_through(plan))]
    # Several statements in one are looked into part by part: each has a plan of its own in that of the whole.
    combined = {text: plan for text, plan in found.items() if text.lstrip().startswith("WITH ")}
    assert len(combined) > 6
    for text, plan in combined.items():
        parts = set(re.findall(r"\b(\w+) AS \((?=\s*(?:INSERT|UPDATE|DELETE)\b)", text))
        assert parts
        assert parts <= {node["Subplan Name"].removeprefix("CTE ") for node in nodes(plan) if "Subplan Name" in node}
    changed = {node["Relation Name"] for plan in combined.values() for node in nodes(plan) if "Operation" in node}
    assert {"mfa_authenticationrequest", "mfa_authenticator", "mfa_enrolment", "identity_user"} <= changed


@on_postgresql
@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM mfa_enrolment WHERE failures = 3",
        "WITH s0 AS (UPDATE mfa_enrolment SET failures = 1 WHERE failures = 3 RETURNING 1), "
        "s1 AS (UPDATE identity_user SET language = '' WHERE id = 1 RETURNING 1) SELECT (SELECT count(*) FROM s1)",
        "SELECT 1 WHERE EXISTS (SELECT 1 FROM mfa_enrolment WHERE failures = 3)",
        "SELECT * FROM mfa_enrolment WHERE failures = 3 ORDER BY id LIMIT 1",
    ],
    ids=["read", "a part of several", "a subquery", "the whole index"],
)
def test_what_reads_a_whole_table_is_seen(statement: str) -> None:
    without_reading_through()
    [plan] = plans([statement]).values()
    assert read_through(plan) == ["mfa_enrolment"]


@pytest.fixture
def _many() -> None:
    """One in ten holds no app; every thousandth is an exception of each kind."""
    now = timezone.now()
    User.objects.bulk_create(
        [
            User(
                username=f"Person{number:05}",
                username_key=f"person{number:05}",
                email=f"Person{number:05}@example.org",
                mobile_phone=f"+336{number:08}",
                is_active=number % 1000 != 1,
                is_approved=number % 1000 != 2,
                locked_by_administrator_at=now if number % 1000 == 3 else None,
            )
            for number in range(PEOPLE)
        ],
        batch_size=1000,
    )
    Authenticator.objects.bulk_create(
        [
            Authenticator(user_id=pk, kind=4, sealed_secret=b"x", created_at=now, confirmed_at=now)
            for pk in User.objects.exclude(username_key__endswith="0").values_list("pk", flat=True)
        ],
        batch_size=1000,
    )
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            for table in ("identity_user", "mfa_authenticator", "identity_passwordtries"):
                cursor.execute(f"ANALYZE {table}")


@pytest.mark.usefixtures("_many")
def test_a_large_list_shows_the_first_thousand_counts_nothing_and_estimates_at_a_glance(
    make_user: MakeUser, sign_in: SignIn
) -> None:
    browser = sign_in(make_user("owner", AdminRole.OWNER))
    asked: list[dict[str, str]] = [
        *({}, {"p": "20"}, {"q": "person0"}, {"enrolled": "no"}, {"enrolled": "yes"}, {"required": "yes"}),
        *({"locked": "no"}, {"pending": "no"}, {"signed_in": "never"}, {"enabled": "yes"}, {"role": "0"}),
    ]
    for query in asked:
        with CaptureQueriesContext(connection) as queries:
            page = browser.get(USERS, query)
        assert "The first 1000" in page.content.decode(), query
        assert len(page.context["cl"].result_list) == 50
        of_people = [each["sql"] for each in queries.captured_queries if 'FROM "identity_user"' in each["sql"]]
        assert len(queries) < 20
        assert not [sql for sql in of_people if "COUNT(" in sql]
        assert all("LIMIT" in sql or '"id" IN (' in sql or '."id" = ' in sql for sql in of_people), query
    assert browser.get(USERS, {"p": "21"}).status_code == 302
    assert [row.username for row in browser.get(USERS, {"q": "PERSON00017@"}).context["cl"].result_list] == [
        "Person00017"
    ]
    headers = browser.get(USERS).content.decode()
    assert "o=0" in headers
    assert "o=1" not in headers
    glance = browser.get("/admin/").context["glance"]
    assert glance.people == PEOPLE + 1
    assert glance.is_estimate
    assert abs(glance.enrolled - PEOPLE * 0.9) < PEOPLE * 0.05
    assert abs(glance.missing - PEOPLE * 0.1) < PEOPLE * 0.05
    assert glance.locked == len([number for number in range(PEOPLE) if number % 1000 == 3])


INDEXES: list[tuple[dict[str, str], str]] = [
    ({"q": "person0001"}, "identity_user_username_key_"),
    ({"q": "person0001"}, "user_email_upper"),
    ({"q": "+3360001700"}, "user_mobile_phone"),
    ({"locked": "yes"}, "user_locked"),
    ({"enabled": "no"}, "user_disabled"),
    ({"approved": "no"}, "user_not_approved"),
    ({"role": "40"}, "user_with_a_role"),
    ({"enrolled": "no"}, "authenticator_of_user"),
    ({}, "identity_user_username_key_"),
]


@on_postgresql
@pytest.mark.usefixtures("_many")
def test_each_large_list_is_found_by_its_index(make_user: MakeUser, sign_in: SignIn) -> None:
    browser = sign_in(make_user("owner", AdminRole.OWNER))
    without_reading_through()
    for query, index in INDEXES:
        keys = [text for text in captured(lambda query=query: browser.get(USERS, query)) if "LIMIT 1001" in text]
        assert len(keys) == 1
        [plan] = plans(keys).values()
        assert any(node.get("Index Name", "").startswith(index) for node in nodes(plan)), query
        through = [node for node in nodes(plan) if node["Node Type"] == "Seq Scan"]
        assert "identity_user" not in {node["Relation Name"] for node in through}, query
