"""The panel's table of rights, by REST: who does what to whom, and nobody raises himself (A63, A64, A65, A51)."""

from contextlib import nullcontext
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from identity.models import AuditEvent, Session, User
from identity.models.user import AdminRole
from identity.web.rights import Right, may, roles_to_give
from mfa.admin.acts import ACTS
from mfa.api.admin.people_documents import ROLES
from mfa.models.authenticator import Authenticator
from tests.factories import enrol_app
from tests.mfa.admin.test_rights import REACH
from tests.mfa.api.admin.conftest import MakeUser, Program, SignIn
from tests.support.ceremony import NOON

pytestmark = pytest.mark.django_db

NONE, AUDITOR, HELPDESK, ADMINISTRATOR, OWNER = AdminRole
PAIRS = [(actor, target) for actor in AdminRole for target in AdminRole if actor]
REASON = {"reason": "they asked at the desk"}
BY_HELPDESK = {"unlock", "reset-mfa", "sign-out"}


def pair(make_user: MakeUser, sign_in: SignIn, actor: AdminRole, target: AdminRole) -> tuple[Program, User]:
    return sign_in(make_user("actor", actor)), make_user("target", target, locked_by_administrator_at=timezone.now())


@pytest.mark.parametrize(("actor", "target"), PAIRS)
def test_acts_follow_the_table(actor: AdminRole, target: AdminRole, make_user: MakeUser, sign_in: SignIn) -> None:
    program, person = pair(make_user, sign_in, actor, target)
    enrol_app(person)
    reached = target in REACH[actor]
    offered = program.get(f"people/{person.subject}")["acts"]
    for act in ACTS:
        allowed = reached and (act in BY_HELPDESK or actor >= ADMINISTRATOR)
        assert (act in offered) == allowed
        status, _ = program.post(f"people/{person.subject}/acts/{act}", REASON)
        assert status == (200 if allowed else 403), act
    events = AuditEvent.objects.filter(username="target")
    assert events.filter(actor_name="actor", detail__reason=REASON["reason"]).exists() == reached
    assert Authenticator.objects.exists() != reached


@pytest.mark.parametrize(("actor", "target"), PAIRS)
def test_edits_follow_the_table(actor: AdminRole, target: AdminRole, make_user: MakeUser, sign_in: SignIn) -> None:
    program, person = pair(make_user, sign_in, actor, target)
    allowed = actor >= ADMINISTRATOR and target in REACH[actor]
    assert program.get(f"people/{person.subject}")["may_change"] == allowed
    assert program.patch(f"people/{person.subject}", {"username": "renamed"})[0] == (200 if allowed else 403)
    person.refresh_from_db()
    assert (person.username == "renamed") == allowed


@pytest.mark.parametrize("role", list(ROLES))
@pytest.mark.parametrize("actor", [ADMINISTRATOR, OWNER])
def test_nobody_gives_a_role_that_is_not_his_to_give(
    actor: AdminRole, role: str, make_user: MakeUser, sign_in: SignIn
) -> None:
    program, person = pair(make_user, sign_in, actor, NONE)
    allowed = ROLES[role] in roles_to_give(User(pk=0, admin_role=actor))
    status, document = program.patch(f"people/{person.subject}", {"admin_role": role})
    assert status == (200 if allowed else 400)
    assert program.post("people", {"username": "new", "admin_role": role})[0] == (201 if allowed else 400)
    person.refresh_from_db()
    assert person.admin_role == (ROLES[role] if allowed else NONE)
    assert User.objects.filter(username="new").exists() == allowed
    if not allowed:
        assert document["errors"] == [{"field": "admin_role", "detail": "This role is not yours to give."}]


@pytest.mark.parametrize("role", [40, 41, -1, True, None, "OWNER", "40", ["owner"], {"owner": 1}])
def test_what_is_no_role_by_name_is_refused(role: Any, make_user: MakeUser, sign_in: SignIn) -> None:
    program, person = pair(make_user, sign_in, OWNER, NONE)
    assert program.patch(f"people/{person.subject}", {"admin_role": role})[0] == 400
    person.refresh_from_db()
    assert person.admin_role == NONE


def test_a_role_that_is_given_is_in_the_audit_trail(make_user: MakeUser, sign_in: SignIn) -> None:
    program, person = pair(make_user, sign_in, OWNER, NONE)
    program.patch(f"people/{person.subject}", {"admin_role": "administrator"})
    event = AuditEvent.objects.get(event="user.role_changed")
    assert (event.actor_name, event.username, event.detail["from"], event.detail["to"]) == ("actor", "target", 0, 30)
    assert event.detail["by"] == "api"


def test_nobody_acts_on_himself(make_user: MakeUser, sign_in: SignIn) -> None:
    actor = make_user("actor", OWNER)
    enrol_app(actor)
    program = sign_in(actor)
    shown = program.get(f"people/{actor.subject}")
    assert (shown["acts"], shown["may_change"]) == ([], False)
    for act in ACTS:
        assert program.post(f"people/{actor.subject}/acts/{act}", REASON)[0] == 403
    for given in ({"admin_role": "none"}, {"is_active": False}, {"email": "new@a.example"}, {}):
        assert program.patch(f"people/{actor.subject}", given)[0] == 403
    actor.refresh_from_db()
    assert (actor.admin_role, actor.is_active, actor.email) == (OWNER, True, "")
    assert actor.authenticators.count() == 1


