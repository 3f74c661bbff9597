"""`/mfa/enroll/{requestId}` and `/mfa/approve/{token}`: pages whose address is the credential."""

import re
from datetime import timedelta
from http import HTTPStatus

import pytest
import time_machine
from django.core import mail
from django.http import HttpResponse
from django.test import Client as Browser
from django.utils import timezone

from identity.models import AuditEvent, User
from mfa.flows import challenge, requests, sign_in
from mfa.flows.sign_in import PasswordStep
from mfa.models import AuthenticationRequest, Authenticator, Enrolment, MfaPolicy
from mfa.models.authenticator import Kind
from mfa.models.challenge import Challenge
from mfa.models.policy import Mode
from tests.support.ceremony import ORIGIN, a_client
from tests.support.soft_authenticator import SoftAuthenticator
from tests.support.visitor import NOON, PASSWORD, a_mailbox, an_account, an_app

pytestmark = pytest.mark.django_db


def opened(user: User, *transports: str) -> str:
    """The id of a passed password step at a client."""
    client = a_client()
    user.clients.add(client)
    MfaPolicy.objects.create(
        client=client, mode=Mode.REQUIRED, **({"transports": list(transports)} if transports else {})
    )
    client.refresh_from_db()
    step = PasswordStep(client, user.username, PASSWORD, (), ORIGIN)
    answer = sign_in.password_step(step, timezone.now())
    assert answer.request_id is not None
    return answer.request_id


@pytest.fixture
def ben(clock: time_machine.Traveller, db: None) -> User:
    return an_account("ben")


@pytest.fixture
def path(ben: User) -> str:
    return f"/mfa/enroll/{opened(ben)}"


def shown(path: str, browser: Browser | None = None) -> HttpResponse:
    return (browser or Browser()).get(path)  # type: ignore[return-value]


def app_on(page: HttpResponse) -> SoftAuthenticator:
    found = re.search(r'href="(otpauth://[^"]+)"', page.content.decode())
    assert found is not None, page.content
    return SoftAuthenticator.from_uri(found[1].replace("&amp;", "&"))


def test_the_page_shows_one_key_in_three_forms_and_the_same_at_every_load(path: str) -> None:
    page = shown(path)
    app = app_on(page)
    groups = re.findall(r"<code>([A-Z2-7]{4})</code>", page.content.decode())
    assert "".join(groups) in app.uri
    picture = re.search(r'src="data:image/png;base64,([^"]+)"', page.content.decode())
    assert picture is not None
    import base64

    assert SoftAuthenticator.scan(base64.b64decode(picture[1])).uri == app.uri
    assert app_on(shown(path)) == app


def test_the_page_is_for_no_cache_and_leaves_its_address_nowhere(path: str) -> None:
    """ATTACKS A47: Referer, caches, the page's own text."""
    page = shown(path)
    assert page["Cache-Control"] == "no-store"
    assert page["Referrer-Policy"] == "strict-origin"
    assert path.rsplit("/", 1)[1] not in page.content.decode()
    assert not re.search(r'(src|href)="https?://', page.content.decode()), "nothing is fetched from elsewhere"


def test_the_right_code_confirms_and_shows_the_recovery_codes_once(path: str, ben: User) -> None:
    app = app_on(shown(path))
    assert Browser().post(path, {"code": app.wrong_code(NOON.timestamp())}).status_code == HTTPStatus.BAD_REQUEST
    done = Browser().post(path, {"code": app.code(NOON.timestamp())}).content.decode()
    assert len(re.findall(r"<li><code>[0-9A-Z-]{19}</code></li>", done)) == 10
    assert "Your application goes on by itself" in done
    again = shown(path).content.decode()
    assert "otpauth" not in again
    assert "<li><code>" not in again
    assert ben.authenticators.get().kind == Kind.APP
    posted = Browser().post(path, {"codes": "1"}).content.decode()
    assert "<li><code>" not in posted, "they are shown once"


def test_five_wrong_codes_bring_a_new_key_and_say_so(path: str) -> None:
    browser = Browser()
    before = app_on(shown(path, browser))
    for _ in range(4):
        assert browser.post(path, {"code": before.wrong_code(NOON.timestamp())}).status_code == 400
    browser.post(path, {"code": before.wrong_code(NOON.timestamp())})
    page = shown(f"{path}?by=app", browser)
    assert "Here is a new key" in page.content.decode()
    assert app_on(page).secret != before.secret
    assert browser.post(path, {"code": before.code(NOON.timestamp())}).status_code == 400


@pytest.mark.parametrize("code", ["", "12345", "1234567", "+12345", "１２３４５６", "abcdef", " ", "x" * 30])
def test_hostile_spellings_are_refused_kindly(path: str, code: str) -> None:
    app_on(shown(path))
    assert Browser().post(path, {"code": code}).status_code == 400
    assert not Authenticator.objects.exists()


def test_who_has_a_factor_gets_no_key_for_the_password_alone(ben: User) -> None:
    """ATTACKS A24, A25."""
    an_app(ben)
    path = f"/mfa/enroll/{opened(ben)}"
    page = shown(path)
    assert page.status_code == 403
    assert "otpauth" not in page.content.decode()
    assert Browser().post(path, {"code": "123456"}).status_code == 403
    assert not Enrolment.objects.exists()


