"""Acts on an account: a reason, a fresh second factor, an event with the actor; and changes ask for the same freshness."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from identity.models import AuditEvent, Client, Group, PasswordTries, Session, User
from identity.models.user import AdminRole
from mfa.flows import remembered_devices
from mfa.models.authenticator import Authenticator
from mfa.models.invitation import Invitation
from mfa.models.policy import MfaPolicy
from tests.mfa.admin.conftest import MakeUser, SignIn

pytestmark = pytest.mark.django_db

REASON = "Called back on the number in the directory, ticket 4711"


def act(person: User, name: str) -> str:
    return f"/admin/identity/user/{person.pk}/act/{name}/"


def test_unlock_ends_both_kinds_of_lock_and_says_who_and_why(make_user: MakeUser, sign_in: SignIn) -> None:
    now = timezone.now()
    person = make_user("target", locked_by_administrator_at=now)
    later = int((now + timedelta(hours=1)).timestamp() * 1000)
    PasswordTries.objects.create(
        key="k", user=person, failures=5, window_started=0, locked_until=later, admitted=False, updated=0
    )
    browser = sign_in(make_user("helper", AdminRole.HELPDESK))
    answer = browser.post(act(person, "unlock"), {"reason": REASON}, follow=True)
    assert "The account is unlocked." in answer.content.decode()
    person.refresh_from_db()
    assert person.locked_by_administrator_at is None
    assert not PasswordTries.objects.filter(locked_until__gt=int(now.timestamp() * 1000)).exists()
    event = AuditEvent.objects.get(event="account.unlocked")
    assert (event.actor_name, event.username, event.detail["reason"]) == ("helper", "target", REASON)
    assert event.address == "127.0.0.1"


def test_reset_takes_every_factor_and_session_away(make_user: MakeUser, sign_in: SignIn, enrol: Any) -> None:
    person, now = make_user("target"), timezone.now()
    enrol(person)
    Session.objects.create(user=person, auth_time=now, amr="pwd otp mfa", acr="2", last_used_at=now)
    browser = sign_in(make_user("helper", AdminRole.HELPDESK))
    assert browser.post(act(person, "reset-mfa"), {"reason": REASON}).status_code == 302
    assert not Authenticator.objects.exists()
    assert not Session.objects.filter(user=person, ended_at__isnull=True).exists()
    event = AuditEvent.objects.get(event="mfa.reset")
    assert (event.actor_name, event.username, event.detail["reason"]) == ("helper", "target", REASON)


def test_lock_and_end_sessions(make_user: MakeUser, sign_in: SignIn) -> None:
    person, now = make_user("target"), timezone.now()
    browser = sign_in(make_user("admin", AdminRole.ADMINISTRATOR))
    Session.objects.create(user=person, auth_time=now, amr="pwd", acr="1", last_used_at=now)
    browser.post(act(person, "sign-out"), {"reason": REASON})
    assert not Session.objects.filter(user=person, ended_at__isnull=True).exists()
    browser.post(act(person, "lock"), {"reason": REASON})
    person.refresh_from_db()
    assert person.locked_by_administrator_at is not None
    assert {"session.all_ended", "account.locked"} <= set(AuditEvent.objects.values_list("event", flat=True))


def test_an_invitation_is_shown_once_and_replaces_the_one_before(make_user: MakeUser, sign_in: SignIn) -> None:
    person = make_user("target")
    browser = sign_in(make_user("admin", AdminRole.ADMINISTRATOR))
    codes = []
    for _ in range(2):
        answer = browser.post(act(person, "invite"), {"reason": REASON})
        assert "no-store" in answer.headers["Cache-Control"]
        codes.append(answer.context["shown"])
    now = timezone.now()
    assert not remembered_devices.invitation_is_good(person, codes[0], now)
    assert remembered_devices.invitation_is_good(person, codes[1], now)
    assert Invitation.objects.filter(spent_at__isnull=True).count() == 1
    assert codes[1] not in browser.get(f"/admin/identity/user/{person.pk}/change/").content.decode()
    assert codes[1] not in str(list(AuditEvent.objects.values()))


@pytest.mark.parametrize("reason", ["", "   ", "abc", "....", "x" * 201])
def test_an_act_without_a_reason_is_not_done(reason: str, make_user: MakeUser, sign_in: SignIn) -> None:
    person = make_user("target", locked_by_administrator_at=timezone.now())
    browser = sign_in(make_user("helper", AdminRole.HELPDESK))
    answer = browser.post(act(person, "unlock"), {"reason": reason})
    assert answer.status_code == 200
    assert "errorlist" in answer.content.decode()
    person.refresh_from_db()
    assert person.locked_by_administrator_at is not None
    assert not AuditEvent.objects.exists()


def test_an_act_is_never_done_by_opening_its_page(make_user: MakeUser, sign_in: SignIn) -> None:
    person = make_user("target", locked_by_administrator_at=timezone.now())
    sign_in(make_user("helper", AdminRole.HELPDESK)).get(act(person, "unlock"), {"reason": REASON})
    person.refresh_from_db()
    assert person.locked_by_administrator_at is not None


@pytest.mark.parametrize("path", ["99999", "1" * 30])
def test_nobody_there_is_not_found(path: str, make_user: MakeUser, sign_in: SignIn) -> None:
    browser = sign_in(make_user("helper", AdminRole.HELPDESK))
    assert browser.get(f"/admin/identity/user/{path}/act/unlock/").status_code == 404
    assert browser.get(f"/admin/identity/user/{path}/act/fly/").status_code == 404


@pytest.mark.parametrize("method", ["get", "post"])
def test_an_act_needs_a_second_factor_of_the_last_ten_minutes(
    method: str, make_user: MakeUser, sign_in: SignIn
) -> None:
    person = make_user("target", locked_by_administrator_at=timezone.now())
    browser = sign_in(make_user("owner", AdminRole.OWNER), minutes_ago=11)
    answer = getattr(browser, method)(act(person, "unlock"), {"reason": REASON})
    place = f"%2Fadmin%2Fidentity%2Fuser%2F{person.pk}%2Fact%2Funlock%2F"
    assert answer.headers["Location"] == f"/account/sign-in?next={place}&fresh=1"
    person.refresh_from_db()
    assert person.locked_by_administrator_at is not None


def test_nine_minutes_are_fresh_and_the_future_is_not(make_user: MakeUser, sign_in: SignIn) -> None:
    person, owner = make_user("target"), make_user("owner", AdminRole.OWNER)
    assert sign_in(owner, minutes_ago=9).get(act(person, "unlock")).status_code == 200
    assert sign_in(owner, minutes_ago=-5).get(act(person, "unlock")).status_code == 302


def test_a_stale_sign_in_reads_and_changes_nothing(make_user: MakeUser, sign_in: SignIn) -> None:
    person, group = make_user("target"), Group.objects.create(name="staff")
    policy = MfaPolicy.objects.create(group=group)
    browser = sign_in(make_user("owner", AdminRole.OWNER), minutes_ago=11)
    for page in (
        f"identity/user/{person.pk}/change",
        f"identity/group/{group.pk}/change",
        f"mfa/mfapolicy/{policy.pk}/change",
    ):
        shown = browser.get(f"/admin/{page}/")
        assert shown.status_code == 200
        assert 'name="_save"' not in shown.content.decode()
        assert "You are reading only" in shown.content.decode()
        assert browser.post(f"/admin/{page}/", {"name": "x"}).headers["Location"].startswith("/account/sign-in?next=")
    for page in (f"identity/group/{group.pk}/delete", f"mfa/mfapolicy/{policy.pk}/delete"):
        assert browser.post(f"/admin/{page}/", {"post": "yes"}).status_code == 403
    client = Client.objects.create(client_id="one", client_secret="", hash_client_secret=False)
    assert browser.post(f"/admin/identity/client/{client.pk}/secret/").status_code == 302
    client.refresh_from_db()
    assert client.client_secret == ""
    assert Group.objects.get().name == "staff"
    assert not AuditEvent.objects.exists()