OVER_POSTED: dict[str, Any] = {
    "subject": "00000000-0000-0000-0000-000000000000",
    "id": 1,
    "pk": 1,
    "password": "x",
    "email_verified_at": "2026-01-01T00:00:00Z",
    "mobile_verified_at": "2026-01-01T00:00:00Z",
    "locked_by_administrator_at": None,
    "session_epoch": 7,
    "username_key": "owner",
    "password_changed_at": "2026-01-01T00:00:00Z",
    "password_grace_used": 0,
    "mfa_grace_used": 0,
    "created_at": "2026-01-01T00:00:00Z",
    "last_login": None,
    "last_sign_in": None,
    "authenticators": [],
    "sessions": [],
    "recovery_codes": None,
    "is_staff": True,
    "is_superuser": True,
    "acts": ["unlock"],
}


@pytest.mark.parametrize("member", list(OVER_POSTED))
def test_marks_and_secrets_are_not_there_to_be_set(member: str, make_user: MakeUser, sign_in: SignIn) -> None:
    program, person = pair(make_user, sign_in, OWNER, NONE)
    before = User.objects.filter(pk=person.pk).values().get()
    status, document = program.patch(
        f"people/{person.subject}", {"email": "new@a.example", member: OVER_POSTED[member]}
    )
    assert status == 400
    assert "What may be given: admin_role, all_clients," in document["errors"][0]["detail"]
    assert User.objects.filter(pk=person.pk).values().get() == before
    assert program.post("people", {"username": "new", member: OVER_POSTED[member]})[0] == 400
    assert User.objects.count() == 2


def test_every_column_that_may_be_written_is_one_of_the_panels_form() -> None:
    from mfa.admin.user_form import UserForm
    from mfa.api.admin.people_documents import PersonGiven

    assert set(PersonGiven().fields) == set(UserForm.base_fields)


def test_a_changed_address_loses_its_mark_its_authenticator_and_what_rests_on_it(
    make_user: MakeUser, sign_in: SignIn
) -> None:
    now = timezone.now()
    program = sign_in(make_user("actor", OWNER))
    person = make_user("target", email="old@a.example", email_verified_at=now)
    Authenticator.objects.create(user=person, kind=2, destination="old@a.example", created_at=now, confirmed_at=now)
    Session.objects.create(user=person, auth_time=now, amr="pwd", acr="1", last_used_at=now)
    status, shown = program.patch(f"people/{person.subject}", {"email": "New@A.example"})
    assert (status, shown["email"], shown["email_verified_at"], shown["authenticators"]) == (
        200,
        "new@a.example",
        None,
        [],
    )
    assert shown["sessions"][0]["ended_at"]
    assert not Session.objects.filter(user=person, ended_at__isnull=True).exists()
    assert person.deliveries.get(template="authenticator_removed").destination == "old@a.example"
    told = set(AuditEvent.objects.filter(actor_name="actor").values_list("event", flat=True))
    assert told == {"user.changed", "authenticator.removed"}


@pytest.mark.parametrize("member", ["is_active", "is_approved"])
def test_closing_an_account_ends_what_rests_on_it(member: str, make_user: MakeUser, sign_in: SignIn) -> None:
    program, person = pair(make_user, sign_in, OWNER, HELPDESK)
    open_program = sign_in(person)
    User.objects.filter(pk=person.pk).update(locked_by_administrator_at=None)
    assert open_program.call("get", "")[0] == 200
    assert program.patch(f"people/{person.subject}", {member: False})[0] == 200
    assert open_program.call("get", "")[0] == 401
    assert program.patch(f"people/{person.subject}", {member: True})[0] == 200
    assert open_program.call("get", "")[0] == 401


def test_the_panel_keeps_a_lock_that_came_while_its_page_was_being_sent(make_user: MakeUser) -> None:
    """The same flow behind both doors: what a form does not change stays as it is in the table."""
    from django.contrib import admin
    from django.test import RequestFactory

    from mfa.admin.user_form import UserForm
    from mfa.admin.users import UserAdmin

    actor, person = make_user("actor", OWNER), make_user("target")
    form = UserForm({"username": "renamed", "is_active": "on", "is_approved": "on", "admin_role": "0"}, instance=person)
    assert form.is_valid(), form.errors
    User.objects.filter(pk=person.pk).update(locked_by_administrator_at=timezone.now())
    request = RequestFactory().post("/")
    request.user = actor
    UserAdmin(User, admin.site).save_model(request, form.instance, form, change=True)
    person = User.objects.get(pk=person.pk)
    assert person.username == "renamed"
    assert person.locked_by_administrator_at is not None


@pytest.mark.parametrize("lost", [{}, {"admin_role": 0}, {"is_active": False}, {"locked_by_administrator_at": NOON}])
def test_the_panel_looks_at_whoever_acts_once_more_under_the_lock(lost: dict[str, Any], make_user: MakeUser) -> None:
    from django.test import RequestFactory

    from mfa.admin.users import _under_lock

    actor, person = make_user("actor", OWNER), make_user("target")
    request = RequestFactory().post("/")
    request.user = actor
    User.objects.filter(pk=actor.pk).update(**lost or {"language": "fr"})
    with transaction.atomic(), pytest.raises(PermissionDenied) if lost else nullcontext():
        assert _under_lock(request, person.pk, Right.UNLOCK) == (actor, person)


def test_the_acts_are_the_panels() -> None:
    owner, person = User(pk=1, admin_role=OWNER), User(pk=2)
    assert list(ACTS) == [name for name, act in ACTS.items() if may(owner, act.right, person)]
