"""The hosted pages in a real Chromium, against a real server, with mail by SMTP and a telephone that scans the screen."""

import re
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support import browser as chromium
from tests.support.accessibility import faults, overflows
from tests.support.browser import scanned
from tests.support.gateways import MailServer, mail_server
from tests.support.server import Server

pytestmark = pytest.mark.timeout(240)

PASSWORD: Final = "a long and quiet sentence"
CLIENT: Final = "6f0f3c6e-0000-4000-8000-000000000001_Native"
PROVISIONED: Final = {
    "clients": [{"client_id": CLIENT, "name": "Payroll"}],
    "users": [
        {"username": "ben", "password": PASSWORD, "email": "ben@mail.example", "clients": ["*"]},
        {
            "username": "anna",
            "password": PASSWORD,
            "email": "anna@mail.example",
            "email_verified": True,
            "clients": ["*"],
        },
    ],
}


@pytest.fixture
def mailbox() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


@pytest.fixture
def server(start_server: Callable[..., Server], mailbox: MailServer) -> Server:
    return start_server(PROVISIONED, environment={"EMAIL_URL": f"smtp://127.0.0.1:{mailbox.port}", "REDIS_URL": ""})


@pytest.fixture
def telephone(browser: Browser) -> Iterator[Page]:
    """A second browser with cookies of its own, as small as a telephone."""
    with chromium.page(browser, width=390, height=844) as opened:
        yield opened


def token(server: Server, **fields: str) -> dict[str, Any]:
    """`POST /connect/token` as a client sends it."""
    form = {"grant_type": "VGAuthenticator", "client_id": CLIENT, **fields}
    answer: dict[str, Any] = httpx.post(f"{server.url}/connect/token", data=form, timeout=30).json()
    return answer


def enrolment_url(server: Server, username: str) -> str:
    answer = token(server, Username=username, Password=PASSWORD)
    return str(answer["VGResponse"]["AuthenticationResponse"]["AuthenticationEnrollmentRequest"]["EnrollmentUrl"])


