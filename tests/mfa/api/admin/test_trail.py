"""The audit trail, messages and keys by REST: read as they are, changed by nobody, a rotation begun by owners alone."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from identity import secret_store
from identity.models import AuditEvent, User
from identity.models.user import AdminRole
from mfa.models import DataKey, KeyRotation
from tests.factories import enrol_app
from tests.mfa.api.admin.conftest import MakeUser, Program, SignIn
from tests.mfa.api.admin.test_paging import deliver

pytestmark = pytest.mark.django_db
REASON = {"reason": "the old key was seen in a ticket"}


@pytest.fixture
def people(make_user: MakeUser) -> dict[str, User]:
    """What happened: to one by the other, and to nobody."""
    one, two, now = make_user("one"), make_user("two"), timezone.now()
    happened: list[dict[str, Any]] = [
        {"event": "sign_in.refused", "outcome": "refused", "reason": "disabled", "user_id": one.pk},
        {"event": "account.locked", "user_id": one.pk, "actor_subject": two.subject, "actor_name": "two"},
        {"event": "account.locked", "user_id": two.pk, "client_id": "payroll"},
        {"event": "sign_in.password_refused", "outcome": "refused", "address": "198.51.100.7"},
        {"event": "token.refreshed", "request_ref": "0123456789abcdef", "detail": {"amr": ["pwd"]}},
    ]
    for number, event in enumerate(happened):
        AuditEvent.objects.create(**{"outcome": "success", "at": now + timedelta(minutes=number), **event})
    return {"one": one, "two": two}


EVENTS: list[tuple[dict[str, str], list[int]]] = [
    ({}, [4, 3, 2, 1, 0]),
    ({"subject": "one"}, [1, 0]),
    ({"subject": "one", "event": "account.locked"}, [1]),
    ({"event": "account.locked"}, [2, 1]),
    ({"outcome": "refused"}, [3, 0]),
    ({"actor": "two"}, [1]),
    ({"client_id": "payroll"}, [2]),
    ({"search": "TWO"}, [1]),
    ({"search": "51.100"}, [3]),
    ({"search": "0123"}, [4]),
    ({"search": "pay"}, [2]),
    ({"subject": "two", "outcome": "refused"}, []),
    ({"subject": "1b671a64-40d5-491e-99b0-da01ff1f3341"}, []),
]


@pytest.mark.parametrize(("query", "found"), EVENTS, ids=str)
def test_events_are_found(query: dict[str, str], found: list[int], people: dict[str, User], owner: Program) -> None:
    keys = list(AuditEvent.objects.order_by("pk").values_list("pk", flat=True))
    asked = {
        name: str(people[value].subject) if name in ("subject", "actor") and value in people else value
        for name, value in query.items()
    }
    assert [keys.index(row["id"]) for row in owner.every("audit-events", **asked, limit=2)] == found


@pytest.mark.usefixtures("people")
def test_events_of_a_time_are_found(owner: Program) -> None:
    instants = list(AuditEvent.objects.order_by("pk").values_list("at", flat=True))
    found = owner.every("audit-events", since=instants[1].isoformat(), until=instants[3].isoformat())
    assert [row["event"] for row in found] == ["account.locked", "account.locked"]


@pytest.mark.usefixtures("people")
def test_an_event_is_shown_with_its_columns_and_changed_by_nobody(owner: Program) -> None:
    key = AuditEvent.objects.order_by("-pk").values_list("pk", flat=True)[0]
    shown = owner.get(f"audit-events/{key}")
    columns = {field.name for field in AuditEvent._meta.fields} - {"user_id"}
    assert set(shown) == columns
    assert (shown["detail"], shown["request_ref"]) == ({"amr": ["pwd"]}, "0123456789abcdef")
    assert shown["at"].endswith("Z")
    for method in ("post", "patch", "put", "delete"):
        for path in ("audit-events", f"audit-events/{key}"):
            assert owner.call(method, path, {"event": "x"})[0] == 405
    assert AuditEvent.objects.count() == 5


def test_messages_are_shown_masked_and_without_what_they_say(make_user: MakeUser, owner: Program) -> None:
    person, now = make_user("target"), timezone.now()
    mail = deliver(person, 1, "failed", now)
    mail.last_error, mail.sealed_context = "refused", b"canary of the sealed text"
    mail.save()
    text = deliver(person, 2, "waiting", now)
    text.kind, text.destination = 1, "+33612345678"
    text.save()
    deliver(make_user("other"), 0, "sent", now)
    [failed] = owner.every("deliveries", state="failed")
    assert (failed["username"], failed["kind"], failed["destination"]) == ("target", "Email", "c****y@m***.example")
    assert (failed["state"], failed["last_error"], failed["template"]) == ("failed", "refused", "sign_in_code")
    [waiting] = owner.every("deliveries", state="waiting")
    assert (waiting["kind"], waiting["destination"], waiting["finished_at"]) == ("SMS", "+33*******78", None)
    assert [row["state"] for row in owner.every("deliveries")] == ["sent", "failed"]
    of_one = owner.every("deliveries", subject=str(person.subject))
    assert [row["state"] for row in of_one] == ["failed", "waiting"]
    assert [row["state"] for row in owner.every("deliveries", subject=str(person.subject), state="failed")] == [
        "failed"
    ]
    assert "canary" not in owner.answer.content.decode()


@pytest.fixture
def two_keys(settings: Settings, make_user: MakeUser) -> None:
    """Somebody's data key is sealed under what is the second key now."""
    enrol_app(make_user("target"))
    settings.MFA_SECRET_KEYS = {"newer": b"n" * 32, **settings.MFA_SECRET_KEYS}


