"""Clients, groups, policies and rules by REST: made, changed and removed as in the panel, with the same events."""

import json
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from identity.flows import clients as flows
from identity.models import AuditEvent, Client, Group, Installation
from identity.models.client import GrantType
from identity.models.policies import BOUNDS
from identity.oauth.scopes import SCOPES
from mfa.admin.state import at_a_glance
from mfa.flows import provisioning
from mfa.models import MfaPolicy
from tests.factories import make_client, sign_in_client
from tests.factories import make_user as account
from tests.mfa.api.admin.conftest import MakeUser, Program, SignIn
from tests.support.visual_guard import ENROLMENT_REQUIRED, SUCCESS, WRONG_PASSWORD

pytestmark = pytest.mark.django_db


def told(event: str) -> dict[str, Any]:
    """The detail of the one event of this kind, which the owner brought about by REST."""
    found = AuditEvent.objects.get(event=event)
    assert (found.actor_name, found.detail["by"], found.address) == ("owner", "api", "127.0.0.1")
    return {name: value for name, value in found.detail.items() if name not in ("by",)}


# Clients.


def test_a_new_client_has_a_secret_that_is_shown_once(owner: Program) -> None:
    given = {
        "name": "Payroll",
        "grant_types": ["VGAuthenticator", "authorization_code", "client_credentials"],
        "scopes": ["openid", "admin"],
        "redirect_uris": ["https://payroll.example/back", "http://localhost:8080/back"],
    }
    status, made = owner.post("clients", given)
    assert status == 201, made
    client = Client.objects.get(pk=made["id"])
    assert flows.check_secret(client, made["client_secret"])
    assert client.skip_authorization
    assert made["client_id"].endswith("_Native")
    assert {name: made[name] for name in given} == given
    assert told("client.created") == {"of": "Payroll", "fields": sorted(given)}
    shown = owner.get(f"clients/{client.pk}")
    assert shown == {name: value for name, value in made.items() if name != "client_secret"}
    assert shown["type"] == "confidential"
    for path in (f"clients/{client.pk}", "clients", "audit-events"):
        owner.get(path)
        text = owner.answer.content.decode()
        assert made["client_secret"] not in text
        assert client.client_secret not in text
        assert "hmac-sha256" not in text


def test_a_public_client_has_none(owner: Program) -> None:
    status, made = owner.post("clients", {"client_id": "spa", "confidential": False})
    assert (status, made["client_id"], made["type"], made["client_secret"]) == (201, "spa", "public", None)
    assert Client.objects.get(client_id="spa").client_secret == ""


BAD_CLIENTS: list[tuple[dict[str, Any], str]] = [
    ({"client_id": "a b"}, "client_id"),
    ({"client_id": "stepward"}, "client_id"),
    ({"client_id": "taken"}, "client_id"),
    ({"grant_types": []}, "grant_types"),
    ({"grant_types": ["implicit"]}, "grant_types"),
    ({"grant_types": "VGAuthenticator"}, "grant_types"),
    ({"grant_types": ["authorization_code"]}, "redirect_uris"),
    ({"grant_types": ["client_credentials"], "confidential": False}, "grant_types"),
    ({"scopes": ["everything"]}, "scopes"),
    ({"redirect_uris": ["http://far.example/"]}, "redirect_uris"),
    ({"redirect_uris": ["https://a.example/#part"]}, "redirect_uris"),
    ({"redirect_uris": ["javascript:alert(1)"]}, "redirect_uris"),
    ({"redirect_uris": ["https://user@a.example/"]}, "redirect_uris"),
    ({"name": "x" * 256}, "name"),
    ({"client_secret": "a secret of my own choice"}, ""),
    ({"skip_authorization": False}, ""),
    ({"client_type": "public"}, ""),
    ({"user": 1}, ""),
]


@pytest.mark.parametrize(("given", "field"), BAD_CLIENTS, ids=lambda each: str(each)[:50])
def test_a_client_that_breaks_a_rule_is_refused(given: dict[str, Any], field: str, owner: Program) -> None:
    taken = make_client(client_id="taken")
    before = Client.objects.filter(pk=taken.pk).values().get()
    status, document = owner.post("clients", given)
    assert status == 400
    assert {error["field"] for error in document["errors"]} == {field}
    if not {"client_id", "confidential"} & given.keys():
        assert owner.patch(f"clients/{taken.pk}", given)[0] == 400
    assert Client.objects.filter(pk=taken.pk).values().get() == before
    assert not Client.objects.exclude(client_id__in=("taken", "console")).exists()
    assert not AuditEvent.objects.exists()


