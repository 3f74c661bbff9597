"""People by REST: the panel's search and filters, the exact state, edits, and acts."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from identity.models import AuditEvent, Group, Installation, PasswordTries, User
from identity.models.user import AdminRole
from mfa.flows import bootstrap, recovery, remembered_devices
from mfa.models import Enrolment, Invitation, MfaPolicy
from mfa.models.authenticator import EnrolmentState
from tests.factories import add_mailbox, enrol_app, make_client, sign_in_client
from tests.factories import make_user as account
from tests.mfa.api.admin.conftest import MakeUser, Program, SignIn
from tests.support.ceremony import ORIGIN

pytestmark = pytest.mark.django_db
REASON = "Called back on the number in the directory, ticket 4711"


def names(rows: list[Any]) -> list[str]:
    return [row["username"] for row in rows]


def crowd_of(make_user: MakeUser) -> dict[str, User]:
    """One for each filter."""
    now = timezone.now()
    staff = Group.objects.create(name="staff")
    MfaPolicy.objects.create(installation=Installation.current(), mode="optional")
    MfaPolicy.objects.create(group=staff, mode="required")
    people = {
        "adam": make_user("Adam", email="first@a.example", mobile_phone="+33612345678", last_login=now),
        "berta": make_user("Berta", is_active=False, last_login=now - timedelta(days=3)),
        "caesar": make_user("Caesar", is_approved=False, last_login=now - timedelta(days=20)),
        "dora": make_user("Dora", locked_by_administrator_at=now, last_login=now - timedelta(days=90)),
        "emil": make_user("Emil"),
        "frida": make_user("Frida", AdminRole.AUDITOR),
    }
    people["emil"].groups.add(staff)
    enrol_app(people["adam"])
    enrol_app(people["berta"], disabled_at=now)
    later = int((now + timedelta(hours=1)).timestamp() * 1000)
    PasswordTries.objects.create(
        key="k", user=people["caesar"], failures=5, window_started=1, locked_until=later, admitted=False, updated=0
    )
    client = sign_in_client(account(username="Gustav"))
    client.qr(client.password_step().request_id)
    return people


FILTERS: list[tuple[dict[str, str], str]] = [
    ({}, "Adam Berta Caesar Dora Emil Frida Gustav owner"),
    ({"search": "f"}, "Adam Frida"),
    ({"search": "+3361"}, "Adam"),
    ({"search": " DORA "}, "Dora"),
    ({"search": "ora"}, ""),
    ({"required": "true"}, "Emil"),
    ({"required": "false"}, "Adam Berta Caesar Dora Frida Gustav owner"),
    ({"enrolled": "true"}, "Adam"),
    ({"enrolled": "false", "search": "b"}, "Berta"),
    ({"pending": "true"}, "Gustav"),
    ({"locked": "true"}, "Caesar Dora"),
    ({"locked": "false", "enrolled": "true"}, "Adam"),
    ({"enabled": "false"}, "Berta"),
    ({"approved": "false"}, "Caesar"),
    ({"role": "auditor"}, "Frida"),
    ({"role": "owner"}, "owner"),
    ({"signed_in": "1"}, "Adam Gustav"),
    ({"signed_in": "7"}, "Adam Berta Gustav"),
    ({"signed_in": "30"}, "Adam Berta Caesar Gustav"),
    ({"signed_in": "older"}, "Dora"),
    ({"signed_in": "never", "role": "none"}, "Emil"),
]


def test_the_filters_are_the_panels(make_user: MakeUser, owner: Program) -> None:
    crowd_of(make_user)
    User.objects.filter(username="Gustav").update(last_login=timezone.now())
    for query, expected in FILTERS:
        assert names(owner.every("people", **query)) == expected.split(), query
        assert names(owner.every("people", **query, limit=1)) == expected.split(), query


@pytest.mark.parametrize(
    "query",
    [
        *({"limit": "0"}, {"limit": "201"}, {"limit": "x"}, {"role": "40"}, {"enrolled": "maybe"}, {"signed_in": "2"}),
        *({"cursor": "x"}, {"cursor": "x" * 2000}, {"search": "x\x00"}, {"search": "x" * 300}, {"p": "1"}, {"o": "1"}),
        {"username__startswith": "a"},
    ],
)
def test_a_query_that_cannot_be_read_is_refused(query: dict[str, str], owner: Program) -> None:
    status, document = owner.call("get", "people", **query)
    assert (status, document["title"]) == (400, "Bad Request")
    assert "xxx" not in str(document)


def test_a_row_shows_what_the_panels_list_shows(make_user: MakeUser, owner: Program) -> None:
    people = crowd_of(make_user)
    add_mailbox(people["adam"], "first@a.example")
    rows = {row["username"]: row for row in owner.get("people")["results"]}
    adam = rows["Adam"]
    assert adam["subject"] == str(people["adam"].subject)
    assert adam["enrolled"] == ["Email", "MicrosoftAuthenticator"]
    assert adam["last_sign_in"].endswith("Z")
    assert [rows[name]["locked"] for name in ("Adam", "Caesar", "Dora")] == [None, "wrong_passwords", "administrator"]
    assert [rows[name]["second_factor_required"] for name in ("Adam", "Emil")] == [False, True]
    assert [rows[name]["enrolment_pending"] for name in ("Adam", "Gustav")] == [False, True]
    assert rows["Berta"]["enrolled"] == []
    assert rows["Frida"]["admin_role"] == "auditor"


def test_the_list_asks_as_often_whatever_is_in_it(make_user: MakeUser, owner: Program) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as queries:
            owner.get("people", limit=100)
        return len(queries)

    enrol_app(make_user("first"))
    few = statements()
    for number in range(20):
        enrol_app(make_user(f"person {number}"))
    assert statements() == few <= 8


def test_a_person_is_shown_with_the_exact_state_of_the_second_factor(
    make_user: MakeUser, owner: Program, sign_in: SignIn
) -> None:
    now = timezone.now()
    staff = Group.objects.create(name="staff")
    person = account(username="target", email="m.m@gmail.com", last_login=now, language="fr")
    person.groups.add(staff)
    enrol_app(person, failures=6, rest_until=now + timedelta(seconds=60))
    enrol_app(person, failures=100, disabled_at=now)
    add_mailbox(person, "m.m@gmail.com")
    recovery.make_codes(person, now, ORIGIN)
    later = int((now + timedelta(hours=1)).timestamp() * 1000)
    PasswordTries.objects.create(
        key="k", user=person, failures=100, window_started=0, locked_until=later, admitted=False, updated=0
    )
    client = sign_in_client(person)
    shown = owner.get(f"people/{person.subject}")
    assert (shown["username"], shown["language"], shown["groups"]) == ("target", "fr", ["staff"])
    assert [(row["kind"], row["state"], row["failures"]) for row in shown["authenticators"]] == [
        ("MicrosoftAuthenticator", "resting", 6),
        ("MicrosoftAuthenticator", "disabled", 100),
        ("Email", "good", 0),
    ]
    assert shown["authenticators"][2]["destination"] == "m*m@g****.com"
    assert shown["recovery_codes"]["left"] == 10
    assert [(row["failures"], row["every_network"]) for row in shown["lockouts"]] == [(100, True)]
    assert shown["open_requests"] == []
    assert shown["policy_in_force"][0]["mode"] == "required"
    PasswordTries.objects.all().delete()

    request_id = client.password_step().request_id
    shown = owner.get(f"people/{person.subject}")
    assert [(row["client_id"], row["state"], row["purpose"]) for row in shown["open_requests"]] == [
        (client.client_id, "open", "sign_in")
    ]
    assert request_id not in owner.answer.content.decode()
    sign_in(person)
    [session] = owner.get(f"people/{person.subject}")["sessions"]
    assert (session["client_id"], session["amr"], session["acr"]) == ("console", ["pwd", "otp", "mfa"], "2")


def test_a_pending_enrolment_and_no_recovery_codes_are_shown(owner: Program) -> None:
    person = account(username="new")
    client = sign_in_client(person)
    client.qr(client.password_step().request_id)
    assert Enrolment.objects.get().state == EnrolmentState.PENDING
    shown = owner.get(f"people/{person.subject}")
    assert [row["kind"] for row in shown["pending_enrolments"]] == ["MicrosoftAuthenticator"]
    assert (shown["recovery_codes"], shown["authenticators"], shown["enrolment_pending"]) == (None, [], True)


def test_a_person_is_read_in_as_many_statements_whatever_they_hold(
    make_user: MakeUser, owner: Program, sign_in: SignIn
) -> None:
    person = make_user("target")

    def statements() -> int:
        with CaptureQueriesContext(connection) as queries:
            owner.get(f"people/{person.subject}")
        return len(queries)

    enrol_app(person)
    sign_in(person)
    few = statements()
    for number in range(4):
        enrol_app(person)
        sign_in(person, client=make_client(mfa={"mode": "required"}))
        person.groups.add(Group.objects.create(name=f"group {number}"))
    assert statements() <= few
    assert few <= 22


def test_sessions_come_page_by_page_the_newest_first(make_user: MakeUser, owner: Program, sign_in: SignIn) -> None:
    person, other = make_user("target"), make_user("other")
    for minutes in (3, 1, 2, 2):
        sign_in(person, minutes_ago=minutes)
    sign_in(other)
    rows = owner.every(f"people/{person.subject}/sessions", limit=1)
    assert len(rows) == len({row["id"] for row in rows}) == 4
    assert [row["signed_in_at"] for row in rows] == sorted((row["signed_in_at"] for row in rows), reverse=True)


def test_authenticators_are_listed_by_themselves(make_user: MakeUser, owner: Program) -> None:
    person = make_user("target")
    enrol_app(person)
    found = owner.get(f"people/{person.subject}/authenticators")
    assert [(row["kind"], row["label"]) for row in found] == [("MicrosoftAuthenticator", "Phone")]
    assert found == owner.get(f"people/{person.subject}")["authenticators"]


# Edits.


def test_an_account_is_made_without_a_password(owner: Program) -> None:
    Group.objects.create(name="staff")
    made = make_client()
    given = {
        "username": "Zoë",
        "email": "Zoe@Mail.Example",
        "mobile_phone": "+33 6 12 34 56 78",
        "language": "de",
        "start_date": "2026-01-01T00:00:00Z",
        "end_date": "2030-01-01T00:00:00+02:00",
        "groups": ["staff"],
        "clients": [made.client_id],
        "admin_role": "helpdesk",
        "must_change_password": True,
    }
    status, shown = owner.post("people", given)
    assert status == 201, shown
    person = User.objects.get(subject=shown["subject"])
    assert not person.has_usable_password()
    assert (person.username_key, person.email, person.mobile_phone) == ("zoë", "zoe@mail.example", "+33612345678")
    assert (shown["groups"], shown["clients"], shown["admin_role"]) == (["staff"], [made.client_id], "helpdesk")
    assert shown["end_date"] == "2029-12-31T22:00:00Z"
    event = AuditEvent.objects.get(event="user.created")
    assert (event.actor_name, event.username, event.detail["by"]) == ("owner", "Zoë", "api")
    assert event.detail["fields"] == sorted(given)


BAD: list[tuple[dict[str, Any], str]] = [
    ({"username": ""}, "username"),
    ({"username": "x" * 65}, "username"),
    ({"username": "a\tb"}, "username"),
    ({"username": "ＯＷＮＥＲ"}, "username"),
    ({"username": 7}, "username"),
    ({"username": None}, "username"),
    ({"email": "nowhere"}, "email"),
    ({"email": "taken@a.example"}, "email"),
    ({"mobile_phone": "0612345678"}, "mobile_phone"),
    ({"mobile_phone": "+33899123456"}, "mobile_phone"),
    ({"language": "xx"}, "language"),
    ({"is_active": "perhaps"}, "is_active"),
    ({"is_active": None}, "is_active"),
    ({"start_date": "tomorrow"}, "start_date"),
    ({"start_date": "2026-02-01T00:00:00Z", "end_date": "2026-01-01T00:00:00Z"}, "end_date"),
    ({"groups": "staff"}, "groups"),
    ({"groups": ["nobody's"]}, "groups"),
    ({"groups": [1]}, "groups"),
    ({"clients": ["nobody's"]}, "clients"),
    ({"clients": ["stepward"]}, "clients"),
    ({"nickname": "x"}, ""),
]


@pytest.mark.parametrize(("given", "field"), BAD, ids=lambda each: str(each)[:40])
def test_what_cannot_be_accepted_is_told_and_nothing_written(
    given: dict[str, Any], field: str, make_user: MakeUser, owner: Program
) -> None:
    from identity.flows import clients

    clients.own_pages()
    Installation.objects.update_or_create(pk=1, defaults={"unique_emails": True})
    make_user("other", email="taken@a.example")
    person = make_user("target")
    for status, document in (
        owner.post("people", {"username": "new", **given}),
        owner.patch(f"people/{person.subject}", given),
    ):
        assert status == 400
        assert {error["field"] for error in document["errors"]} == {field}
    assert User.objects.count() == 3
    assert User.objects.get(pk=person.pk).username == "target"
    assert not AuditEvent.objects.exists()


def test_a_change_writes_what_differs_and_says_so(make_user: MakeUser, owner: Program) -> None:
    person = make_user("target", email="a@a.example", end_date=timezone.now() + timedelta(days=1))
    given = {"email": "a@a.example", "end_date": None, "must_change_password": True}
    assert owner.patch(f"people/{person.subject}", given)[0] == 200
    assert AuditEvent.objects.get().detail["fields"] == ["end_date", "must_change_password"]
    assert owner.patch(f"people/{person.subject}", given)[0] == 200
    assert owner.patch(f"people/{person.subject}", {})[0] == 200
    assert AuditEvent.objects.count() == 1
    assert owner.patch(f"people/{person.subject}", {"start_date": "2999-01-01T00:00:00Z"})[0] == 200
    status, document = owner.patch(f"people/{person.subject}", {"end_date": "2998-01-01T00:00:00Z"})
    assert (status, document["errors"][0]["field"]) == (400, "end_date")


def test_roles_in_clients_are_set_as_a_whole(make_user: MakeUser, owner: Program) -> None:
    person, one, two = make_user("target"), make_client(), make_client()
    person.clients.add(one)
    assert owner.patch(f"people/{person.subject}", {"clients": [two.client_id, two.client_id]})[0] == 200
    assert list(person.clients.all()) == [two]
    assert AuditEvent.objects.get().detail["fields"] == ["clients"]
    assert owner.patch(f"people/{person.subject}", {"clients": [two.client_id]})[0] == 200
    assert AuditEvent.objects.count() == 1


@pytest.mark.parametrize(
    ("sent", "kind", "status"),
    [
        (b'{"username": "a", "username": "b"}', "application/json", 400),
        (b'{"username": "a", "Username": "b"}', "application/json", 400),
        (b'{"username": ', "application/json", 400),
        (b"[1]", "application/json", 400),
        (b"<a/>", "application/xml", 415),
        (b"{" + b" " * 70_000 + b"}", "application/json", 413),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(sent: bytes, kind: str, status: int, owner: Program) -> None:
    from django.test import Client as Http

    answer = Http().post("/api/admin/people", sent, kind, headers={"Authorization": f"Bearer {owner.token}"})
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
    assert User.objects.count() == 1


# Acts.


def test_each_act_does_what_the_panels_does(make_user: MakeUser, owner: Program, sign_in: SignIn) -> None:
    now = timezone.now()
    person = make_user("target", locked_by_administrator_at=now)
    later = int((now + timedelta(hours=1)).timestamp() * 1000)
    PasswordTries.objects.create(
        key="k", user=person, failures=5, window_started=0, locked_until=later, admitted=False, updated=0
    )

    def act(name: str) -> Any:
        status, document = owner.post(f"people/{person.subject}/acts/{name}", {"reason": REASON})
        assert (status, document["act"]) == (200, name)
        person.refresh_from_db()
        return document

    assert act("unlock") == {"act": "unlock", "done": "The account is unlocked.", "shown_once": None}
    assert person.locked_by_administrator_at is None
    assert not PasswordTries.objects.exists()
    enrol_app(person)
    sign_in(person)
    act("sign-out")
    assert not person.sessions.filter(ended_at__isnull=True).exists()
    act("reset-mfa")
    assert not person.authenticators.exists()
    codes = [act("invite")["shown_once"] for _ in range(2)]
    assert not remembered_devices.invitation_is_good(person, codes[0], now)
    assert remembered_devices.invitation_is_good(person, codes[1], now)
    link = act("password-link")["shown_once"]
    opened = bootstrap.open_link(link.rpartition("/")[2], timezone.now())
    assert opened == person
    act("lock")
    assert person.locked_by_administrator_at is not None
    events = AuditEvent.objects.filter(actor_name="owner", username="target", detail__reason=REASON)
    assert sorted(events.values_list("event", flat=True)) == sorted(
        [
            *("account.unlocked", "session.all_ended", "mfa.reset", "account.invited", "account.invited"),
            *("password.link_made", "account.locked"),
        ]
    )
    assert {event.address for event in events} == {"127.0.0.1"}
    for secret in (codes[1], link.rpartition("/")[2]):
        assert secret not in str(list(AuditEvent.objects.values()))
        assert secret not in str(owner.get(f"people/{person.subject}"))
    assert Invitation.objects.filter(spent_at__isnull=True).exists()


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"reason": ""},
        {"reason": "abc"},
        {"reason": "    "},
        {"reason": "...."},
        {"reason": "x" * 201},
        {"reason": 12345},
        {"reason": REASON, "force": True},
    ],
)
def test_an_act_without_a_reason_is_not_done(given: dict[str, Any], make_user: MakeUser, owner: Program) -> None:
    person = make_user("target")
    assert owner.post(f"people/{person.subject}/acts/lock", given)[0] == 400
    person.refresh_from_db()
    assert person.locked_by_administrator_at is None
    assert not AuditEvent.objects.exists()


def test_no_act_is_done_by_reading(make_user: MakeUser, owner: Program) -> None:
    person = make_user("target")
    assert owner.call("get", f"people/{person.subject}/acts/lock", reason=REASON)[0] == 405
    person.refresh_from_db()
    assert person.locked_by_administrator_at is None
