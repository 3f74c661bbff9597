"""Nobody comes in but a person with a role whose token says `admin` and tells of a second factor: on every operation."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client as Http
from django.utils import timezone

from config import openapi
from identity.flows import tokens
from identity.models import AuditEvent, Client, Group, Installation, Session, User
from identity.models.user import AdminRole
from mfa.models import MfaPolicy
from tests.factories import enrol_app, make_client, sign_in_client
from tests.factories import make_user as account
from tests.mfa.api.admin.conftest import MakeUser, Program, SignIn

pytestmark = pytest.mark.django_db

PREFIX = "/api/admin/"
OPERATIONS = sorted(
    (method, address.removeprefix(PREFIX))
    for address, item in openapi.document()["paths"].items()
    if address.startswith(PREFIX)
    for method in item
)
WRITING = [(method, path) for method, path in OPERATIONS if method != "get"]
REASON = {"reason": "asked at the desk"}


def test_every_operation_is_walked() -> None:
    assert len(OPERATIONS) >= 30
    assert {method for method, _ in OPERATIONS} == {"get", "post", "patch", "delete"}


def filled(path: str, make_user: MakeUser) -> str:
    """The address of rows that there are."""
    person = User.objects.named("target") or make_user("target")
    group, _ = Group.objects.get_or_create(name="staff")
    policy, _ = MfaPolicy.objects.get_or_create(group=group)
    client = Client.objects.filter(client_id="target").first() or make_client(client_id="target")
    Installation.current()
    AuditEvent.objects.create(at=timezone.now(), event="account.locked", outcome="success")
    number = {
        "groups": group.pk,
        "policies": policy.pk,
        "clients": client.pk,
        "audit-events": AuditEvent.objects.order_by("pk").values_list("pk", flat=True)[0],
    }.get(path.partition("/")[0], 0)
    return path.format(subject=person.subject, act="lock", pk=number, id=number)


GIVEN: dict[str, Any] = {
    "people": {"username": "new"},
    "groups": {"name": "new"},
    "clients": {"name": "new"},
    "policies": {"installation": True},
    "key-rotations": REASON,
}


def body(method: str, path: str) -> Any:
    """What would be done, if it were allowed."""
    if method == "patch":
        kind = path.partition("/")[0]
        return {
            "people": {"username": "renamed"},
            "groups": {"name": "renamed"},
            "clients": {"name": "renamed"},
            "policies": {"mode": "off"},
            "installation": {"lockout_attempts": 99},
        }[kind]
    return (REASON if "/acts/" in path else GIVEN.get(path)) if method == "post" else None


def state() -> list[Any]:
    return [
        list(User.objects.order_by("pk").values_list("username", "locked_by_administrator_at", "admin_role")),
        list(Group.objects.order_by("pk").values_list("name")),
        list(Client.objects.order_by("pk").values_list("name", "client_secret")),
        list(MfaPolicy.objects.order_by("pk").values_list("mode")),
        list(Installation.objects.values_list("lockout_attempts")),
    ]


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_an_owner_just_signed_in_may_do_each(method: str, path: str, make_user: MakeUser, owner: Program) -> None:
    """So that none of the refusals below is one for another reason."""
    status, document = owner.call(method, filled(path, make_user), body(method, path))
    assert status == (201 if method == "post" and path in ("people", "groups", "clients", "policies") else status)
    assert status in (200, 201, 204), document


def nobody(make_user: MakeUser, sign_in: SignIn) -> tuple[Program, int, str]:
    return Program(""), 401, "Bearer"


def garbage(make_user: MakeUser, sign_in: SignIn) -> tuple[Program, int, str]:
    return Program("e30.e30.e30"), 401, 'Bearer error="invalid_token"'


def forged(make_user: MakeUser, sign_in: SignIn) -> tuple[Program, int, str]:
    head, _, sign = sign_in(make_user("actor", AdminRole.AUDITOR)).token.split(".")
    _, body, _ = sign_in(make_user("boss", AdminRole.OWNER)).token.split(".")
    return Program(f"{head}.{body}.{sign}"), 401, 'Bearer error="invalid_token"'


def of_an_ended_session(make_user: MakeUser, sign_in: SignIn) -> tuple[Program, int, str]:
    actor = make_user("actor", AdminRole.OWNER)
    program = sign_in(actor)
    tokens.end_sessions(actor, "a test", timezone.now())
    return program, 401, 'Bearer error="invalid_token"'


def of_a_disabled_account(make_user: MakeUser, sign_in: SignIn) -> tuple[Program, int, str]:
    return sign_in(make_user("actor", AdminRole.OWNER, is_active=False)), 401, 'Bearer error="invalid_token"'


def of_a_locked_account(make_user: MakeUser, sign_in: SignIn) -> tuple[Program, int, str]:
    locked = make_user("actor", AdminRole.OWNER, locked_by_administrator_at=timezone.now())
    return sign_in(locked), 401, 'Bearer error="invalid_token"'


def of_an_account_that_is_over(make_user: MakeUser, sign_in: SignIn) -> tuple[Program, int, str]:
    over = make_user("actor", AdminRole.OWNER, end_date=timezone.now() - timedelta(minutes=1))
    return sign_in(over), 401, 'Bearer error="invalid_token"'


def of_an_inactive_client(make_user: MakeUser, sign_in: SignIn) -> tuple[Program, int, str]:
    program = sign_in(make_user("actor", AdminRole.OWNER))
    Client.objects.filter(client_id="console").update(is_active=False)
    return program, 401, 'Bearer error="invalid_token"'


def without_the_scope(make_user: MakeUser, sign_in: SignIn) -> tuple[Program, int, str]:
    program = sign_in(make_user("actor", AdminRole.OWNER), scopes="openid IdentityServerApi")
    return program, 403, 'Bearer error="insufficient_scope", scope="admin"'


def of_a_client_that_lists_it_no_more(make_user: MakeUser, sign_in: SignIn) -> tuple[Program, int, str]:
    program = sign_in(make_user("actor", AdminRole.OWNER))
    Client.objects.filter(client_id="console").update(scopes=[])
    return program, 403, 'Bearer error="insufficient_scope", scope="admin"'


def of_a_client_itself(make_user: MakeUser, sign_in: SignIn) -> tuple[Program, int, str]:
    secret = "a secret of twenty chars"
    machine = make_client(secret=secret, grant_types=["client_credentials"], scopes=["admin"])
    asked = {"grant_type": "client_credentials", "client_id": machine.client_id, "client_secret": secret}
    given = Http().post("/connect/token", {**asked, "scope": "admin"}, "application/json")
    assert given.json()["scope"] == "admin"
    return Program(given.json()["access_token"]), 403, 'Bearer error="insufficient_scope", scope="admin"'


def on_a_password_alone(make_user: MakeUser, sign_in: SignIn) -> tuple[Program, int, str]:
    program = sign_in(make_user("actor", AdminRole.OWNER), amr="pwd", acr="1")
    return program, 403, 'Bearer error="insufficient_user_authentication", acr_values="2", max_age="28800"'


def of_yesterday(make_user: MakeUser, sign_in: SignIn) -> tuple[Program, int, str]:
    program = sign_in(make_user("actor", AdminRole.OWNER), minutes_ago=8 * 60 + 1)
    return program, 403, 'Bearer error="insufficient_user_authentication", acr_values="2", max_age="28800"'


def of_tomorrow(make_user: MakeUser, sign_in: SignIn) -> tuple[Program, int, str]:
    program = sign_in(make_user("actor", AdminRole.OWNER), minutes_ago=-5)
    return program, 403, 'Bearer error="insufficient_user_authentication", acr_values="2", max_age="28800"'


def without_a_role(make_user: MakeUser, sign_in: SignIn) -> tuple[Program, int, str]:
    return sign_in(make_user("actor")), 403, ""


def whose_role_was_taken(make_user: MakeUser, sign_in: SignIn) -> tuple[Program, int, str]:
    actor = make_user("actor", AdminRole.OWNER)
    program = sign_in(actor)
    User.objects.filter(pk=actor.pk).update(admin_role=0)
    return program, 403, ""


TURNED_AWAY = [
    nobody,
    garbage,
    forged,
    of_an_ended_session,
    of_a_disabled_account,
    of_a_locked_account,
    of_an_account_that_is_over,
    of_an_inactive_client,
    without_the_scope,
    of_a_client_that_lists_it_no_more,
    of_a_client_itself,
    on_a_password_alone,
    of_yesterday,
    of_tomorrow,
    without_a_role,
    whose_role_was_taken,
]


@pytest.mark.parametrize("whose", TURNED_AWAY, ids=lambda each: each.__name__)
def test_nobody_else_comes_in_whatever_the_operation(whose: Any, make_user: MakeUser, sign_in: SignIn) -> None:
    program, expected, challenge = whose(make_user, sign_in)
    paths = [(method, filled(path, make_user), body(method, path)) for method, path in OPERATIONS]
    before = state()
    for method, path, given in paths:
        status, document = program.call(method, path, given)
        assert (status, program.answer.headers.get("WWW-Authenticate", "")) == (expected, challenge), (method, path)
        assert program.answer["Content-Type"] == "application/problem+json"
        assert document["status"] == expected
        assert set(document) == {"type", "title", "status", "detail"}
    assert state() == before


@pytest.mark.parametrize("minutes", [11, 7 * 60])
def test_after_ten_minutes_a_token_reads_and_changes_nothing(
    minutes: int, make_user: MakeUser, sign_in: SignIn
) -> None:
    program = sign_in(make_user("actor", AdminRole.OWNER), minutes_ago=minutes)
    paths = [(method, filled(path, make_user), body(method, path)) for method, path in OPERATIONS]
    before = state()
    for method, path, given in paths:
        status, _ = program.call(method, path, given)
        assert status == (200 if method == "get" else 403), (method, path)
        if status == 403:
            challenge = program.answer.headers["WWW-Authenticate"]
            assert challenge == 'Bearer error="insufficient_user_authentication", acr_values="2", max_age="600"'
    assert state() == before


def test_nine_minutes_are_fresh(make_user: MakeUser, sign_in: SignIn) -> None:
    assert sign_in(make_user("actor", AdminRole.OWNER), minutes_ago=9).post("groups", {"name": "new"})[0] == 201


@pytest.mark.parametrize("role", [AdminRole.AUDITOR, AdminRole.HELPDESK])
def test_who_only_reads_configures_nothing(role: AdminRole, make_user: MakeUser, sign_in: SignIn) -> None:
    program = sign_in(make_user("actor", role))
    paths = [(method, filled(path, make_user), body(method, path)) for method, path in OPERATIONS]
    before = state()
    for method, path, given in paths:
        status, document = program.call(method, path, given)
        assert status == (200 if method == "get" else 403), (method, path)
        if status == 403:
            assert document["detail"] == "The account has no role that allows this."
    assert state() == before


def test_a_remembered_device_does_not_open_it() -> None:
    """A real sign-in with a device that needed no second factor: the token says so, and is refused."""
    person = account(admin_role=AdminRole.OWNER)
    phone = enrol_app(person)
    console = make_client(scopes=["admin"], mfa={"mode": "required", "remember_days": 30})
    client = sign_in_client(person, console)
    first = client.code_step(client.password_step(scope="admin"), phone.code(), RememberDevice="true").document
    assert Program(first["access_token"]).get()["asking"]["username"] == person.username
    again = client.password_step(scope="admin", RememberedDeviceToken=first["RememberedDeviceToken"]).document
    assert Program(again["access_token"]).call("get", "")[0] == 403


def test_a_renewed_token_is_no_fresher_than_its_sign_in() -> None:
    person = account(admin_role=AdminRole.OWNER)
    phone = enrol_app(person)
    client = sign_in_client(person, make_client(scopes=["admin", "offline_access"]))
    first = client.code_step(client.password_step(scope="admin offline_access"), phone.code()).document
    assert Program(first["access_token"]).post("groups", {"name": "new"})[0] == 201
    Session.objects.update(auth_time=timezone.now() - timedelta(minutes=11))
    renewed = Program(client.refresh(first["refresh_token"]).document["access_token"])
    assert renewed.get()["asking"]["username"] == person.username
    assert renewed.post("groups", {"name": "newer"})[0] == 403
    assert 'max_age="600"' in renewed.answer.headers["WWW-Authenticate"]


def test_a_client_gets_the_scope_only_if_it_lists_it() -> None:
    person = account(admin_role=AdminRole.OWNER)
    phone = enrol_app(person)
    client = sign_in_client(person, make_client(scopes=[]))
    assert client.password_step(scope="admin").document["error"] == "invalid_scope"
    unasked = client.code_step(client.password_step(), phone.code()).document
    assert "admin" not in unasked["scope"].split()
    assert Program(unasked["access_token"]).call("get", "")[0] == 403


@pytest.mark.parametrize("way", ["query", "body", "cookie", "basic"])
def test_the_token_is_taken_from_its_header_alone(way: str, owner: Program) -> None:
    http, token = Http(), owner.token
    if way == "query":
        answer: Any = http.get("/api/admin/", {"access_token": token})
    elif way == "body":
        answer = http.post("/api/admin/groups", {"access_token": token, "name": "x"})
    elif way == "cookie":
        http.cookies["stepward_session"] = token
        answer = http.get("/api/admin/")
    else:
        answer = http.get("/api/admin/", headers={"Authorization": f"Basic {token}"})
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


def test_the_panels_own_session_opens_nothing_here(make_user: MakeUser) -> None:
    actor, now = make_user("actor", AdminRole.OWNER), timezone.now()
    browser = Http()
    browser.force_login(actor)
    opened = Session.objects.create(user=actor, auth_time=now, amr="pwd otp mfa", acr="2", last_used_at=now)
    kept = browser.session
    kept.update({"acr": "2", "auth_time": int(now.timestamp()), "sid": str(opened.pk)})
    kept.save()
    assert browser.get("/admin/").status_code == 200
    assert browser.get("/api/admin/").status_code == 401


def test_what_is_not_there_is_refused_in_the_same_form(owner: Program) -> None:
    unknown = "1b671a64-40d5-491e-99b0-da01ff1f3341"
    for path in (
        *(f"people/{unknown}", f"people/{unknown}/sessions", f"people/{unknown}/authenticators"),
        *(f"{kind}/{number}" for kind in ("groups", "clients", "policies", "audit-events") for number in (0, 10**30)),
        *("people/1", "groups/x", "nothing"),
    ):
        assert owner.call("get", path)[0] == 404, path
    for path in (f"people/{unknown}/acts/lock", "clients/0/secret"):
        assert owner.post(path, REASON)[0] == 404
    for kind in ("groups", "policies"):
        assert owner.delete(f"{kind}/0") == 404
        assert owner.patch(f"{kind}/0", {})[0] == 404
    assert owner.patch(f"people/{unknown}", {})[0] == 404
    assert json.loads(owner.answer.content)["title"] == "Not Found"


def test_an_unknown_act_is_not_there(owner: Program, make_user: MakeUser) -> None:
    assert owner.post(f"people/{make_user('target').subject}/acts/fly", REASON)[0] == 404


@pytest.mark.parametrize("path", ["people", "groups", "installation", "keys"])
def test_other_methods_are_not_offered(path: str, owner: Program) -> None:
    assert owner.call("put", path, {})[0] == 405
    assert owner.call("options", path)[0] == 405
    assert "GET" in owner.answer.headers["Allow"]
    assert Program("").call("put", path, {})[0] == 401


def test_nothing_here_is_kept_by_a_cache(owner: Program) -> None:
    owner.get("people")
    assert "no-store" in owner.answer.headers["Cache-Control"]
