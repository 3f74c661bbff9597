"""The account page: what people may do with what is theirs, and only with that."""

import re
from datetime import timedelta

import pytest
import time_machine
from django.http import HttpRequest
from django.test import Client as Browser
from django.utils import timezone

from identity.flows import tokens
from identity.models import AuditEvent, Client, Installation, Session, User
from mfa.api.visualguard.token_view import origin_of
from mfa.flows import recovery, remembered_devices, reset
from mfa.models import (
    AuthenticationRequest,
    Authenticator,
    Delivery,
    Enrolment,
    MfaPolicy,
    RecoveryCodeSet,
    RememberedDevice,
)
from mfa.models.authentication_request import Purpose
from mfa.models.authenticator import Kind
from mfa.models.policy import Mode
from mfa.outcomes import Origin
from tests.support.ceremony import ORIGIN, a_client
from tests.support.soft_authenticator import SoftAuthenticator
from tests.support.visitor import NOON, PASSWORD, Visitor, a_mailbox, an_account, an_app

pytestmark = pytest.mark.django_db

PAGES = ["/account/", "/account/sessions", "/account/activity", "/account/password", "/account/recovery-codes"]
NEW = "another quiet sentence"


def own(user: User) -> str:
    """The page of the person's app. Where the clock stands still, a mailbox was confirmed in the same instant."""
    return f"/account/devices/{user.authenticators.get(kind=Kind.APP).pk}"


@pytest.mark.parametrize("path", PAGES)
def test_each_page_is_for_who_has_signed_in(visitor: Visitor, path: str) -> None:
    refused = visitor.get(path)
    assert (refused.status_code, refused["Location"]) == (302, f"/account/sign-in?next={path.replace('/', '%2F')}")
    visitor.sign_in()
    assert visitor.get(path).status_code == 200


@pytest.mark.parametrize("path", [*PAGES, "/admin/"])
def test_a_right_password_alone_opens_no_page(visitor: Visitor, path: str) -> None:
    """ATTACKS A28: a pending sign-in is no session."""
    visitor.give_password()
    assert visitor.get(path).status_code == 302


def test_a_device_is_renamed_and_made_the_default(visitor: Visitor, anna: User) -> None:
    second = a_mailbox(anna)
    visitor.sign_in()
    visitor.post(f"/account/devices/{second.pk}/rename", label="  My \x07mailbox ")
    visitor.post(f"/account/devices/{second.pk}/default")
    second.refresh_from_db()
    assert (second.label, second.is_default) == ("My mailbox", True)
    assert anna.authenticators.filter(is_default=True).count() == 1
    assert {"authenticator.renamed", "authenticator.made_default"} <= set(
        AuditEvent.objects.values_list("event", flat=True)
    )


def test_a_second_app_is_added_with_its_own_key(visitor: Visitor, anna: User, clock: time_machine.Traveller) -> None:
    visitor.sign_in()
    device = remembered_devices_of(anna)
    assert visitor.post("/account/devices/add")["Location"] == "/account/devices/enrol"
    page = visitor.get("/account/devices/enrol").content.decode()
    found = re.search(r'href="(otpauth://[^"]+)"', page)
    assert found is not None
    app = SoftAuthenticator.from_uri(found[1].replace("&amp;", "&"))
    assert app.secret != visitor.app.secret
    done = visitor.post("/account/devices/enrol", code=app.code(timezone.now().timestamp()))
    assert "Back to your account" in done.content.decode()
    assert anna.authenticators.filter(kind=Kind.APP).count() == 2
    device.refresh_from_db()
    assert device.revoked_at is not None, "an added factor ends remembered devices (A60)"
    assert visitor.is_in


def remembered_devices_of(user: User) -> RememberedDevice:
    return RememberedDevice.objects.create(
        user=user,
        client=a_client(),
        digest="d" * 64,
        created_at=NOON,
        last_used_at=NOON,
        expires_at=NOON + timedelta(days=30),
    )