def received(mailbox: MailServer, pattern: str) -> str:
    """What `pattern` finds in the last message, once it has come."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for message in reversed(mailbox.received):
            body = message.get_body(("plain",))
            found = re.search(pattern, body.get_content() if body else "", re.MULTILINE)
            if found:
                return found[1]
        time.sleep(0.05)
    raise AssertionError(f"no message with {pattern}")


def give_password(page: Page, server: Server, username: str, path: str = "/account/") -> None:
    page.goto(f"{server.url}{path}")
    page.get_by_label("User name").fill(username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Continue").click()


def confirm(page: Page, code: str) -> None:
    page.get_by_label("Six-digit code").fill(code)
    page.get_by_role("button", name="Confirm").click()


def is_good(page: Page, said: str) -> None:
    """The page that says `said` is accessible in both colours and readable on a small screen."""
    expect(page.get_by_text(said).first).to_be_visible()
    page.wait_for_load_state()
    assert faults(page) == [], page.url
    assert not overflows(page), page.url


def test_a_person_enrols_on_the_page_while_the_application_waits(page: Page, server: Server) -> None:
    url = enrolment_url(server, "ben")
    page.goto(url)
    is_good(page, "Scan this with")
    app = scanned(page)
    assert (app.issuer, app.account) == ("Stepward", "ben")
    key = "".join(page.locator(".key code").all_inner_texts())
    assert f"secret={key}&" in app.uri
    expect(page.get_by_role("link", name="Open in the app")).to_have_attribute("href", app.uri)
    confirm(page, app.wrong_code())
    field = page.get_by_label("Six-digit code")
    expect(field).to_have_attribute("aria-invalid", "true")
    described_by = field.get_attribute("aria-describedby")
    expect(page.locator(f"#{described_by}")).to_contain_text("The code is not right")
    is_good(page, "The code is not right")
    assert scanned(page) == app, "a wrong code breaks no scan"
    confirm(page, app.code())
    expect(page.locator("#recovery-codes code")).to_have_count(10)
    expect(page.get_by_text("You may close this page")).to_be_visible()
    is_good(page, "You may close this page")
    answer = token(server, AuthenticationRequestId=url.rsplit("/", 1)[1])
    assert answer["AuthenticationMethod"] == "OTP"
    page.goto(url)
    expect(page.locator("#recovery-codes")).to_have_count(0)
    assert url.rsplit("/", 1)[1] not in server.log_text()


def test_enrolment_needs_no_script(browser: Browser, server: Server) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(enrolment_url(server, "ben"))
    app = scanned(page)
    page.fill("#id_code", app.code())
    page.click("text=Confirm")
    expect(page.locator("#recovery-codes code")).to_have_count(10)
    context.close()


def test_an_address_is_confirmed_by_a_code_in_the_mailbox(page: Page, server: Server, mailbox: MailServer) -> None:
    page.goto(enrolment_url(server, "ben"))
    page.get_by_role("link", name="E-mail").click()
    is_good(page, "We send a code to")
    page.get_by_role("button", name="Send the code").click()
    is_good(page, "We sent a code to")
    confirm(page, received(mailbox, r"^\s*(\d{6})\s*$"))
    expect(page.locator("#recovery-codes code")).to_have_count(10)


def test_a_first_sign_in_to_the_account_and_every_page_of_it(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/account/")
    is_good(page, "Sign in")
    give_password(page, server, "ben")
    app = scanned(page)
    confirm(page, app.code())
    page.get_by_role("button", name="I have kept them").click()
    expect(page).to_have_url(f"{server.url}/account/")
    expect(page.get_by_text("You have 10 codes left.")).to_be_visible()
    is_good(page, "You have 10 codes left")
    page.get_by_role("link", name="Rename").click()
    is_good(page, "Save")
    page.get_by_label("Name").fill("The blue telephone")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".name")).to_contain_text("The blue telephone")
    for name in ("Sessions", "Password", "Activity"):
        page.get_by_role("link", name=name).click()
        expect(page.get_by_role("link", name=name)).to_have_attribute("aria-current", "page")
        is_good(page, name)
    expect(page.get_by_text("Device renamed")).to_be_visible()
    page.get_by_role("link", name="Second factor").click()
    page.get_by_role("link", name="Make new ones").click()
    is_good(page, "Make ten new codes")
    page.get_by_role("button", name="Make ten new codes").click()
    expect(page.locator("#recovery-codes code")).to_have_count(10)
    is_good(page, "The earlier ones have stopped")
    page.get_by_role("link", name="I have kept them").click()
    page.get_by_role("link", name="Remove").click()
    expect(page.get_by_text("It is your last one")).to_be_visible()
    is_good(page, "It is your last one")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()
    is_good(page, "You are signed out")
    give_password(page, server, "ben", "/account/activity")
    is_good(page, "Enter the code from your app")
    confirm(page, app.next_code())
    expect(page).to_have_url(f"{server.url}/account/activity")


def test_a_device_is_added_and_the_old_one_removed(page: Page, server: Server, mailbox: MailServer) -> None:
    give_password(page, server, "ben")
    first = scanned(page)
    confirm(page, first.code())
    page.get_by_role("button", name="I have kept them").click()
    page.get_by_role("button", name="Add a device").click()
    is_good(page, "Add a device")
    second = scanned(page)
    assert second.secret != first.secret
    confirm(page, second.code())
    page.get_by_role("link", name="Back to your account").click()
    expect(page.get_by_role("link", name="Remove")).to_have_count(2)
    page.get_by_role("link", name="Remove").first.click()
    is_good(page, "Keep it")
    page.get_by_role("button", name="Remove it").click()
    expect(page.get_by_text("every session was ended")).to_be_visible()
    is_good(page, "every session was ended")
    give_password(page, server, "ben")
    confirm(page, first.next_code())
    expect(page.get_by_text("The code is not right")).to_be_visible()
    confirm(page, second.next_code())
    expect(page).to_have_url(f"{server.url}/account/")


def test_a_link_is_approved_on_another_device(page: Page, telephone: Page, server: Server, mailbox: MailServer) -> None:
    give_password(page, server, "anna", "/account/sessions")
    is_good(page, "How do you want to confirm")
    page.get_by_role("button", name="Send me a link instead").click()
    is_good(page, "Waiting for your approval")
    link = received(mailbox, r"(http://localhost:\d+/mfa/approve/[\w-]+)")
    telephone.goto(link)
    for fact in ("anna", "Stepward", "127.0.0.1", "Chrome, Linux"):
        expect(telephone.locator(".facts").get_by_text(fact, exact=True)).to_be_visible()
    is_good(telephone, "Is this you?")
    telephone.reload()
    page.wait_for_timeout(2500)
    expect(page.get_by_role("heading", name="Approve the link")).to_be_visible()
    telephone.get_by_role("button", name="Approve").click()
    expect(telephone.get_by_role("heading", name="Approved")).to_be_visible()
    is_good(telephone, "Go back to where")
    page.wait_for_url(f"{server.url}/account/sessions")
    telephone.goto(link)
    expect(telephone.get_by_role("heading", name="This link is over")).to_be_visible()
    is_good(telephone, "This link is over")
    assert link.rsplit("/", 1)[1] not in server.log_text()


def test_a_refused_link_ends_the_sign_in_and_says_what_to_do(
    page: Page, telephone: Page, server: Server, mailbox: MailServer
) -> None:
    give_password(page, server, "anna")
    page.get_by_role("button", name="Send me a link instead").click()
    telephone.goto(received(mailbox, r"(http://localhost:\d+/mfa/approve/[\w-]+)"))
    telephone.get_by_role("button", name="Refuse").click()
    expect(telephone.get_by_role("link", name="Change my password")).to_be_visible()
    is_good(telephone, "Change my password")
    expect(page.get_by_text("This sign-in was refused or has ended")).to_be_visible()


def test_a_code_from_the_mailbox_signs_in(page: Page, server: Server, mailbox: MailServer) -> None:
    give_password(page, server, "anna")
    page.get_by_role("button", name="Send me a code").click()
    is_good(page, "It is on its way")
    confirm(page, received(mailbox, r"^\s*(\d{6})\s*$"))
    expect(page).to_have_url(f"{server.url}/account/")
    expect(page.get_by_text("You have no recovery codes")).to_be_visible()


def test_the_copy_button_copies_all_ten_codes(browser: Browser, server: Server) -> None:
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(enrolment_url(server, "ben"))
    confirm(page, scanned(page).code())
    expect(page.locator("#recovery-codes code")).to_have_count(10)
    codes = page.locator("#recovery-codes code").all_inner_texts()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()").split("\n") == codes
    context.close()
