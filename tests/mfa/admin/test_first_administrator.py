"""The first administrator, in a real browser on a real server: from the printed link to a reset with a reason."""

import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import page
from tests.support.server import Server
from tests.support.soft_authenticator import SoftAuthenticator

pytestmark = pytest.mark.timeout(240)

PASSWORD = "a long and quiet sentence"
PEOPLE = {
    "clients": [{"client_id": "demo_Native", "name": "Demo"}],
    "users": [
        {
            "username": "anna",
            "password": PASSWORD,
            "email": "anna@mail.example",
            "email_verified": True,
            "clients": ["*"],
        }
    ],
}


@pytest.fixture
def server(start_server: Callable[..., Server]) -> Server:
    return start_server(PEOPLE)


def printed_link(server: Server) -> str:
    found = re.search(r"^http\S+$", server.manage("bootstrap_admin"), re.MULTILINE)
    assert found is not None
    return found.group()


def phone_of(opened: Page) -> SoftAuthenticator:
    """The app, after the link on the page was tapped."""
    uri = opened.get_by_role("link", name="Open in the app on this device").get_attribute("href")
    assert uri is not None
    return SoftAuthenticator.from_uri(uri)


def become_administrator(opened: Page, server: Server) -> SoftAuthenticator:
    """From the printed link into the panel; the phone that was enrolled on the way."""
    opened.goto(printed_link(server))
    for box in opened.locator("input[type=password]").all():
        box.fill(PASSWORD)
    opened.get_by_role("button", name="Set the password").click()
    phone = phone_of(opened)
    opened.get_by_label("Six-digit code").fill(phone.code())
    opened.get_by_role("button", name="Confirm").click()
    opened.get_by_role("button", name="I have kept them").click()
    opened.wait_for_url("**/admin/")
    return phone


def sign_in(opened: Page, phone: SoftAuthenticator) -> None:
    """Password and code on the hosted pages."""
    opened.get_by_label("User name").fill("admin")
    opened.get_by_label("Password").fill(PASSWORD)
    opened.locator("form button[type=submit]").first.click()
    # Each code is good once; the one of the next half minute is inside the window already.
    opened.get_by_label("Six-digit code").fill(phone.code(time.time() + phone.period))
    opened.get_by_role("button", name="Confirm").click()


def events(server: Server) -> list[Any]:
    """The audit trail as an operator reads it."""
    return list(json.loads(server.manage("dumpdata", "identity.auditevent")))


def test_from_the_printed_link_to_a_reset_with_a_reason(server: Server, browser: Browser) -> None:
    with page(browser) as opened:
        phone = become_administrator(opened, server)
        expect(opened.get_by_role("heading", name="Administration", exact=True).first).to_be_visible()
        opened.get_by_role("link", name="People", exact=True).click()
        expect(opened.locator("tr", has=opened.get_by_role("link", name="anna"))).to_contain_text("e-mail")
        opened.get_by_role("link", name="anna").click()
        expect(opened.locator("#authenticators-group")).to_contain_text("a**a@m***.example")
        opened.get_by_role("link", name="Reset MFA").click()
        opened.get_by_role("button", name="Reset MFA").click()
        expect(opened.locator(".errorlist")).to_be_visible()
        opened.get_by_label("Reason").fill("Lost the telephone, called back, ticket 4711")
        opened.get_by_role("button", name="Reset MFA").click()
        expect(opened.locator(".messagelist")).to_contain_text("The second factor is reset.")
        expect(opened.locator("#authenticators-group")).not_to_contain_text("mail.example")
        opened.get_by_role("button", name="Sign out").click()
        opened.goto(f"{server.url}/admin/identity/user/")
        sign_in(opened, phone)
        expect(opened).to_have_url(f"{server.url}/admin/identity/user/")
    told = next(event["fields"] for event in events(server) if event["fields"]["event"] == "mfa.reset")
    assert (told["actor_name"], told["username"]) == ("admin", "anna")
    assert told["detail"]["reason"] == "Lost the telephone, called back, ticket 4711"


def test_a_person_made_in_the_panel_gets_a_password_by_a_link(server: Server, browser: Browser) -> None:
    with page(browser) as opened:
        become_administrator(opened, server)
        opened.goto(f"{server.url}/admin/identity/user/add/")
        opened.get_by_label("Username").fill("bert")
        opened.get_by_role("button", name="Save", exact=True).click()
        opened.get_by_role("link", name="bert").first.click()
        opened.get_by_role("link", name="Password link").click()
        opened.get_by_label("Reason").fill("New colleague, ticket 4712")
        opened.get_by_role("button", name="Password link").click()
        link = opened.locator("dd code").inner_text()
        with page(browser) as other:
            other.goto(link)
            expect(other.get_by_text("Choose a password for the account bert")).to_be_visible()
            for box in other.locator("input[type=password]").all():
                box.fill("another long and quiet sentence")
            other.get_by_role("button", name="Set the password").click()
            expect(other.get_by_label("Six-digit code")).to_be_visible()
            other.goto(f"{server.url}/admin/")
            expect(other.get_by_label("Password")).to_be_visible()
