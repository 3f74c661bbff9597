"""Two administrators in the same instant: roles are looked at under a lock, names are given once, nothing is lost."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client as Browser
from django.utils import timezone

from identity.flows import clients as flows
from identity.models import AuditEvent, Client, Group, Session, User
from identity.models.user import AdminRole
from tests.factories import make_client
from tests.mfa.admin.test_rights import form
from tests.mfa.api.admin.conftest import MakeUser, Program, SignIn
from tests.races.test_challenges_at_once import at_once

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgresql_only]
REASON = {"reason": "they asked at the desk"}


@pytest.fixture
def sign_in_to_panel() -> Callable[[User], Browser]:
    def signed_in(user: User) -> Browser:
        browser, now = Browser(), timezone.now()
        browser.force_login(user)
        opened = Session.objects.create(user=user, auth_time=now, amr="pwd otp mfa", acr="2", last_used_at=now)
        kept = browser.session
        kept.update({"acr": "2", "auth_time": int(now.timestamp()), "sid": str(opened.pk)})
        kept.save()
        return browser

    return signed_in


@pytest.mark.parametrize("_round", range(5))
def test_two_owners_who_take_each_others_role_leave_one(_round: int, make_user: MakeUser, sign_in: SignIn) -> None:
    owners = [make_user(f"owner {number}", AdminRole.OWNER) for number in range(2)]
    programs = [sign_in(owner) for owner in owners]

    def demote(number: int) -> int:
        return programs[number].patch(f"people/{owners[1 - number].subject}", {"admin_role": "none"})[0]

    assert sorted(at_once(2, demote)) == [200, 403]
    assert User.objects.filter(admin_role=AdminRole.OWNER).count() == 1
    assert AuditEvent.objects.filter(event="user.role_changed").count() == 1


@pytest.mark.parametrize("_round", range(5))
def test_two_owners_who_lock_each_other_leave_one(_round: int, make_user: MakeUser, sign_in: SignIn) -> None:
    """The lock ends the session of whoever is locked; the act under way looks at its actor again."""
    owners = [make_user(f"owner {number}", AdminRole.OWNER) for number in range(2)]
    programs = [sign_in(owner) for owner in owners]

    def lock(number: int) -> int:
        return programs[number].post(f"people/{owners[1 - number].subject}/acts/lock", REASON)[0]

    answers = at_once(2, lock)
    assert sorted(answers) == [200, 401]
    assert User.objects.filter(locked_by_administrator_at__isnull=True).count() == 1


@pytest.mark.parametrize("_round", range(3))
def test_somebody_raised_meanwhile_is_not_reset_by_the_help_desk(
    _round: int, make_user: MakeUser, sign_in: SignIn
) -> None:
    """Whichever comes first: never both, a role and then a lower one's act on it."""
    owner, helper, person = make_user("owner", 40), make_user("helper", 20), make_user("target")
    raising, helping = sign_in(owner), sign_in(helper)
    acts = [
        lambda: raising.patch(f"people/{person.subject}", {"admin_role": "administrator"})[0],
        lambda: helping.post(f"people/{person.subject}/acts/sign-out", REASON)[0],
    ]
    at_once(2, lambda number: acts[number]())
    events = list(
        AuditEvent.objects.filter(event__in=("session.all_ended", "user.role_changed"))
        .order_by("pk")
        .values_list("event", flat=True)
    )
    assert events in (["user.role_changed"], ["session.all_ended", "user.role_changed"])


@pytest.mark.parametrize("door", ["act", "change"])
def test_in_the_panel_it_is_so_too(door: str, make_user: MakeUser, sign_in_to_panel: Callable[[User], Browser]) -> None:
    owners = [make_user(f"owner {number}", AdminRole.OWNER) for number in range(2)]
    browsers = [sign_in_to_panel(owner) for owner in owners]

    def sent(number: int) -> int:
        other = owners[1 - number]
        if door == "act":
            return browsers[number].post(f"/admin/identity/user/{other.pk}/act/lock/", REASON).status_code
        page = f"/admin/identity/user/{other.pk}/change/"
        return browsers[number].post(page, form(other, admin_role="0")).status_code

    for browser in browsers:
        assert browser.get("/admin/").status_code == 200
    answers = at_once(2, sent)
    left = User.objects.filter(admin_role=AdminRole.OWNER, locked_by_administrator_at__isnull=True)
    assert left.count() == 1, answers
    assert AuditEvent.objects.filter(event__in=("account.locked", "user.role_changed")).count() == 1


