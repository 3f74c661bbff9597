"""What the pages say: MFA state by column and filter, at a fixed price; clients and policies; and an event for each change."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from identity.flows.clients import check_secret, own_pages
from identity.models import AuditEvent, Client, Group, Installation, User
from identity.models.user import AdminRole
from mfa import secret_store
from mfa.admin.state import explain
from mfa.flows import policy
from mfa.models.authentication_request import AuthenticationRequest
from mfa.models.authenticator import Authenticator, Enrolment, Kind
from mfa.models.policy import MfaPolicy
from tests.mfa.admin.conftest import MakeUser, SignIn

pytestmark = pytest.mark.django_db

USERS = "/admin/identity/user/"


@pytest.fixture
def owner(make_user: MakeUser) -> User:
    return make_user("owner", AdminRole.OWNER)


def names(answer: Any) -> list[str]:
    """The people on a page of the list."""
    return [row.username for row in answer.context["cl"].result_list]


def pending_enrolment(user: User, minutes: int = 5) -> None:
    now = timezone.now()
    request = AuthenticationRequest.objects.create(
        digest=bytes([user.pk % 256]) * 32, user=user, typed_name=user.username, created_at=now, expires_at=now
    )
    Enrolment.objects.create(
        user=user, request=request, kind=Kind.APP, begun_at=now, expires_at=now + timedelta(minutes=minutes)
    )


def test_the_list_costs_the_same_for_two_people_and_for_fifty(
    owner: User, make_user: MakeUser, sign_in: SignIn, enrol: Any
) -> None:
    browser, group = sign_in(owner), Group.objects.create(name="staff")
    costs = []
    for number in range(50):
        person = make_user(f"person{number:02}")
        person.groups.add(group)
        enrol(person)
        if number in (1, 49):
            browser.get(USERS)
            with CaptureQueriesContext(
                connection,
            ) as queries:
                assert browser.get(USERS).status_code == 200
            costs.append(len(queries))
    assert costs[0] == costs[1]
    assert costs[1] < 20


def test_the_filters_find_who_is_enrolled_pending_and_locked(
    owner: User, make_user: MakeUser, sign_in: SignIn, enrol: Any
) -> None:
    enrolled, pending, stale, locked, disabled = (make_user(name) for name in ("e", "p", "s", "l", "d"))
    enrol(enrolled)
    enrol(disabled)
    Authenticator.objects.filter(user=disabled).update(disabled_at=timezone.now())
    pending_enrolment(pending)
    pending_enrolment(stale, minutes=-1)
    User.objects.filter(pk=locked.pk).update(locked_by_administrator_at=timezone.now())
    browser = sign_in(owner)
    assert names(browser.get(USERS, {"enrolled": "yes"})) == ["e"]
    assert names(browser.get(USERS, {"pending": "yes"})) == ["p"]
    assert names(browser.get(USERS, {"locked": "yes"})) == ["l"]
    assert names(browser.get(USERS, {"enrolled": "no", "locked": "no"})) == ["d", "owner", "p", "s"]
    assert names(browser.get(USERS, {"enrolled": "perhaps"})) == ["d", "e", "l", "owner", "p", "s"]


def test_required_follows_the_strictest_policy_of_installation_and_groups(
    owner: User, make_user: MakeUser, sign_in: SignIn
) -> None:
    browser, member = sign_in(owner), make_user("member")
    everybody = ["member", "owner"]
    required = {"required": "yes"}
    assert names(browser.get(USERS, required)) == everybody
    policy = MfaPolicy.objects.create(installation=Installation.current(), mode="optional")
    assert names(browser.get(USERS, required)) == []
    staff = Group.objects.create(name="staff")
    member.groups.add(staff)
    MfaPolicy.objects.create(group=staff, mode="required")
    assert names(browser.get(USERS, required)) == ["member"]
    MfaPolicy.objects.filter(group=staff).update(mode="off")
    policy.delete()
    assert names(browser.get(USERS, required)) == ["owner"]


@pytest.mark.parametrize(
    ("days", "found"), [(0.5, ["1", "7", "30"]), (3, ["7", "30"]), (10, ["30"]), (40, ["older"]), (None, ["never"])]
)
def test_the_last_sign_in_is_a_filter(
    days: float | None, found: list[str], owner: User, make_user: MakeUser, sign_in: SignIn
) -> None:
    make_user("p", last_login=timezone.now() - timedelta(days=days) if days else None)
    browser = sign_in(owner)
    values = ["1", "7", "30", "older", "never"]
    assert [value for value in values if "p" in names(browser.get(USERS, {"signed_in": value}))] == found


def test_people_are_found_by_name_and_address(owner: User, make_user: MakeUser, sign_in: SignIn) -> None:
    make_user("anna", email="a.b@c.example")
    assert names(sign_in(owner).get(USERS, {"q": "a.b@C"})) == ["anna"]


def test_a_persons_page_explains_the_policy_and_names_the_authenticators(
    owner: User, make_user: MakeUser, sign_in: SignIn, enrol: Any
) -> None:
    person, now = make_user("anna"), timezone.now()
    client = Client.objects.create(client_id="shop", name="The shop", client_secret="", hash_client_secret=False)
    person.clients.add(client)
    MfaPolicy.objects.create(client=client, mode="required", transports=["Email"])
    MfaPolicy.objects.create(installation=Installation.current(), mode="optional", transports=["Email", "SMS"])
    enrol(person, label="Anna's phone")
    Authenticator.objects.create(
        user=person, kind=Kind.EMAIL, destination="m.m@gmail.com", created_at=now, confirmed_at=now, disabled_at=now
    )
    page = sign_in(owner).get(f"{USERS}{person.pk}/change/").content.decode()
    assert "by the installation&#x27;s own pages" in page
    assert "by MFA policy of The shop" in page
    assert "by MFA policy of the installation" in page
    assert "Anna&#x27;s phone" in page
    assert "m*m@g****.com" in page
    assert "too many wrong codes" in page


def test_the_policy_of_the_servers_own_pages_is_shown_as_it_is_in_force(make_user: MakeUser) -> None:
    """They never let anybody in without a second factor, and they may have a policy of their own."""
    person = make_user("anna")
    MfaPolicy.objects.create(installation=Installation.current(), mode="off", grace_logins=9, remember_days=30)
    MfaPolicy.objects.create(client=own_pages(), mode="off", transports=["Email"], grace_logins=9, remember_days=30)
    (_, shown), *_others = explain(person)
    assert shown == policy.effective(person, own_pages())
    assert (shown.mode, shown.kinds, shown.grace_logins, shown.remember_days) == ("required", (Kind.EMAIL,), 0, 0)
    assert {shown.reasons[rule] for rule in ("mode", "grace_logins", "remember_days")} == {
        "the installation's own pages"
    }
    assert shown.reasons["transports"] == "MFA policy of Stepward"


def test_an_old_account_shows_its_newest_sessions_only(owner: User, make_user: MakeUser, sign_in: SignIn) -> None:
    person, now = make_user("anna"), timezone.now()
    for number in range(30):
        person.sessions.create(auth_time=now - timedelta(days=number), amr="pwd", acr="1", last_used_at=now)
    page = sign_in(owner).get(f"{USERS}{person.pk}/change/")
    assert page.content.decode().count('<td class="field-signed_in">') == 20


def test_every_change_of_the_panel_is_one_event_with_its_actor(owner: User, sign_in: SignIn) -> None:
    browser = sign_in(owner)
    empty = {f"{name}-{count}_FORMS": "0" for name in ("authenticators", "sessions") for count in ("TOTAL", "INITIAL")}
    rules = {field.name: field.default for field in Installation._meta.fields if field.name != "id"} | {
        "lockout_attempts": 7
    }
    rules.pop("unique_emails")
    for page, sent, event in (
        ("identity/user/add/", {"username": "new", "admin_role": "0", "is_active": "on", **empty}, "user.created"),
        ("identity/group/add/", {"name": "staff"}, "group.created"),
        (
            "identity/client/add/",
            {"client_id": "one", "grant_types": ["password"], "is_active": "on"},
            "client.created",
        ),
        ("identity/installation/1/change/", rules, "installation.changed"),
        (
            "mfa/mfapolicy/add/",
            {
                "installation": "1",
                "mode": "optional",
                "transports": ["Email"],
                "grace_logins": "0",
                "remember_days": "0",
                "first_enrolment": "password",
            },
            "policy.created",
        ),
    ):
        answer = browser.post(f"/admin/{page}", sent)
        assert answer.status_code == 302, answer.content.decode()
        assert AuditEvent.objects.get(event=event).actor_name == "owner"
    group = Group.objects.get()
    browser.post(f"/admin/identity/group/{group.pk}/delete/", {"post": "yes"})
    assert AuditEvent.objects.get(event="group.removed").detail["of"] == "staff"
    assert not User.objects.get(username="new").has_usable_password()


def test_an_edit_that_changes_nothing_is_no_event(owner: User, sign_in: SignIn) -> None:
    group = Group.objects.create(name="staff")
    sign_in(owner).post(f"/admin/identity/group/{group.pk}/change/", {"name": "staff"})
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"username": "OWNER"}, "username"),
        ({"username": "a\u0007b"}, "username"),
        ({"email": "no"}, "email"),
        ({"mobile_phone": "0612345678"}, "mobile_phone"),
        (
            {"start_date": "2026-02-02T00:00", "end_date": "2026-02-01T00:00"},
            "end_date",
        ),
        ({"language": "xx"}, "language"),
    ],
)
def test_what_cannot_be_kept_of_a_person_is_an_error_of_the_field(
    sent: dict[str, str], field: str, owner: User, make_user: MakeUser, sign_in: SignIn
) -> None:
    person = make_user("anna")
    empty = {f"{name}-{count}_FORMS": "0" for name in ("authenticators", "sessions") for count in ("TOTAL", "INITIAL")}
    answer = sign_in(owner).post(
        f"{USERS}{person.pk}/change/", {"username": "anna", "admin_role": "0", **empty, **sent}
    )
    assert answer.status_code == 200
    assert field in answer.context["adminform"].form.errors


def test_an_address_is_unique_where_the_installation_says_so(owner: User, make_user: MakeUser, sign_in: SignIn) -> None:
    Installation.objects.update_or_create(pk=1, defaults={"unique_emails": True})
    make_user("a", email="x@y.example")
    answer = sign_in(owner).post(f"{USERS}add/", {"username": "b", "email": "X@y.example", "admin_role": "0"})
    assert "email" in answer.context["adminform"].form.errors


def test_a_clients_secret_is_shown_once_and_kept_as_a_digest(owner: User, sign_in: SignIn) -> None:
    browser = sign_in(owner)
    sent = {
        "client_id": "one",
        "name": "One",
        "grant_types": ["client_credentials"],
        "confidential": "on",
        "is_active": "on",
    }
    answer = browser.post("/admin/identity/client/add/", sent)
    first, client = answer.context["secret"], Client.objects.get()
    assert "no-store" in answer.headers["Cache-Control"]
    assert check_secret(client, first)
    assert first not in client.client_secret
    answer = browser.post(f"/admin/identity/client/{client.pk}/secret/")
    second = answer.context["secret"]
    client.refresh_from_db()
    assert check_secret(client, second)
    assert not check_secret(client, first)
    for page in ("", f"{client.pk}/change/", f"{client.pk}/secret/"):
        shown = browser.get(f"/admin/identity/client/{page}").content.decode()
        assert first not in shown
        assert second not in shown
        assert "hmac-sha256$" not in shown
    events = AuditEvent.objects.order_by("id").values_list("event", flat=True)
    assert list(events) == ["client.created", "client.secret_replaced"]
    assert second not in str(list(AuditEvent.objects.values()))


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"client_id": "a b"}, "client_id"),
        ({"client_id": "stepward"}, "client_id"),
        ({"grant_types": ["client_credentials"]}, "grant_types"),
        ({"grant_types": ["implicit"]}, "grant_types"),
        ({"grant_types": ["authorization_code"]}, "redirect_uris"),
        ({"redirect_uris": "http://evil.example/"}, "redirect_uris"),
        ({"redirect_uris": "https://a.example/#x"}, "redirect_uris"),
        ({"scopes": ["everything"]}, "scopes"),
    ],
)
def test_a_client_that_would_be_unsafe_is_refused(
    sent: dict[str, Any], field: str, owner: User, sign_in: SignIn
) -> None:
    answer = sign_in(owner).post(
        "/admin/identity/client/add/", {"client_id": "one", "grant_types": ["password"], "is_active": "on", **sent}
    )
    assert field in answer.context["adminform"].form.errors
    assert not Client.objects.exists()


def test_the_installations_own_pages_are_no_client_of_the_panel(owner: User, sign_in: SignIn) -> None:
    own = own_pages()
    browser = sign_in(owner)
    assert "stepward</" not in browser.get("/admin/identity/client/").content.decode()
    assert browser.post(f"/admin/identity/client/{own.pk}/change/", {"name": "x"}).status_code == 302
    own.refresh_from_db()
    assert own.name == "Stepward"


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"installation": "1", "group": "1"},
        {"installation": "1", "transports": []},
        {"installation": "1", "remember_days": "400"},
    ],
)
def test_a_policy_belongs_to_one_subject_and_lets_somebody_enrol(
    sent: dict[str, Any], owner: User, sign_in: SignIn
) -> None:
    Installation.current()
    Group.objects.create(pk=1, name="staff")
    form = {
        "mode": "required",
        "transports": ["Email"],
        "grace_logins": "0",
        "remember_days": "0",
        "first_enrolment": "password",
    }
    answer = sign_in(owner).post("/admin/mfa/mfapolicy/add/", form | sent)
    assert answer.context["adminform"].form.errors
    assert not MfaPolicy.objects.exists()


def test_only_the_panels_own_pages_are_registered() -> None:
    assert {model._meta.label for model in admin.site._registry} == {
        "identity.User",
        "identity.Group",
        "identity.Client",
        "identity.Installation",
        "identity.AuditEvent",
        "mfa.KeyRotation",
        "mfa.MfaPolicy",
    }


def test_no_page_and_no_dump_shows_a_secret(owner: User, make_user: MakeUser, sign_in: SignIn) -> None:
    person, now, secret = make_user("anna", password="argon2$canary-of-a-hash"), timezone.now(), b"canary-of-a-secret!!"
    held = Authenticator(user=person, kind=Kind.APP, created_at=now, confirmed_at=now, label="Phone")
    held.sealed_secret = secret_store.seal_for(
        person, secret, table="mfa_authenticator", row=str(held.pk), purpose="totp"
    )
    held.save()
    client = Client(client_id="one", name="One", grant_types=["password"], client_secret="", hash_client_secret=False)
    client.save()
    browser = sign_in(owner)
    shown = "".join(
        browser.get(f"/admin/{page}").content.decode()
        for page in (
            "",
            "identity/user/",
            f"identity/user/{person.pk}/change/",
            "identity/client/",
            f"identity/client/{client.pk}/change/",
            "identity/auditevent/",
            "mfa/mfapolicy/",
        )
    )
    sealed = bytes(held.sealed_secret)
    for canary in ("canary", sealed.hex(), secret.hex(), "argon2", "sealed_secret"):
        assert canary not in shown
    assert "Phone" in shown


def test_a_dump_of_the_database_holds_ciphertext_at_most(
    capsys: pytest.CaptureFixture[str], make_user: MakeUser
) -> None:
    import base64

    person, now, secret = make_user("anna"), timezone.now(), b"canary-of-a-secret!!"
    held = Authenticator(user=person, kind=Kind.APP, created_at=now, confirmed_at=now)
    held.sealed_secret = secret_store.seal_for(
        person, secret, table="mfa_authenticator", row=str(held.pk), purpose="totp"
    )
    held.save()
    call_command("dumpdata", "identity", "mfa")
    dumped = capsys.readouterr().out
    rows = json.loads(dumped)
    assert any(row["model"] == "mfa.authenticator" and row["fields"]["sealed_secret"] for row in rows)
    for spelling in (
        secret.decode(),
        secret.hex(),
        base64.b64encode(secret).decode(),
        base64.b32encode(secret).decode(),
    ):
        assert spelling not in dumped
