"""Signing in to the hosted pages: the ceremony of `/connect/token`, with a session at its end."""

import re

import pytest
import time_machine
from django.core import mail
from django.test import Client as Browser
from django.utils import timezone

from identity.flows import clients
from identity.models import AuditEvent, Installation, Session, User
from identity.models.user import AdminRole
from mfa.flows import bootstrap, recovery, remembered_devices
from mfa.models import AuthenticationRequest, MfaPolicy
from mfa.models.policy import FirstEnrolment, Mode
from tests.support.ceremony import ORIGIN
from tests.support.soft_authenticator import SoftAuthenticator
from tests.support.visitor import NOON, PASSWORD, Visitor, a_mailbox, an_account

pytestmark = pytest.mark.django_db


def test_password_and_code_open_a_session_that_says_how(visitor: Visitor, anna: User) -> None:
    answer = visitor.sign_in()
    assert (answer.status_code, answer["Location"]) == (302, "/account/")
    session = Session.objects.get(user=anna)
    assert (session.acr, session.amr, session.client) == ("2", "pwd otp mfa", clients.own_pages())
    kept = visitor.browser.session
    assert (kept["acr"], kept["amr"], kept["sid"]) == ("2", ["pwd", "otp", "mfa"], str(session.pk))
    assert kept["auth_time"] == int(session.auth_time.timestamp())
    assert visitor.is_in


def test_the_session_gets_a_new_key(visitor: Visitor) -> None:
    visitor.browser.session.save()
    before = visitor.browser.session.session_key
    visitor.sign_in()
    assert visitor.browser.session.session_key != before


def test_a_wrong_password_is_refused_and_recorded(visitor: Visitor) -> None:
    answer = visitor.give_password("not it")
    assert answer.status_code == 400
    assert "The user name or the password is not right." in answer.content.decode()
    assert AuditEvent.objects.filter(event="sign_in.password_refused", client_id="stepward").exists()


def test_an_unknown_name_reads_like_a_wrong_password(visitor: Visitor) -> None:
    known = visitor.give_password("not it").content.decode()
    visitor.username = "nobody"
    unknown = visitor.give_password("not it").content.decode()
    secrets = r'name="csrfmiddlewaretoken" value="[^"]+"'
    assert re.sub(secrets, "", known).replace("anna", "nobody") == re.sub(secrets, "", unknown)


def test_five_wrong_codes_end_the_sign_in(visitor: Visitor) -> None:
    visitor.give_password()
    for _ in range(4):
        assert visitor.post("/account/sign-in/code", code=visitor.app.wrong_code(NOON.timestamp())).status_code == 400
    answer = visitor.post("/account/sign-in/code", code=visitor.app.wrong_code(NOON.timestamp()))
    assert answer["Location"].startswith("/account/sign-in")
    assert not AuthenticationRequest.objects.filter(state="open").exists()
    assert not visitor.is_in


def test_a_code_signs_in_once(visitor: Visitor, clock: time_machine.Traveller) -> None:
    visitor.sign_in()
    spent = visitor.app.code(timezone.now().timestamp())
    other = Visitor(clock)
    other.give_password()
    assert other.post("/account/sign-in/code", code=spent).status_code == 400
    assert not other.is_in


def test_a_recovery_code_passes_in_place_of_the_app(visitor: Visitor, anna: User) -> None:
    codes = recovery.make_codes(anna, NOON, ORIGIN)
    visitor.give_password()
    assert visitor.post("/account/sign-in/code?by=recovery", code=codes[0].lower()).status_code == 302
    assert visitor.is_in
    again = Visitor(visitor.clock)
    again.give_password()
    assert again.post("/account/sign-in/code?by=recovery", code=codes[0]).status_code == 400


@pytest.mark.django_db(transaction=True)
def test_a_code_by_e_mail_passes(clock: time_machine.Traveller) -> None:
    a_mailbox(an_account("anna"))
    visitor = Visitor(clock)
    visitor.give_password()
    sent = visitor.post("/account/sign-in/code", send="code")
    assert sent["Location"].endswith("&sent")
    code = re.search(r"\b(\d{6})\b", str(mail.outbox[-1].body))
    assert code is not None
    assert visitor.post(sent["Location"], code=code[1]).status_code == 302
    assert visitor.is_in


