"""The page about keys: what seals how much, how far a rotation is, and that owners alone begin one."""

import base64
import secrets
from typing import Any

import pytest
from django.utils import timezone

from identity.models import AuditEvent, User
from identity.models.user import AdminRole
from mfa import secret_store
from mfa.flows import rotation
from mfa.models import KeyRotation
from tests.mfa.admin.conftest import MakeUser, SignIn

pytestmark = pytest.mark.django_db

PAGE, BEGIN = "/admin/mfa/keyrotation/", "/admin/mfa/keyrotation/begin/"
REASON = {"reason": "yearly, ticket 4711"}
OLD, NEW = secrets.token_bytes(32), secrets.token_bytes(32)


@pytest.fixture(autouse=True)
def three_data_keys_of_the_old_key(db: None, settings: Any) -> None:
    settings.MFA_SECRET_KEYS = {"old": OLD, **settings.MFA_SECRET_KEYS}
    for number in range(3):
        user = User.objects.create(username=f"sealed-{number}")
        secret_store.seal_for(user, b"secret", table="mfa_authenticator", row="1", purpose="test")
    settings.MFA_SECRET_KEYS = {"new": NEW, **settings.MFA_SECRET_KEYS}


def words(page: str) -> str:
    """The page's text without its markup, single-spaced."""
    import re

    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_the_page_says_which_key_seals_how_much_and_shows_no_key(make_user: MakeUser, sign_in: SignIn) -> None:
    shown = sign_in(make_user("auditor", AdminRole.AUDITOR)).get(PAGE).content.decode()
    assert "new seals 0 0" in words(shown)
    assert "old opens 3 0" in words(shown)
    for key in (OLD, NEW):
        assert key.hex() not in shown
        assert base64.b64encode(key).decode() not in shown


def test_a_key_that_is_gone_too_early_is_called_missing(make_user: MakeUser, sign_in: SignIn, settings: Any) -> None:
    settings.MFA_SECRET_KEYS = {kid: key for kid, key in settings.MFA_SECRET_KEYS.items() if kid != "old"}
    shown = sign_in(make_user("owner", AdminRole.OWNER)).get(PAGE).content.decode()
    assert "old not in MFA_SECRET_KEYS: put it back 3 0" in words(shown)


def test_an_owner_begins_a_rotation_with_a_reason_and_sees_how_far_it_is(make_user: MakeUser, sign_in: SignIn) -> None:
    browser = sign_in(make_user("owner", AdminRole.OWNER))
    assert "Begin a rotation" in browser.get(PAGE).content.decode()
    assert browser.post(BEGIN, {"reason": "..."}).status_code == 200
    assert not KeyRotation.objects.exists(), "dots are no reason"
    assert "The rotation is begun." in browser.post(BEGIN, REASON, follow=True).content.decode()
    rotation.go_on(timezone.now(), seconds=0, batch=2)
    assert "A rotation to new is running: 2 of 3." in words(browser.get(PAGE).content.decode())
    rotation.go_on(timezone.now(), seconds=60)
    shown = words(browser.get(PAGE).content.decode())
    assert "new seals 3" in shown
    assert "finished" in shown.casefold()
    assert "3 of 3" in shown
    begun = AuditEvent.objects.get(event="keys.rotation_begun")
    assert (begun.actor_name, begun.detail["reason"], begun.address) == ("owner", REASON["reason"], "127.0.0.1")


@pytest.mark.parametrize("role", [AdminRole.AUDITOR, AdminRole.HELPDESK, AdminRole.ADMINISTRATOR])
def test_nobody_but_an_owner_begins_one(role: AdminRole, make_user: MakeUser, sign_in: SignIn) -> None:
    browser = sign_in(make_user("somebody", role))
    assert "Begin a rotation" not in browser.get(PAGE).content.decode()
    assert browser.get(BEGIN).status_code == 403
    assert browser.post(BEGIN, REASON).status_code == 403
    assert not KeyRotation.objects.exists()


def test_it_takes_a_fresh_second_factor(make_user: MakeUser, sign_in: SignIn) -> None:
    browser = sign_in(make_user("owner", AdminRole.OWNER), minutes_ago=11)
    assert browser.get(PAGE).status_code == 200
    assert browser.post(BEGIN, REASON).headers["Location"].startswith("/account/sign-in?next=")
    assert not KeyRotation.objects.exists()


def test_metrics_say_how_many_data_keys_are_left(client: Any) -> None:
    rotation.begin(timezone.now())
    told = client.get("/metrics").content.decode()
    assert 'stepward_data_keys{kid="old"} 3.0' in told
    assert "stepward_data_keys_left 3.0" in told
    assert "stepward_rotation_resealed 0.0" in told
    rotation.go_on(timezone.now(), seconds=60)
    told = client.get("/metrics").content.decode()
    assert 'stepward_data_keys{kid="new"} 3.0' in told
    assert "stepward_data_keys_left 0.0" in told
    assert "stepward_rotation_begun_timestamp_seconds 0.0" in told
