"""Who may do what to whom: the table, and the same table over HTTP for every verb (A63, A64, A65, A51)."""

from typing import Any

import pytest
from django.test import Client as Browser
from django.utils import timezone

from identity.models import AuditEvent, Group, Installation, Session, User
from identity.models.user import AdminRole
from identity.web.rights import LEAST_ROLE, Right, may, roles_to_give
from mfa.models.authenticator import Authenticator
from mfa.models.delivery import Delivery
from mfa.models.policy import MfaPolicy
from tests.mfa.admin.conftest import MakeUser, SignIn

pytestmark = pytest.mark.django_db

NONE, AUDITOR, HELPDESK, ADMINISTRATOR, OWNER = AdminRole
# Whom each role may unlock, reset and manage; the second column needs a role that may manage at all.
REACH = {
    NONE: set(),
    AUDITOR: set(),
    HELPDESK: {NONE},
    ADMINISTRATOR: {NONE, AUDITOR, HELPDESK},
    OWNER: {NONE, AUDITOR, HELPDESK, ADMINISTRATOR, OWNER},
}
PAIRS = [(actor, target) for actor in AdminRole for target in AdminRole]
REASON = {"reason": "they asked at the desk"}


def account(role: AdminRole, key: int) -> User:
    return User(pk=key, username=str(key), admin_role=role)


@pytest.mark.parametrize(("actor", "target"), PAIRS)
def test_the_table_of_rights(actor: AdminRole, target: AdminRole) -> None:
    one, other = account(actor, 1), account(target, 2)
    manages = actor >= ADMINISTRATOR
    assert may(one, Right.READ) == (actor >= AUDITOR)
    assert may(one, Right.CONFIGURE) == manages
    assert may(one, Right.UNLOCK, other) == (target in REACH[actor])
    assert may(one, Right.RESET_MFA, other) == (target in REACH[actor])
    assert may(one, Right.MANAGE_PEOPLE, other) == (manages and target in REACH[actor])
    assert not may(one, Right.RESET_MFA, one)


def test_every_right_has_a_least_role() -> None:
    assert set(LEAST_ROLE) == set(Right)


def test_a_disabled_administrator_has_no_right() -> None:
    disabled = account(OWNER, 1)
    disabled.is_active = False
    assert not any(may(disabled, right) for right in Right)


def test_nobody_gives_a_role_that_he_could_not_take_back() -> None:
    assert roles_to_give(account(HELPDESK, 1)) == []
    assert roles_to_give(account(ADMINISTRATOR, 1)) == [NONE, AUDITOR, HELPDESK]
    assert roles_to_give(account(OWNER, 1)) == list(AdminRole)


def pair(make_user: MakeUser, sign_in: SignIn, actor: AdminRole, target: AdminRole) -> tuple[Browser, User]:
    return sign_in(make_user("actor", actor)), make_user("target", target, locked_by_administrator_at=timezone.now())


@pytest.mark.parametrize(("actor", "target"), [(actor, target) for actor, target in PAIRS if actor])
def test_acts_follow_the_table_on_both_verbs(
    actor: AdminRole, target: AdminRole, make_user: MakeUser, sign_in: SignIn, enrol: Any
) -> None:
    browser, person = pair(make_user, sign_in, actor, target)
    enrol(person)
    allowed = target in REACH[actor]
    for act in ("unlock", "reset-mfa"):
        page = f"/admin/identity/user/{person.pk}/act/{act}/"
        assert browser.get(page).status_code == (200 if allowed else 403)
        assert browser.post(page, REASON).status_code == (302 if allowed else 403)
    person.refresh_from_db()
    assert (person.locked_by_administrator_at is None) == allowed
    assert Authenticator.objects.exists() != allowed


@pytest.mark.parametrize(("actor", "target"), [(actor, target) for actor, target in PAIRS if actor])
def test_edits_follow_the_table(actor: AdminRole, target: AdminRole, make_user: MakeUser, sign_in: SignIn) -> None:
    browser, person = pair(make_user, sign_in, actor, target)
    allowed = actor >= ADMINISTRATOR and target in REACH[actor]
    page = f"/admin/identity/user/{person.pk}/change/"
    shown = browser.get(page)
    assert shown.status_code == 200
    assert ('name="_save"' in shown.content.decode()) == allowed
    answer = browser.post(page, form(person, username="renamed"))
    assert answer.status_code == (302 if allowed else 403)
    person.refresh_from_db()
    assert (person.username == "renamed") == allowed