def test_one_name_is_given_once(make_user: MakeUser, sign_in: SignIn) -> None:
    program = sign_in(make_user("owner", AdminRole.OWNER))
    token = program.token

    for path, given in (
        ("people", {"username": "new"}),
        ("groups", {"name": "new"}),
        ("clients", {"client_id": "new"}),
    ):
        answers = at_once(4, lambda _number, path=path, given=given: Program(token).post(path, given)[0])  # type: ignore[misc]
        assert answers.count(201) == 1, (path, answers)
        assert set(answers) <= {201, 400, 409}
    assert [model.objects.filter(**name).count() for model, name in (
        (User, {"username": "new"}), (Group, {"name": "new"}), (Client, {"client_id": "new"}),
    )] == [1, 1, 1]  # fmt: skip


def test_of_many_new_secrets_the_last_is_the_clients(make_user: MakeUser, sign_in: SignIn, console: Client) -> None:
    token = sign_in(make_user("owner", AdminRole.OWNER)).token
    answers = at_once(4, lambda _number: Program(token).post(f"clients/{console.pk}/secret"))
    console.refresh_from_db()
    made = [document["client_secret"] for status, document in answers if status == 200]
    assert len(set(made)) == 4
    assert sum(flows.check_secret(console, secret) for secret in made) == 1
    assert AuditEvent.objects.filter(event="client.secret_replaced").count() == 4


def test_two_changes_that_do_not_go_together_are_not_both_made(make_user: MakeUser, sign_in: SignIn) -> None:
    token = sign_in(make_user("owner", AdminRole.OWNER)).token
    given: list[dict[str, Any]] = [{"grant_types": ["authorization_code"]}, {"redirect_uris": []}]
    for _round in range(10):
        client = make_client(redirect_uris="https://a.example/")
        answers = at_once(2, lambda number, pk=client.pk: Program(token).patch(f"clients/{pk}", given[number])[0])  # type: ignore[misc]
        assert sorted(answers) == [200, 400]
        client.refresh_from_db()
        assert ("authorization_code" in client.grant_types) == bool(client.redirect_uris)


def test_edits_of_different_members_are_both_kept(make_user: MakeUser, sign_in: SignIn) -> None:
    token, person = sign_in(make_user("owner", AdminRole.OWNER)).token, make_user("target")
    given: list[dict[str, Any]] = [
        *({"email": "new@a.example"}, {"language": "fr"}, {"mobile_phone": "+33612345678"}, {"groups": []}),
    ]

    def act(number: int) -> int:
        path = f"people/{person.subject}"
        if number < len(given):
            return Program(token).patch(path, given[number])[0]
        return Program(token).post(f"{path}/acts/lock", REASON)[0]

    assert set(at_once(5, act)) == {200}
    person.refresh_from_db()
    assert (person.email, person.language, person.mobile_phone) == ("new@a.example", "fr", "+33612345678")
    assert person.locked_by_administrator_at is not None


def test_people_come_while_a_list_is_read(make_user: MakeUser, sign_in: SignIn) -> None:
    program = sign_in(make_user("owner", AdminRole.OWNER))
    there = [f"m{number:02}" for number in range(20)]
    for name in there:
        make_user(name)
    seen: list[str] = []

    def act(number: int) -> None:
        if number:
            for count in range(20):
                make_user(f"{'an'[number % 2]}{number}{count:02}")
        else:
            seen.extend(row["username"] for row in program.every("people", limit=2))

    at_once(4, act)
    assert [name for name in seen if name in there] == there
    assert all(one < other for one, other in itertools.pairwise(seen))