def test_a_client_is_changed_and_keeps_its_id_and_its_secret(owner: Program) -> None:
    client = make_client(secret="a secret of twenty chars")
    status, shown = owner.patch(f"clients/{client.pk}", {"name": "New", "is_active": False, "scopes": ["openid"]})
    assert (status, shown["name"], shown["is_active"], shown["scopes"]) == (200, "New", False, ["openid"])
    assert told("client.changed") == {"of": "New", "fields": ["is_active", "name", "scopes"]}
    for given in ({"client_id": "other"}, {"confidential": False}):
        assert owner.patch(f"clients/{client.pk}", given)[0] == 400
    client.refresh_from_db()
    assert flows.check_secret(client, "a secret of twenty chars")
    assert owner.patch(f"clients/{client.pk}", {"name": "New"})[0] == 200
    assert AuditEvent.objects.count() == 1


def test_a_public_client_gets_no_grant_that_needs_a_secret(owner: Program) -> None:
    client = make_client()
    status, document = owner.patch(f"clients/{client.pk}", {"grant_types": ["client_credentials"]})
    assert (status, document["errors"][0]["field"]) == (400, "grant_types")
    status, _ = owner.patch(
        f"clients/{client.pk}", {"grant_types": ["authorization_code"], "redirect_uris": ["https://a.example/"]}
    )
    assert status == 200
    assert owner.patch(f"clients/{client.pk}", {"redirect_uris": []})[0] == 400
    client.refresh_from_db()
    assert client.redirect_uris == "https://a.example/"


def test_a_new_secret_ends_the_old_one_at_once(owner: Program) -> None:
    client = make_client(secret="a secret of twenty chars")
    status, made = owner.post(f"clients/{client.pk}/secret")
    client.refresh_from_db()
    assert (status, made["client_id"]) == (200, client.client_id)
    assert flows.check_secret(client, made["client_secret"])
    assert not flows.check_secret(client, "a secret of twenty chars")
    assert told("client.secret_replaced") == {"of": client.name}
    assert AuditEvent.objects.get().client_id == client.client_id


def test_the_installations_own_pages_are_nobodys_to_change(owner: Program) -> None:
    own = flows.own_pages()
    assert "stepward" not in [row["client_id"] for row in owner.every("clients")]
    assert owner.call("get", f"clients/{own.pk}")[0] == 404
    assert owner.patch(f"clients/{own.pk}", {"name": "x"})[0] == 404
    assert owner.post(f"clients/{own.pk}/secret")[0] == 404
    assert owner.post("policies", {"client": "stepward", "mode": "off"})[0] == 400


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["console", "one", "two"]),
        ({"search": "PAY"}, ["one"]),
        ({"search": "tw"}, ["two"]),
        ({"client_id": "two"}, ["two"]),
        ({"type": "confidential"}, ["two"]),
        ({"is_active": "false"}, ["one"]),
    ],
)
def test_clients_are_found(query: dict[str, str], found: list[str], owner: Program) -> None:
    make_client(client_id="one", name="Payroll", is_active=False)
    make_client(client_id="two", secret="a secret of twenty chars")
    assert [row["client_id"] for row in owner.every("clients", **query, limit=1)] == found


def test_the_words_are_those_of_the_server(owner: Program) -> None:
    _, document = owner.post("clients", {"scopes": ["x"], "grant_types": ["x"]})
    sentences = {error["field"]: error["detail"] for error in document["errors"]}
    assert sentences["scopes"] == f"This is one of {', '.join(SCOPES)}."
    assert sentences["grant_types"] == f"This is one of {', '.join(GrantType.values)}."


# Groups.


def test_a_group_from_its_making_to_its_end(owner: Program, make_user: MakeUser) -> None:
    client = make_client()
    status, made = owner.post("groups", {"name": "staff", "clients": [client.client_id]})
    assert (status, made["clients"], made["all_clients"], made["member_count"]) == (201, [client.client_id], False, 0)
    assert told("group.created") == {"of": "staff", "fields": ["clients", "name"]}
    path = f"groups/{made['id']}"
    make_user("target").groups.add(made["id"])
    status, shown = owner.patch(path, {"name": "crew", "all_clients": True, "clients": []})
    assert (status, shown) == (200, {**made, "name": "crew", "all_clients": True, "clients": [], "member_count": 1})
    assert told("group.changed") == {"of": "crew", "fields": ["all_clients", "clients", "name"]}
    assert owner.patch(path, {"name": "crew"})[0] == 200
    MfaPolicy.objects.create(group_id=made["id"])
    assert owner.delete(path) == 204
    assert told("group.removed") == {"of": "crew"}
    assert not Group.objects.exists()
    assert not MfaPolicy.objects.exists()
    assert owner.delete(path) == 404


@pytest.mark.parametrize(
    "given", [{}, {"name": ""}, {"name": "taken"}, {"name": "x" * 151}, {"name": "n", "members": [1]}]
)
def test_a_group_that_breaks_a_rule_is_refused(given: dict[str, Any], owner: Program) -> None:
    Group.objects.create(name="taken")
    assert owner.post("groups", given)[0] == 400
    assert Group.objects.count() == 1