def form(person: User, **changed: Any) -> dict[str, Any]:
    """What the person's page sends, with its inlines as they stand."""
    return {
        "username": person.username,
        "email": person.email,
        "mobile_phone": person.mobile_phone,
        "language": "",
        "is_approved": "on",
        "is_active": "on",
        "admin_role": str(int(person.admin_role)),
        "authenticators-TOTAL_FORMS": "0",
        "authenticators-INITIAL_FORMS": "0",
        "sessions-TOTAL_FORMS": "0",
        "sessions-INITIAL_FORMS": "0",
        **changed,
    }


@pytest.mark.parametrize("actor", [role for role in AdminRole if role])
@pytest.mark.parametrize("verb", ["delete_view", "action", "rest"])
def test_nobody_deletes_a_person_whatever_the_verb(
    actor: AdminRole, verb: str, make_user: MakeUser, sign_in: SignIn
) -> None:
    browser, person = pair(make_user, sign_in, actor, NONE)
    if verb == "delete_view":
        assert browser.post(f"/admin/identity/user/{person.pk}/delete/", {"post": "yes"}).status_code == 403
    elif verb == "action":
        sent = {"action": "delete_selected", "_selected_action": str(person.pk), "post": "yes"}
        browser.post("/admin/identity/user/", sent)
    else:
        browser.delete(f"/admin/identity/user/{person.pk}/change/")
    assert User.objects.filter(pk=person.pk).exists()


def test_nobody_acts_on_himself(make_user: MakeUser, sign_in: SignIn, enrol: Any) -> None:
    owner = make_user("owner", OWNER)
    enrol(owner)
    browser = sign_in(owner)
    assert browser.post(f"/admin/identity/user/{owner.pk}/act/reset-mfa/", REASON).status_code == 403
    assert browser.post(f"/admin/identity/user/{owner.pk}/change/", form(owner, admin_role="0")).status_code == 403
    owner.refresh_from_db()
    assert owner.admin_role == OWNER
    assert owner.authenticators.count() == 1


@pytest.mark.parametrize("role", [ADMINISTRATOR, OWNER, 35, 41, -1, "x"])
def test_an_administrator_raises_nobody_to_his_own_role_or_above(
    role: Any, make_user: MakeUser, sign_in: SignIn
) -> None:
    browser, person = pair(make_user, sign_in, ADMINISTRATOR, NONE)
    sent = form(person, admin_role=str(int(role) if isinstance(role, int) else role))
    assert browser.post(f"/admin/identity/user/{person.pk}/change/", sent).status_code == 200
    assert browser.post("/admin/identity/user/add/", sent | {"username": "new"}).status_code == 200
    assert not User.objects.filter(admin_role__gt=0).exclude(username="actor").exists()


def test_a_role_that_is_given_is_in_the_audit_trail(make_user: MakeUser, sign_in: SignIn) -> None:
    browser, person = pair(make_user, sign_in, OWNER, NONE)
    browser.post(f"/admin/identity/user/{person.pk}/change/", form(person, admin_role="30"))
    event = AuditEvent.objects.get(event="user.role_changed")
    assert (event.actor_name, event.username, event.detail["from"], event.detail["to"]) == ("actor", "target", 0, 30)