@pytest.mark.django_db(transaction=True)
def test_a_link_is_waited_for_and_leads_on(clock: time_machine.Traveller) -> None:
    a_mailbox(an_account("anna"))
    visitor = Visitor(clock)
    visitor.give_password(query="?next=/account/activity")
    waiting = visitor.post("/account/sign-in/code", send="link")["Location"]
    assert waiting.startswith("/account/sign-in/link")
    assert visitor.get("/account/sign-in/link/state").json() == {"decided": False}  # type: ignore[attr-defined]
    assert visitor.post(waiting)["Location"].startswith("/account/sign-in/link")
    link = re.search(r"http://\S+(/mfa/approve/[\w-]+)", str(mail.outbox[-1].body))
    assert link is not None
    elsewhere = Browser()
    asked = elsewhere.get(link[1]).content.decode()
    assert "Stepward" in asked
    assert "127.0.0.1" in asked
    assert "anna" in asked
    assert visitor.get("/account/sign-in/link/state").json() == {"decided": False}  # type: ignore[attr-defined]
    elsewhere.post(link[1], {"approve": "1"})
    assert visitor.get("/account/sign-in/link/state").json() == {"decided": True}  # type: ignore[attr-defined]
    assert visitor.post(waiting)["Location"] == "/account/activity"
    assert Session.objects.get().amr == "pwd mca mfa"


@pytest.mark.django_db(transaction=True)
def test_a_refused_link_ends_the_sign_in(clock: time_machine.Traveller) -> None:
    a_mailbox(an_account("anna"))
    visitor = Visitor(clock)
    visitor.give_password()
    waiting = visitor.post("/account/sign-in/code", send="link")["Location"]
    link = re.search(r"http://\S+(/mfa/approve/[\w-]+)", str(mail.outbox[-1].body))
    assert link is not None
    Browser().post(link[1], {"refuse": "1"})
    assert visitor.post(waiting)["Location"].startswith("/account/sign-in")
    assert not visitor.is_in
    assert not Session.objects.exists()


def test_who_has_no_factor_enrols_first_and_gets_recovery_codes_once(clock: time_machine.Traveller) -> None:
    an_account("ben")
    visitor = Visitor(clock, "ben")
    assert visitor.give_password(query="?next=/account/sessions")["Location"] == "/account/sign-in/enrol"
    page = visitor.get("/account/sign-in/enrol").content.decode()
    app = SoftAuthenticator.from_uri(_link_of(page))
    assert app.account == "ben"
    assert visitor.post("/account/sign-in/enrol", code=app.wrong_code(NOON.timestamp())).status_code == 400
    done = visitor.post("/account/sign-in/enrol", code=app.code(NOON.timestamp())).content.decode()
    assert len(re.findall(r"<li><code>[0-9A-Z-]{19}</code></li>", done)) == 10
    again = visitor.get("/account/sign-in/enrol").content.decode()
    assert "<li><code>" not in again
    assert "otpauth" not in again
    assert visitor.post("/account/sign-in/finish")["Location"] == "/account/sessions"
    assert visitor.is_in


def _link_of(page: str) -> str:
    found = re.search(r'href="(otpauth://[^"]+)"', page)
    assert found is not None, page
    return found[1].replace("&amp;", "&")


def test_a_policy_that_turns_the_second_factor_off_does_not_open_these_pages(clock: time_machine.Traveller) -> None:
    an_account("ben")
    MfaPolicy.objects.create(installation=Installation.objects.get(), mode=Mode.OFF)
    visitor = Visitor(clock, "ben")
    assert visitor.give_password()["Location"] == "/account/sign-in/enrol"
    assert not visitor.is_in
    assert not Session.objects.exists()