@pytest.mark.usefixtures("two_keys")
def test_an_owner_begins_a_rotation_and_sees_how_far_it_is(owner: Program) -> None:
    before = owner.get("keys")
    assert (before["sealing_keys"][0]["kid"], before["sealing_keys"][0]["use"]) == ("newer", "seals")
    assert (before["data_keys_left"], before["running"]) == (1, None)
    status, document = owner.post("key-rotations", REASON)
    assert status == 200
    begun = document["rotation"]
    assert (begun["under"], begun["state"], begun["begun_by"], begun["total"]) == ("newer", "running", "owner", 1)
    assert begun["reason"] == REASON["reason"]
    assert owner.get("keys")["running"] == begun
    assert owner.post("key-rotations", REASON)[1]["rotation"]["id"] == begun["id"]
    assert owner.every("key-rotations", limit=1) == [begun]
    event = AuditEvent.objects.get(event="keys.rotation_begun")
    assert (event.actor_name, event.detail["reason"], event.address) == ("owner", REASON["reason"], "127.0.0.1")


def test_where_nothing_is_to_be_done_no_rotation_begins(owner: Program) -> None:
    assert owner.post("key-rotations", REASON) == (200, {"rotation": None})
    assert not KeyRotation.objects.exists()


@pytest.mark.usefixtures("two_keys")
@pytest.mark.parametrize("given", [{}, {"reason": "...."}, {"reason": "x" * 201}])
def test_a_rotation_without_a_reason_does_not_begin(given: dict[str, str], owner: Program) -> None:
    assert owner.post("key-rotations", given)[0] == 400
    assert not KeyRotation.objects.exists()


@pytest.mark.usefixtures("two_keys")
@pytest.mark.parametrize("role", [AdminRole.AUDITOR, AdminRole.HELPDESK, AdminRole.ADMINISTRATOR])
def test_a_rotation_is_begun_by_owners_alone(role: AdminRole, make_user: MakeUser, sign_in: SignIn) -> None:
    program = sign_in(make_user("actor", role))
    assert program.get("keys")["data_keys_left"] == 1
    assert program.post("key-rotations", REASON)[0] == 403
    assert not KeyRotation.objects.exists()
    assert DataKey.objects.exclude(sealed_under="newer").count() == 1


def test_keys_are_named_and_never_shown(owner: Program) -> None:
    now = timezone.now()
    made = secret_store.add_signing_key(now, slot="signing:a test", signs_from=now + timedelta(hours=1))
    shown = owner.get("keys")
    assert made.kid in [row["kid"] for row in shown["signing_keys"]]
    assert {name for row in shown["signing_keys"] for name in row} == {
        *("kid", "created_at", "signs_from", "published_until"),
    }
    assert {name for row in shown["sealing_keys"] for name in row} == {"kid", "use", "data_keys", "own_keys"}