def test_removing_a_factor_ends_all_that_was_opened_with_it(visitor: Visitor, anna: User) -> None:
    """ATTACKS A60."""
    a_mailbox(anna)
    elsewhere = Visitor(visitor.clock)
    elsewhere.sign_in()
    visitor.sign_in()
    device = remembered_devices_of(anna)
    removed = visitor.post(f"{own(anna)}/remove")
    assert removed["Location"] == "/account/sign-in"
    assert list(anna.authenticators.values_list("kind", flat=True)) == [Kind.EMAIL]
    assert anna.authenticators.get().is_default
    assert not Session.objects.filter(user=anna, ended_at__isnull=True).exists()
    device.refresh_from_db()
    assert device.revoked_at is not None
    assert not elsewhere.is_in
    assert not visitor.is_in
    assert AuditEvent.objects.filter(event="authenticator.removed", outcome="success").exists()


def test_the_last_factor_stays_where_one_is_required(visitor: Visitor, anna: User) -> None:
    visitor.sign_in()
    assert "It is your last one, and the rules" in visitor.get(f"{own(anna)}/remove").content.decode()
    visitor.post(f"{own(anna)}/remove")
    assert anna.authenticators.count() == 1
    assert visitor.is_in


def test_the_last_factor_stays_where_one_client_requires_it(visitor: Visitor, anna: User) -> None:
    MfaPolicy.objects.create(installation=Installation.objects.get(), mode=Mode.OPTIONAL)
    strict = a_client("Strict")
    MfaPolicy.objects.create(client=strict, mode=Mode.REQUIRED)
    anna.clients.add(strict)
    visitor.sign_in()
    visitor.post(f"{own(anna)}/remove")
    assert anna.authenticators.count() == 1
    anna.clients.clear()
    visitor.post(f"{own(anna)}/remove")
    assert anna.authenticators.count() == 0


CHANGES = ["/account/devices/add", "/account/recovery-codes", "/account/password", "{own}/remove"]


@pytest.mark.parametrize("path", CHANGES)
def test_a_session_whose_second_factor_is_old_changes_nothing(visitor: Visitor, anna: User, path: str) -> None:
    """ATTACKS A36, A40, A70: ten minutes after the code it is asked for again."""
    a_mailbox(anna)
    visitor.sign_in()
    visitor.clock.shift(601)
    path = path.format(own=own(anna))
    answer = visitor.post(path, present=PASSWORD, new=NEW, again=NEW)
    assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, "/account/sign-in")
    assert "fresh=1" in answer["Location"]
    assert anna.authenticators.count() == 2
    assert not Enrolment.objects.exists()
    assert not RecoveryCodeSet.objects.exists()
    anna.refresh_from_db()
    assert anna.check_password(PASSWORD)