@pytest.mark.parametrize("request_id", ["x", "00000000-0000-0000-0000-000000000000", "%00", "A" * 400])
def test_an_unknown_address_is_a_page_that_says_so(db: None, request_id: str) -> None:
    page = shown(f"/mfa/enroll/{request_id}")
    assert page.status_code == 404
    assert "This page is over" in page.content.decode()


def test_an_address_that_ran_out_is_over(path: str, clock: time_machine.Traveller) -> None:
    app = app_on(shown(path))
    clock.shift(601)
    assert shown(path).status_code == 410
    assert Browser().post(path, {"code": app.code(timezone.now().timestamp())}).status_code == 410
    assert not Authenticator.objects.exists()


def test_only_the_ways_that_the_policy_allows_are_shown(ben: User) -> None:
    path = f"/mfa/enroll/{opened(ben, 'Email')}"
    page = shown(f"{path}?by=app").content.decode()
    assert "otpauth" not in page
    assert "Send the code" in page
    assert not Enrolment.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_an_address_of_ones_own_is_confirmed_by_the_code_sent_to_it(clock: time_machine.Traveller) -> None:
    user = an_account("ben")
    path = f"/mfa/enroll/{opened(user)}?by=email"
    assert "b*n@m***.example" in shown(path).content.decode()
    assert Browser().post(path, {"send": "1"}).status_code == 302
    code = re.search(r"\b(\d{6})\b", str(mail.outbox[-1].body))
    assert code is not None
    assert mail.outbox[-1].to == ["ben@mail.example"]
    assert "You may close this page" in Browser().post(path, {"code": code[1]}).content.decode()
    user.refresh_from_db()
    assert user.email_verified_at is not None
    assert AuthenticationRequest.objects.get().state == "passed"


@pytest.mark.django_db(transaction=True)
def test_an_address_that_was_changed_meanwhile_is_said_to_be_another(clock: time_machine.Traveller) -> None:
    user = an_account("ben")
    path, browser = f"/mfa/enroll/{opened(user)}?by=email", Browser()
    browser.post(path, {"send": "1"})
    code = re.search(r"\b(\d{6})\b", str(mail.outbox[-1].body))
    assert code is not None
    User.objects.filter(pk=user.pk).update(email="right@mail.example")
    page = browser.post(path, {"code": code[1]}, follow=True).content.decode()
    assert "Your account has another address or number on record." in page
    assert "r***t@m***.example" in page
    assert "Send the code" in page
    assert not Authenticator.objects.exists()


def a_link(user: User) -> tuple[str, Challenge]:
    """A link that was sent for a sign-in at a client."""
    mailbox = a_mailbox(user)
    request = requests.find(opened(user))
    assert request is not None
    _, sent = challenge.send_link(request, mailbox, ORIGIN, timezone.now())
    assert sent is not None
    found = re.search(r"http://\S+(/mfa/approve/[\w-]+)", str(mail.outbox[-1].body))
    assert found is not None
    return found[1], sent


@pytest.mark.django_db(transaction=True)
def test_opening_a_link_approves_nothing(clock: time_machine.Traveller) -> None:
    """Mail scanners open links, and some send HEAD first."""
    path, link = a_link(an_account("ben"))
    for _ in range(3):
        assert "Is this you?" in shown(path).content.decode()
        assert Browser().head(path).status_code == 200
        assert Browser().post(path, {"something": "else"}).status_code == 200
    link.refresh_from_db()
    assert link.state == "open"
    page = shown(path).content.decode()
    assert all(said in page for said in ("ben", "Payroll", ORIGIN.address, "1 June 2026, 12:00:00 UTC"))
    assert Browser(enforce_csrf_checks=True).post(path, {"approve": "1"}).status_code == 403
    link.refresh_from_db()
    assert link.state == "open"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("button", "state"), [("approve", "approved"), ("refuse", "refused")])
def test_a_link_is_answered_once(clock: time_machine.Traveller, button: str, state: str) -> None:
    """ATTACKS A38."""
    path, link = a_link(an_account("ben"))
    assert Browser().post(path, {button: "1"}).status_code == 200
    link.refresh_from_db()
    assert link.state == state
    for other in ("approve", "refuse"):
        assert Browser().post(path, {other: "1"}).status_code == 410
    assert shown(path).status_code == 410
    link.refresh_from_db()
    assert link.state == state
    assert AuditEvent.objects.filter(event=f"challenge.{state}").count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_link_runs_out(clock: time_machine.Traveller) -> None:
    path, link = a_link(an_account("ben"))
    clock.shift(timedelta(seconds=91))
    assert shown(path).status_code == 410
    assert Browser().post(path, {"approve": "1"}).status_code == 410
    link.refresh_from_db()
    assert link.state == "open"


@pytest.mark.django_db(transaction=True)
def test_both_buttons_at_once_refuse(clock: time_machine.Traveller) -> None:
    path, link = a_link(an_account("ben"))
    Browser().post(path, {"approve": "1", "refuse": "1"})
    link.refresh_from_db()
    assert link.state == "refused"


@pytest.mark.parametrize(
    ("path", "leads"), [("/account/sign-in/enrol", "/account/sign-in"), ("/account/sign-in/link", "/account/sign-in")]
)
def test_a_step_without_its_beginning_leads_to_the_beginning(db: None, path: str, leads: str) -> None:
    assert shown(path)["Location"] == leads
    assert Browser().post(path, {"code": "123456"})["Location"] == leads
