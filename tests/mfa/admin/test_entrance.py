"""Nobody enters the panel on a password alone, or without a role, or with a session that is over (A28, A60, A66)."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client as Browser
from django.urls import URLPattern, URLResolver
from django.utils import timezone

from identity.models import Session, User
from identity.models.user import AdminRole
from tests.mfa.admin.conftest import MakeUser, SignIn

pytestmark = pytest.mark.django_db

SIGN_IN = "/account/sign-in?next=%2Fadmin%2F"


def addresses(patterns: list[Any], prefix: str = "/admin/") -> Iterator[str]:
    """Every address of the panel, with 1 where a number goes."""
    for entry in patterns:
        if isinstance(entry, URLResolver):
            yield from addresses(entry.url_patterns, prefix + str(entry.pattern))
        elif isinstance(entry, URLPattern):
            path = prefix + str(entry.pattern)
            for variable, value in (
                ("<path:object_id>", "1"),
                ("<int:pk>", "1"),
                ("<slug:name>", "unlock"),
                ("^(?P<app_label>identity|mfa)/$", "identity/"),
                ("(?P<url>.*)$", "nowhere"),
            ):
                path = path.replace(variable, value)
            yield path


ADDRESSES = sorted(set(addresses(admin.site.get_urls())))


def test_the_walk_covers_the_panel() -> None:
    assert len(ADDRESSES) > 30
    assert not [address for address in ADDRESSES if "<" in address or "(" in address]


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("method", ["get", "post"])
def test_no_address_opens_on_a_password_alone(address: str, method: str, make_user: MakeUser, sign_in: SignIn) -> None:
    browser = sign_in(make_user("owner", AdminRole.OWNER), acr="1")
    answer = getattr(browser, method)(address)
    assert answer.status_code in (302, 405)
    assert "owner" not in answer.content.decode()


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_address_opens_to_a_stranger(address: str) -> None:
    assert Browser().get(address).status_code in (302, 405)


def led_to(browser: Browser) -> str:
    """Where the panel's door leads in the end."""
    return str(browser.get(browser.get("/admin/").headers["Location"]).headers["Location"])


def test_a_stranger_is_led_to_the_hosted_sign_in() -> None:
    assert led_to(Browser()) == SIGN_IN


def test_a_password_alone_leads_to_the_second_factor(make_user: MakeUser, sign_in: SignIn) -> None:
    assert led_to(sign_in(make_user("owner", AdminRole.OWNER), acr="1")) == f"{SIGN_IN}&fresh=1"


@pytest.mark.parametrize("role", [role for role in AdminRole if role])
def test_every_role_enters_with_a_second_factor(role: AdminRole, make_user: MakeUser, sign_in: SignIn) -> None:
    assert sign_in(make_user("a", role)).get("/admin/").status_code == 200


def test_an_account_without_a_role_is_told_so(make_user: MakeUser, sign_in: SignIn) -> None:
    answer = sign_in(make_user("a")).get("/admin/", follow=True)
    assert answer.status_code == 403
    assert "does not allow" in answer.content.decode()


@pytest.mark.parametrize(
    "columns",
    [
        {"is_active": False},
        {"is_approved": False},
        {"locked_by_administrator_at": timezone.now()},
        {"end_date": timezone.now()},
        {"admin_role": AdminRole.NONE},
    ],
)
def test_an_account_that_was_closed_meanwhile_is_out(
    columns: dict[str, Any], make_user: MakeUser, sign_in: SignIn
) -> None:
    user = make_user("owner", AdminRole.OWNER)
    browser = sign_in(user)
    assert browser.get("/admin/").status_code == 200
    User.objects.filter(pk=user.pk).update(**columns)
    assert browser.get("/admin/").status_code == 302


def test_a_session_that_was_ended_elsewhere_is_out(make_user: MakeUser, sign_in: SignIn) -> None:
    browser = sign_in(make_user("owner", AdminRole.OWNER))
    Session.objects.update(ended_at=timezone.now())
    assert browser.get("/admin/").status_code == 302


def test_a_session_of_somebody_else_does_not_count(make_user: MakeUser, sign_in: SignIn) -> None:
    browser = sign_in(make_user("owner", AdminRole.OWNER))
    Session.objects.update(user=make_user("other", AdminRole.OWNER))
    assert browser.get("/admin/").status_code == 302


@pytest.mark.parametrize("said", [{"acr": "1"}, {"acr": 2}, {"acr": None}, {"sid": None}, {"sid": 7}])
def test_a_browser_that_does_not_say_it_had_a_second_factor_does_not_count(
    said: dict[str, Any], make_user: MakeUser, sign_in: SignIn
) -> None:
    browser = sign_in(make_user("owner", AdminRole.OWNER))
    kept = browser.session
    kept.update(said)
    kept.save()
    assert browser.get("/admin/").status_code == 302


def test_a_session_that_only_says_it_had_a_second_factor_does_not_count(make_user: MakeUser, sign_in: SignIn) -> None:
    browser = sign_in(make_user("owner", AdminRole.OWNER))
    Session.objects.update(acr="1")
    assert browser.get("/admin/").status_code == 302


@pytest.mark.parametrize(
    "following",
    ["//evil.example/", "https://evil.example/admin/", "/\\evil.example", "/account/", "javascript:alert(1)", "admin/"],
)
def test_the_way_on_stays_in_the_panel(following: str) -> None:
    answer = Browser().get("/admin/login/", {"next": following})
    assert answer.headers["Location"] == SIGN_IN


def test_whoever_is_in_already_goes_on(make_user: MakeUser, sign_in: SignIn) -> None:
    browser = sign_in(make_user("owner", AdminRole.OWNER))
    assert browser.get("/admin/login/?next=/admin/identity/user/").headers["Location"] == "/admin/identity/user/"


def test_signing_out_ends_the_session_in_the_table_too(make_user: MakeUser, sign_in: SignIn) -> None:
    browser = sign_in(make_user("owner", AdminRole.OWNER))
    assert browser.get("/admin/logout/").status_code == 405
    assert browser.post("/admin/logout/").headers["Location"] == "/account/sign-in"
    assert Session.objects.get().ended_at is not None
    assert browser.get("/admin/").status_code == 302


def test_a_post_without_the_forms_token_is_refused(make_user: MakeUser, sign_in: SignIn) -> None:
    owner, other = make_user("owner", AdminRole.OWNER), make_user("other", locked_by_administrator_at=timezone.now())
    browser = sign_in(owner, enforce_csrf_checks=True)
    assert browser.post(f"/admin/identity/user/{other.pk}/act/unlock/", {"reason": "they asked"}).status_code == 403
    other.refresh_from_db()
    assert other.locked_by_administrator_at is not None


def test_pages_of_the_panel_are_kept_by_no_cache(make_user: MakeUser, sign_in: SignIn) -> None:
    answer = sign_in(make_user("owner", AdminRole.OWNER)).get("/admin/identity/user/")
    assert "no-store" in answer.headers["Cache-Control"]
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