@pytest.mark.parametrize("path", ["/account/devices/add", "/account/recovery-codes"])
def test_a_reset_overtakes_whoever_is_just_changing_something(
    path: str, visitor: Visitor, anna: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session goes on when the page looks at it, and is over once the account is locked."""
    visitor.sign_in()

    def reset_first(request: HttpRequest) -> Origin:
        reset.reset_mfa(anna, actor=None, reason="telephone lost", origin=ORIGIN, now=timezone.now())
        return origin_of(request)

    monkeypatch.setattr("mfa.web.account.origin_of", reset_first)
    answer = visitor.post(path)
    assert (answer.status_code, answer["Location"]) == (302, "/account/")
    assert not visitor.is_in
    assert not AuthenticationRequest.objects.filter(purpose=Purpose.ENROLMENT).exists()
    assert not RecoveryCodeSet.objects.exists()


def test_stepping_up_needs_the_code_and_makes_the_session_fresh(visitor: Visitor, anna: User) -> None:
    visitor.sign_in()
    visitor.clock.shift(3600)
    asked = visitor.get("/account/recovery-codes")["Location"]
    assert asked == "/account/sign-in?next=%2Faccount%2Frecovery-codes&fresh=1"
    assert "Is it still you?" in visitor.get(asked).content.decode()
    visitor.post(asked, username="anna", password=PASSWORD)
    assert visitor.get("/account/recovery-codes").status_code == 302, "the password alone is no step up"
    answer = visitor.post("/account/sign-in/code", code=visitor.fresh_code())
    assert answer["Location"] == "/account/recovery-codes"
    assert visitor.get(answer["Location"]).status_code == 200


def test_recovery_codes_are_shown_once_and_replace_the_old_ones(visitor: Visitor, anna: User) -> None:
    old = recovery.make_codes(anna, NOON, ORIGIN)
    visitor.sign_in()
    shown = re.findall(r"<li><code>([0-9A-Z-]+)</code></li>", visitor.post("/account/recovery-codes").content.decode())
    assert len(set(shown)) == 10
    assert not set(shown) & set(old)
    assert shown[0] not in visitor.get("/account/recovery-codes").content.decode()
    other = Visitor(visitor.clock)
    other.give_password()
    assert other.post("/account/sign-in/code?by=recovery", code=old[0]).status_code == 400
    assert other.post("/account/sign-in/code?by=recovery", code=shown[0]).status_code == 302


def test_anothers_device_and_session_are_as_unknown_as_none(visitor: Visitor, anna: User) -> None:
    """ATTACKS A40: ids swapped in addresses."""
    ben = an_account("ben")
    app = an_app(ben, b"another twenty bytes")
    session = Session.objects.create(
        user=ben, auth_time=NOON, amr="pwd otp mfa", acr="2", last_used_at=NOON, client=None
    )
    device = remembered_devices_of(ben)
    visitor.sign_in()
    for act in ("rename", "default", "remove"):
        assert visitor.post(f"/account/devices/{app.pk}/{act}", label="mine now").status_code == 404
    visitor.post(f"/account/sessions/{session.pk}/end")
    visitor.post(f"/account/remembered/{device.pk}/forget")
    for row in (app, session, device):
        row.refresh_from_db()
    assert (app.label, session.ended_at, device.revoked_at) == ("Authenticator app", None, None)
    assert ben.authenticators.count() == 1


@pytest.mark.parametrize(
    "path",
    [
        "/account/sign-in",
        "/account/sign-out",
        "/account/devices/add",
        "/account/recovery-codes",
        "/account/password",
        "{own}/remove",
    ],
)
def test_a_form_from_elsewhere_is_refused(visitor: Visitor, anna: User, path: str) -> None:
    """ATTACKS A40: CSRF."""
    visitor.sign_in()
    strict = Browser(enforce_csrf_checks=True)
    strict.cookies = visitor.browser.cookies
    answer = strict.post(path.format(own=own(anna)), {}, headers={"Accept": "text/html"})
    assert answer.status_code == 403
    assert "The form was not accepted" in answer.content.decode()
    assert anna.authenticators.count() == 1
    assert visitor.is_in


def test_sessions_are_listed_and_ended(visitor: Visitor, anna: User) -> None:
    elsewhere = Visitor(visitor.clock, browser=Browser(headers={"User-Agent": "Mozilla/5.0 (iPhone) Safari/604"}))
    elsewhere.sign_in()
    visitor.sign_in()
    assert "Safari, iPhone" in visitor.get("/account/sessions").content.decode()
    other = Session.objects.exclude(pk=visitor.browser.session["sid"]).get()
    visitor.post(f"/account/sessions/{other.pk}/end")
    assert visitor.is_in
    assert not elsewhere.is_in
    elsewhere.sign_in()
    visitor.post("/account/sessions/end-others")
    assert visitor.is_in
    assert not elsewhere.is_in


@pytest.mark.parametrize("how", ["session", "all", "lock", "disable", "row"])
def test_what_ends_a_session_elsewhere_signs_the_browser_out(visitor: Visitor, anna: User, how: str) -> None:
    """ATTACKS A60."""
    visitor.sign_in()
    assert visitor.is_in
    session = Session.objects.get()
    if how == "session":
        tokens.end_session(session, "test", NOON)
    elif how == "all":
        tokens.end_sessions(anna, "test", NOON)
    elif how == "row":
        session.delete()
    else:
        anna.locked_by_administrator_at = NOON if how == "lock" else None
        anna.is_active = how != "disable"
        anna.save()
    assert not visitor.is_in


def test_a_remembered_device_is_forgotten(visitor: Visitor, anna: User) -> None:
    device = remembered_devices_of(anna)
    visitor.sign_in()
    assert "Payroll" in visitor.get("/account/sessions").content.decode()
    visitor.post(f"/account/remembered/{device.pk}/forget")
    assert "Payroll" not in visitor.get("/account/sessions").content.decode()
    assert remembered_devices.find("x", "anna", device.client, NOON) is None


def test_the_activity_is_ones_own(visitor: Visitor, anna: User) -> None:
    other = Visitor(visitor.clock, "ben")
    an_account("ben")
    other.give_password("a guess")
    visitor.sign_in()
    page = visitor.get("/account/activity").content.decode()
    assert "Signed in" in page
    assert "Wrong password given" not in page


def test_the_activity_goes_on_page_by_page(visitor: Visitor, anna: User) -> None:
    visitor.sign_in()
    for _ in range(60):
        visitor.post(f"{own(anna)}/default")
    first = visitor.get("/account/activity").content.decode()
    older = re.search(r"\?before=\d+", first)
    assert older is not None
    assert "Signed in" not in first
    assert "Signed in" in visitor.get(f"/account/activity{older[0]}").content.decode()
    assert visitor.get("/account/activity?before=%00١").status_code == 200


def test_changing_the_password_ends_every_session_and_keeps_the_factor_due(visitor: Visitor, anna: User) -> None:
    """ATTACKS A33, A60."""
    elsewhere = Visitor(visitor.clock)
    elsewhere.sign_in()
    visitor.sign_in()
    assert visitor.post("/account/password", present=PASSWORD, new="short", again="short").status_code == 400
    changed = visitor.post("/account/password", present=PASSWORD, new=NEW, again=NEW)
    assert changed["Location"] == "/account/sign-in"
    assert not visitor.is_in
    assert not elsewhere.is_in
    assert visitor.give_password(PASSWORD).status_code == 400
    assert visitor.give_password(NEW)["Location"] == "/account/sign-in/code"
    assert not visitor.is_in


def test_the_present_password_cannot_be_guessed_here_either(visitor: Visitor, anna: User) -> None:
    """ATTACKS A58: one limiter, whichever form is asked."""
    visitor.sign_in()
    for number in range(5):
        visitor.post("/account/password", present=f"guess {number}", new=NEW, again=NEW)
    locked = visitor.post("/account/password", present=PASSWORD, new=NEW, again=NEW)
    assert "Too many wrong passwords" in locked.content.decode()
    anna.refresh_from_db()
    assert anna.check_password(PASSWORD)
    assert Visitor(visitor.clock).give_password().status_code == 400


@pytest.mark.parametrize(
    "wanted",
    [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example/account/",
        "https:evil.example",
        "javascript:alert(1)",
        "/account/\r\nSet-Cookie: x=1",
        "/accountant",
        "/connect/endsession",
        "///evil.example/account/",
        "",
    ],
)
def test_a_sign_in_leads_to_own_pages_only(visitor: Visitor, wanted: str) -> None:
    """ATTACKS A66."""
    asked = visitor.browser.post(
        "/account/sign-in", {"username": "anna", "password": PASSWORD}, query_params={"next": wanted}
    )
    assert asked["Location"] == "/account/sign-in/code"
    assert visitor.post("/account/sign-in/code", code=visitor.fresh_code())["Location"] == "/account/"
    signed_in = visitor.browser.get("/account/sign-in", query_params={"next": wanted})
    assert signed_in["Location"] == "/account/"


def test_a_sign_in_for_a_client_goes_on_by_a_page(visitor: Visitor) -> None:
    """A redirect from a form to another origin would be stopped by the page's own CSP."""
    answer = visitor.sign_in("?next=/connect/authorize%3Fclient_id%3Dx%26state%3D%22")
    assert answer.status_code == 200
    assert answer["Refresh"] == '0;url=/connect/authorize?client_id=x&state="'
    assert 'href="/connect/authorize?client_id=x&amp;state=&quot;"' in answer.content.decode()


def test_nobody_gets_a_token_as_the_pages_themselves(visitor: Visitor) -> None:
    visitor.sign_in()
    assert Client.objects.get(client_id="stepward").grant_types == []
    for grant_type in ("VGAuthenticator", "password", "client_credentials", "refresh_token", "authorization_code"):
        fields = {"grant_type": grant_type, "client_id": "stepward", "username": "anna", "password": PASSWORD}
        body = "&".join(f"{name}={value}" for name, value in fields.items())
        answer = visitor.browser.post("/connect/token", body, content_type="application/x-www-form-urlencoded")
        assert answer.status_code in (400, 401), grant_type
        assert b"access_token" not in answer.content


def test_the_id_of_a_sign_in_is_in_no_table_and_no_page(visitor: Visitor) -> None:
    """ATTACKS A47, A57: what the browser holds is the id, signed; what we keep is its digest."""
    visitor.give_password()
    request_id = _held(visitor, "sign_in")
    assert re.fullmatch(r"[0-9a-f-]{36}", request_id)
    assert request_id not in str(dict(visitor.browser.session))
    assert request_id not in visitor.get("/account/sign-in/code").content.decode()
    cookie = visitor.browser.cookies["stepward_sign_in"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"], cookie["max-age"]) == (
        True,
        "Lax",
        "/account/",
        600,
    )
    visitor.browser.cookies["stepward_sign_in"] = str(cookie.value) + "x"
    assert visitor.get("/account/sign-in/code")["Location"] == "/account/sign-in"


def test_what_waits_for_the_code_runs_out(visitor: Visitor) -> None:
    visitor.give_password()
    visitor.clock.shift(601)
    assert visitor.post("/account/sign-in/code", code=visitor.fresh_code())["Location"] == "/account/sign-in"
    assert not visitor.is_in


def test_another_accounts_enrolment_is_not_taken_over(visitor: Visitor, anna: User) -> None:
    """ATTACKS A38: an enrolment id belongs to the account that asked for it."""
    ben = an_account("ben")
    an_app(ben, b"another twenty bytes")
    other = Visitor(visitor.clock, "ben", app=SoftAuthenticator(b"another twenty bytes", "Stepward", "ben"))
    other.sign_in()
    other.post("/account/devices/add")
    visitor.sign_in()
    visitor.browser.cookies["stepward_enrolment"] = other.browser.cookies["stepward_enrolment"].value
    answer = visitor.get("/account/devices/enrol")
    assert answer.status_code == 410
    assert "otpauth" not in answer.content.decode()


def _held(visitor: Visitor, name: str) -> str:
    from django.core import signing

    facts: dict[str, str] = signing.loads(
        visitor.browser.cookies[f"stepward_{name}"].value, salt=f"stepward.pending.{name}"
    )
    return facts["id"]


def test_nothing_here_marks_an_address_as_verified(visitor: Visitor, anna: User) -> None:
    """ATTACKS A65: only a code that was sent to it does."""
    visitor.sign_in()
    for path in ("/account/", "/account/password", "/account/devices/add", f"{own(anna)}/rename"):
        visitor.post(
            path, email="evil@mail.example", email_verified_at="2026-01-01", mobile_phone="+33612345678", label="x"
        )
    anna.refresh_from_db()
    assert (anna.email, anna.email_verified_at, anna.mobile_phone) == ("anna@mail.example", None, "")


def test_a_password_thief_cannot_enrol_his_own_mailbox(clock: time_machine.Traveller) -> None:
    """ATTACKS A27, A65: codes go to the recorded address, whatever is typed."""
    an_account("ben")
    visitor = Visitor(clock, "ben")
    visitor.give_password()
    visitor.post("/account/sign-in/enrol?by=email", send="1", destination="evil@mail.example")
    assert list(Enrolment.objects.values_list("destination", flat=True)) == ["ben@mail.example"]
    assert not Authenticator.objects.exists()


def test_a_browser_stays_signed_in_for_eight_hours_and_no_longer(visitor: Visitor) -> None:
    visitor.sign_in()
    for _ in range(7):
        visitor.clock.shift(3600)
        assert visitor.is_in
    visitor.clock.shift(3601)
    assert not visitor.is_in


def test_sessions_that_can_do_nothing_any_more_are_not_listed(visitor: Visitor, anna: User) -> None:
    Visitor(visitor.clock).sign_in()
    spent = Session.objects.create(user=anna, client=a_client(), auth_time=NOON, amr="pwd", acr="1", last_used_at=NOON)
    visitor.clock.shift(8 * 3600 + 1)
    visitor.sign_in()
    page = visitor.get("/account/sessions").content.decode()
    assert "Payroll" not in page
    assert page.count(">End<") == 1
    Session.objects.filter(pk=spent.pk).update(last_used_at=timezone.now() - timedelta(seconds=599))
    assert "Payroll" in visitor.get("/account/sessions").content.decode()


def test_the_owner_is_told_of_a_removal_and_of_new_recovery_codes(visitor: Visitor, anna: User) -> None:
    a_mailbox(anna)
    recovery.make_codes(anna, NOON, ORIGIN)
    visitor.sign_in()
    visitor.post("/account/recovery-codes")
    visitor.post(f"{own(anna)}/remove")
    told = Delivery.objects.filter(user=anna, destination="anna@mail.example").values_list("template", flat=True)
    assert {"recovery_codes_replaced", "authenticator_removed"} <= set(told)