def test_marks_and_secrets_are_not_the_forms_to_set(make_user: MakeUser, sign_in: SignIn, enrol: Any) -> None:
    browser, person = pair(make_user, sign_in, OWNER, NONE)
    held = enrol(person)
    sent = form(
        person,
        email="new@a.example",
        email_verified_at="2026-01-01",
        email_verified_at_0="2026-01-01",
        email_verified_at_1="00:00",
        mobile_verified_at_0="2026-01-01",
        password="x",
        subject="00000000-0000-0000-0000-000000000000",
        locked_by_administrator_at="",
        session_epoch="7",
    )
    sent |= {
        "authenticators-TOTAL_FORMS": "2",
        "authenticators-INITIAL_FORMS": "1",
        "authenticators-0-id": str(held.pk),
        "authenticators-0-DELETE": "on",
        "authenticators-0-disabled_at": "2026-01-01",
        "authenticators-1-kind": "2",
        "authenticators-1-destination": "evil@a.example",
        "authenticators-1-confirmed_at": "2026-01-01",
    }
    assert browser.post(f"/admin/identity/user/{person.pk}/change/", sent).status_code == 302
    before = (person.password, person.subject, person.session_epoch)
    person.refresh_from_db()
    assert person.email == "new@a.example"
    assert (person.email_verified_at, person.mobile_verified_at) == (None, None)
    assert (person.password, person.subject, person.session_epoch) == before
    assert person.locked_by_administrator_at is not None
    assert [row.pk for row in Authenticator.objects.all()] == [held.pk]


def test_a_changed_address_loses_its_mark_its_authenticator_and_what_rests_on_it(
    make_user: MakeUser, sign_in: SignIn
) -> None:
    now = timezone.now()
    browser = sign_in(make_user("actor", OWNER))
    person = make_user("target", email="old@a.example", email_verified_at=now)
    Authenticator.objects.create(user=person, kind=2, destination="old@a.example", created_at=now, confirmed_at=now)
    Session.objects.create(user=person, auth_time=now, amr="pwd", acr="1", last_used_at=now)
    browser.post(f"/admin/identity/user/{person.pk}/change/", form(person, email="new@a.example"))
    person.refresh_from_db()
    assert (person.email, person.email_verified_at) == ("new@a.example", None)
    assert [sent.destination for sent in Delivery.objects.filter(template="authenticator_removed")] == ["old@a.example"]
    assert not Authenticator.objects.exists()
    assert not Session.objects.filter(user=person, ended_at__isnull=True).exists()


def test_an_administrator_cannot_finish_an_enrolment_for_somebody(make_user: MakeUser, sign_in: SignIn) -> None:
    browser, person = pair(make_user, sign_in, OWNER, NONE)
    for path in ("mfa/authenticator/add/", "mfa/enrolment/", f"mfa/enrolment/{person.pk}/change/"):
        assert browser.get(f"/admin/{path}").status_code == 404


@pytest.mark.parametrize("actor", [AUDITOR, HELPDESK])
@pytest.mark.parametrize(
    "page",
    [
        "identity/client/add/",
        "identity/group/add/",
        "identity/user/add/",
        "mfa/mfapolicy/add/",
        "identity/installation/1/change/",
        "identity/group/1/change/",
        "identity/group/1/delete/",
        "mfa/mfapolicy/1/change/",
        "mfa/mfapolicy/1/delete/",
    ],
)
def test_who_only_reads_configures_nothing(actor: AdminRole, page: str, make_user: MakeUser, sign_in: SignIn) -> None:
    group = Group.objects.create(pk=1, name="staff")
    MfaPolicy.objects.create(pk=1, group=group)
    Installation.current()
    browser = sign_in(make_user("actor", actor))
    assert browser.post(f"/admin/{page}", {"name": "x", "mode": "off", "post": "yes"}).status_code == 403
    assert Group.objects.get().name == "staff"
    assert MfaPolicy.objects.get().mode == "required"


@pytest.mark.parametrize("actor", [role for role in AdminRole if role])
def test_the_audit_trail_is_nobodys_to_change(actor: AdminRole, make_user: MakeUser, sign_in: SignIn) -> None:
    browser, person = pair(make_user, sign_in, actor, NONE)
    AuditEvent.objects.create(at=timezone.now(), event="account.locked", outcome="success", user_id=person.pk)
    key = AuditEvent.objects.get().pk
    assert browser.get(f"/admin/identity/auditevent/?user_id={person.pk}").status_code == 200
    assert browser.get(f"/admin/identity/auditevent/{key}/change/").status_code == 200
    assert browser.post(f"/admin/identity/auditevent/{key}/change/", {"event": "x"}).status_code == 403
    assert browser.post(f"/admin/identity/auditevent/{key}/delete/", {"post": "yes"}).status_code == 403
    assert browser.get("/admin/identity/auditevent/add/").status_code == 403
    assert AuditEvent.objects.get().event == "account.locked"