def test_groups_are_found_and_counted_in_as_many_statements(owner: Program, make_user: MakeUser) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as queries:
            owner.get("groups")
        return len(queries)

    Group.objects.create(name="first").members.add(make_user("one"))
    few = statements()
    for number in range(10):
        Group.objects.create(name=f"group {number}").clients.add(make_client())
    assert statements() == few <= 5
    assert [row["name"] for row in owner.every("groups", search="UP 3")] == ["group 3"]
    assert [row["member_count"] for row in owner.every("groups", search="first")] == [1]


# Policies.


def test_a_policy_from_its_making_to_its_end(owner: Program) -> None:
    client, group = make_client(), Group.objects.create(name="staff")
    given = {
        "group": "staff",
        "mode": "optional",
        "transports": ["Email"],
        "grace_logins": 3,
        "remember_days": 7,
        "first_enrolment": "invitation",
        "enrolment_url": "https://help.example/mfa",
    }
    status, made = owner.post("policies", given)
    assert status == 201, made
    assert made == {"id": made["id"], "installation": False, "client": None, **given}
    assert told("policy.created") == {"of": "MFA policy of staff", "fields": sorted(given)}
    path = f"policies/{made['id']}"
    status, shown = owner.patch(path, {"group": None, "client": client.client_id, "mode": "required"})
    assert (status, shown["group"], shown["client"], shown["mode"]) == (200, None, client.client_id, "required")
    assert told("policy.changed")["fields"] == ["client", "group", "mode"]
    assert group.pk
    assert owner.get("policies")["results"] == [shown]
    assert owner.delete(path) == 204
    assert told("policy.removed")["of"].startswith("MFA policy of")
    assert not MfaPolicy.objects.exists()


def test_the_installation_has_one_policy(owner: Program) -> None:
    status, made = owner.post("policies", {"installation": True})
    assert (status, made["installation"], made["mode"]) == (201, True, "required")
    status, document = owner.post("policies", {"installation": True})
    assert (status, document["errors"][0]["field"]) == (400, "installation")
    assert MfaPolicy.objects.count() == 1


@pytest.mark.parametrize(
    "given",
    [
        *({}, {"installation": False}, {"installation": True, "group": "staff"}, {"group": "nobody's"}),
        *({"group": "staff", "transports": []}, {"group": "staff", "transports": ["Fax"]}),
        *({"group": "staff", "mode": "sometimes"}, {"group": "staff", "remember_days": 366}),
        *({"group": "staff", "grace_logins": -1}, {"group": "staff", "enrolment_url": "javascript:alert(1)"}),
        *({"group": "staff", "grace_logins": 2**31}, {"group": "staff", "id": 7}),
    ],
)
def test_a_policy_that_breaks_a_rule_is_refused(given: dict[str, Any], owner: Program) -> None:
    Group.objects.create(name="staff")
    assert owner.post("policies", given)[0] == 400
    assert not MfaPolicy.objects.exists()
    assert not AuditEvent.objects.exists()


def test_a_policy_is_not_left_without_a_subject_or_a_transport(owner: Program) -> None:
    policy = MfaPolicy.objects.create(group=Group.objects.create(name="staff"))
    refused: list[dict[str, Any]] = [{"group": None}, {"installation": True}, {"transports": []}]
    for given in refused:
        assert owner.patch(f"policies/{policy.pk}", given)[0] == 400
    assert owner.patch(f"policies/{policy.pk}", {"mode": "off", "transports": []})[0] == 200
    assert owner.patch(f"policies/{policy.pk}", {"mode": "required"})[0] == 400


def test_whom_a_policy_that_is_off_reaches_enrols_where_another_one_requires_it(owner: Program) -> None:
    assert owner.post("policies", {"installation": True, "mode": "off", "transports": []})[0] == 201
    person, asking = account(), make_client()
    assert owner.post("policies", {"client": asking.client_id, "mode": "required"})[0] == 201
    client = sign_in_client(person, asking)
    due = client.password_step()
    assert due.status == ENROLMENT_REQUIRED
    client.enrol_app(due.request_id)
    assert client.redeem(due.request_id).status == SUCCESS


@pytest.mark.parametrize(("query", "number"), [({}, 3), ({"mode": "off"}, 1), ({"first_enrolment": "invitation"}, 2)])
def test_policies_are_found(query: dict[str, str], number: int, owner: Program) -> None:
    for mode, first in (("off", "invitation"), ("required", "invitation"), ("required", "password")):
        MfaPolicy.objects.create(group=Group.objects.create(name=mode + first), mode=mode, first_enrolment=first)
    assert len(owner.every("policies", **query, limit=1)) == number


# Rules, and the first page.