def test_a_needed_invitation_is_asked_for_and_lets_in(clock: time_machine.Traveller) -> None:
    user = an_account("ben")
    MfaPolicy.objects.create(installation=Installation.objects.get(), first_enrolment=FirstEnrolment.INVITATION)
    visitor = Visitor(clock, "ben")
    asked = visitor.give_password()
    assert asked.status_code == 403
    assert 'name="invitation"' in asked.content.decode()
    code = remembered_devices.invite(user, actor=None, now=NOON, lifetime=bootstrap.LINK_LIFETIME)
    wrong = visitor.post("/account/sign-in", username="ben", password=PASSWORD, invitation="guessed")
    assert wrong.status_code == 403
    right = visitor.post("/account/sign-in", username="ben", password=PASSWORD, invitation=code)
    assert right["Location"] == "/account/sign-in/enrol"
    assert "otpauth://" in visitor.get("/account/sign-in/enrol").content.decode()


@pytest.mark.parametrize("first_enrolment", list(FirstEnrolment))
def test_the_first_administrator_goes_from_the_link_to_the_panel(
    clock: time_machine.Traveller, first_enrolment: FirstEnrolment, db: None
) -> None:
    Installation.objects.get_or_create(pk=1)
    MfaPolicy.objects.create(installation=Installation.objects.get(), first_enrolment=first_enrolment)
    path = "/account/bootstrap/" + bootstrap.make_link("root", NOON).rsplit("/", 1)[1]
    visitor = Visitor(clock, "root")
    assert "root" in visitor.get(path).content.decode()
    assert visitor.post(path, new="short", again="short").status_code == 400
    assert visitor.post(path, new=PASSWORD, again="something else").status_code == 400
    assert visitor.post(path, new=PASSWORD, again=PASSWORD)["Location"] == "/account/sign-in/enrol"
    assert visitor.get(path).status_code == 410
    app = SoftAuthenticator.from_uri(_link_of(visitor.get("/account/sign-in/enrol").content.decode()))
    visitor.post("/account/sign-in/enrol", code=app.code(NOON.timestamp()))
    assert visitor.post("/account/sign-in/finish")["Location"] == "/admin/"
    assert visitor.get("/admin/").status_code == 200
    assert User.objects.get().admin_role == AdminRole.OWNER


def test_a_password_that_must_change_is_changed_after_the_second_factor(visitor: Visitor, anna: User) -> None:
    User.objects.filter(pk=anna.pk).update(must_change_password=True)
    visitor.give_password()
    assert "After this you choose a new password" in visitor.get("/account/sign-in/code").content.decode()
    skipped = visitor.get("/account/sign-in/new-password")
    assert skipped["Location"] == "/account/sign-in"
    assert (
        visitor.post("/account/sign-in/code", code=visitor.fresh_code())["Location"] == "/account/sign-in/new-password"
    )
    assert not visitor.is_in
    new = "another quiet sentence"
    changed = visitor.post("/account/sign-in/new-password", present=PASSWORD, new=new, again=new)
    assert changed["Location"] == "/account/sign-in"
    assert not visitor.is_in
    assert visitor.give_password(new)["Location"] == "/account/sign-in/code"


def test_signing_out_ends_the_session_and_asks_first(visitor: Visitor) -> None:
    visitor.sign_in()
    assert "Sign out?" in visitor.get("/account/sign-out").content.decode()
    assert visitor.is_in
    visitor.post("/account/sign-out")
    assert not visitor.is_in
    assert not Session.objects.filter(ended_at__isnull=True).exists()


def test_signing_in_again_ends_the_session_before(visitor: Visitor, anna: User) -> None:
    visitor.sign_in()
    visitor.sign_in("?fresh=1")
    assert Session.objects.filter(user=anna, ended_at__isnull=True).count() == 1


def test_cancelling_ends_the_request(visitor: Visitor) -> None:
    visitor.give_password()
    visitor.post("/account/sign-in/cancel")
    assert AuthenticationRequest.objects.get().state == "cancelled"
    assert visitor.get("/account/sign-in/code")["Location"] == "/account/sign-in"