def test_the_rules_are_changed_as_far_as_they_are_given(owner: Program) -> None:
    before = owner.get("installation")
    assert set(before) == {field.name for field in Installation._meta.fields} - {"id"}
    status, shown = owner.patch("installation", {"lockout_attempts": 7, "unique_emails": True})
    assert (status, shown) == (200, {**before, "lockout_attempts": 7, "unique_emails": True})
    assert owner.get("installation") == shown
    assert told("installation.changed") == {"of": "Installation", "fields": ["lockout_attempts", "unique_emails"]}
    assert owner.patch("installation", shown)[0] == 200
    assert AuditEvent.objects.count() == 1


@pytest.mark.parametrize(
    "given",
    [
        *({"lockout_attempts": 0}, {"lockout_attempts": 101}, {"lockout_window": -1}, {"password_history": "many"}),
        *({"lockout_window": 2**31}, {"unique_emails": None}, {"id": 2}, {"lockout_attempts": True}),
        *({"lockout_window": 0}, {"lockout_unlock_after": 0}, {"password_minimum_length": 129}),
        *({"password_history": 101}, {"password_expires_days": 36_501}, {"password_grace_logins": 10_001}),
    ],
)
def test_rules_that_cannot_be_are_refused(given: dict[str, Any], owner: Program) -> None:
    before = owner.get("installation")
    assert owner.patch("installation", given)[0] == 400
    assert owner.get("installation") == before


@pytest.mark.parametrize("name", BOUNDS)
def test_rest_and_a_file_take_the_same_numbers(name: str, owner: Program) -> None:
    """What one of them lets through and the other does not would be a rule that cannot be put back."""
    least, most = BOUNDS[name]
    block, _, entry = name.partition("_")
    for value, taken in ((least - 1, False), (least, True), (most, True), (most + 1, False)):
        assert (owner.patch("installation", {name: value})[0] == 200) is taken
        declared = json.dumps({block: {entry: value}}).encode()
        if taken:
            assert provisioning.read(declared).rules[name] == value
        else:
            with pytest.raises(provisioning.NotAcceptable):
                provisioning.read(declared)


def test_under_the_largest_rules_people_sign_in_still(owner: Program) -> None:
    rules = {**{name: most for name, (_, most) in BOUNDS.items()}, "password_minimum_length": 12}
    assert owner.patch("installation", rules)[0] == 200
    person, client = account(), make_client(mfa={"mode": "off"})
    assert sign_in_client(person, client).password_step(Password="wrong").status == WRONG_PASSWORD
    assert sign_in_client(person, client).password_step().status == SUCCESS


def test_the_first_page_tells_who_asks_and_how_many_there_are(
    owner: Program, make_user: MakeUser, sign_in: SignIn
) -> None:
    from django.utils import timezone

    make_user("target", locked_by_administrator_at=timezone.now())
    shown = owner.get()
    counted = at_a_glance(timezone.now())
    assert shown["glance"] == {
        "people": counted.people,
        "enrolled": counted.enrolled,
        "missing": counted.missing,
        "locked": 1,
        "is_estimate": False,
    }
    assert (shown["asking"]["username"], shown["asking"]["admin_role"]) == ("owner", "owner")
    assert shown["asking"]["rights"] == [
        *("read", "unlock", "reset_mfa", "manage_people", "configure", "rotate_keys"),
    ]
    assert sign_in(make_user("reader", 10)).get()["asking"]["rights"] == ["read"]


# In force at once, whatever a process keeps of a client and its rules.


def test_what_is_changed_here_is_in_force_at_the_next_sign_in(owner: Program) -> None:
    person = account(username="target")
    _, made = owner.post("clients", {"name": "Payroll"})
    client = sign_in_client(person, Client.objects.get(pk=made["id"]), secret=made["client_secret"])
    path = f"clients/{made['id']}"
    assert client.password_step().status == ENROLMENT_REQUIRED
    _, policy = owner.post("policies", {"client": made["client_id"], "mode": "off"})
    assert client.password_step().status == SUCCESS
    assert owner.patch(f"policies/{policy['id']}", {"mode": "required"})[0] == 200
    assert client.password_step().status == ENROLMENT_REQUIRED
    assert owner.patch(path, {"is_active": False})[0] == 200
    assert client.password_step().document["error"] == "invalid_client"
    assert owner.patch(path, {"is_active": True})[0] == 200
    assert client.password_step().status == ENROLMENT_REQUIRED
    _, replaced = owner.post(f"{path}/secret")
    assert client.password_step().document["error"] == "invalid_client"
    client.client_secret = replaced["client_secret"]
    assert client.password_step().status == ENROLMENT_REQUIRED
    assert owner.post(f"people/{person.subject}/acts/lock", {"reason": "a test of locks"})[0] == 200
    assert client.password_step().document["error_description"] == "Failure, UserAccountLocked"
