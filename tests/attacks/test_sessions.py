"""Sessions, refresh families and recovery codes that should be over, links that lead elsewhere (A31, A60, A66)."""

import ast
import base64
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from django.utils import timezone
from pytest_django import Settings
from time_machine import Traveller

from identity.flows import tokens
from identity.models import RefreshToken, Session, User
from identity.oauth.validator import StepwardValidator
from mfa.flows import recovery, reset
from mfa.models import AuthenticationRequest, Authenticator, RecoveryCode, RecoveryCodeSet, RememberedDevice
from mfa.outcomes import Origin
from tests.factories import add_mailbox, enrol_app, make_client, make_user, sign_in_client
from tests.support.visual_guard import CANCELLED, ENROLMENT_REQUIRED, FACTOR_REQUIRED, SUCCESS, WRONG_CODE

pytestmark = pytest.mark.django_db
ORIGIN = Origin(address="203.0.113.9")


def _reset(user: User) -> None:
    reset.reset_mfa(user, actor=None, reason="lost phone", origin=ORIGIN, now=timezone.now())


def _lock(user: User) -> None:
    reset.lock_account(user, actor=None, reason="left", origin=ORIGIN, now=timezone.now())


def _change_password(user: User) -> None:
    reset.after_password_change(user, ORIGIN, timezone.now())


@pytest.mark.parametrize("event", [_reset, _lock, _change_password])
def test_a_reset_a_lock_and_a_new_password_end_all_that_was_open(event: Callable[[User], None]) -> None:
    user = make_user()
    asking = make_client(mfa={"mode": "required", "remember_days": 30})
    phone, client = enrol_app(user), sign_in_client(user, asking)
    passed = client.password_step(scope="openid offline_access")
    given = client.code_step(passed, phone.code(), RememberDevice="true").document
    pending = client.password_step()
    bearer = {"Authorization": f"Bearer {given['access_token']}"}
    assert client.send("GET", "/connect/userinfo", headers=bearer).http_status == 200

    event(user)

    assert client.send("GET", "/connect/userinfo", headers=bearer).http_status == 401
    assert client.refresh(given["refresh_token"]).document == {"error": "invalid_grant"}
    assert client.code_step(pending, phone.next_code()).status == CANCELLED
    assert client.qr(passed.request_id).http_status == 410
    assert client.qr(pending.request_id).http_status == 410
    assert not RememberedDevice.objects.filter(revoked_at__isnull=True).exists()
    again = client.password_step(RememberedDeviceToken=given["RememberedDeviceToken"])
    assert again.status not in (SUCCESS, SUCCESS | 1)
    assert not Session.objects.filter(ended_at__isnull=True).exists()


def test_after_a_reset_the_old_phone_and_the_old_recovery_codes_are_worth_nothing() -> None:
    user = make_user()
    phone, client = enrol_app(user), sign_in_client(user)
    codes = recovery.make_codes(user, timezone.now(), ORIGIN)
    _reset(user)
    due = client.password_step()
    assert (due.status, due.factors) == (ENROLMENT_REQUIRED, [])
    nobody = "00000000-0000-0000-0000-000000000000"
    assert client.code_step(due, phone.code(), factor=nobody).status == WRONG_CODE
    assert client.code_step(due, codes[0], factor=nobody).status == WRONG_CODE
    assert not RecoveryCodeSet.objects.exists()


def test_a_new_authenticator_ends_remembered_devices_and_no_session() -> None:
    user = make_user()
    asking = make_client(mfa={"mode": "required", "remember_days": 30})
    phone, client = enrol_app(user), sign_in_client(user, asking)
    due = client.password_step(scope="openid")
    given = client.code_step(due, phone.code(), RememberDevice="true").document
    client.enrol_app(due.request_id)
    bearer = {"Authorization": f"Bearer {given['access_token']}"}
    assert client.send("GET", "/connect/userinfo", headers=bearer).http_status == 200
    assert client.password_step(RememberedDeviceToken=given["RememberedDeviceToken"]).status == FACTOR_REQUIRED


# A31.


def test_a_recovery_code_works_once_in_every_spelling_of_it(clock: Traveller) -> None:
    user = make_user()
    enrol_app(user)
    client = sign_in_client(user)
    codes = recovery.make_codes(user, timezone.now(), ORIGIN)
    spelling = codes[0].lower().replace("-", " ")
    passed = client.code_step(client.password_step(), spelling)
    assert (passed.status, passed.document["AuthenticationMethod"]) == (SUCCESS, "OTP")
    for again in (codes[0], codes[0].replace("-", ""), spelling):
        assert client.code_step(client.password_step(), again).status == WRONG_CODE
    assert RecoveryCode.objects.filter(spent_at__isnull=True).count() == 9


def test_recovery_codes_of_somebody_else_and_of_a_replaced_set_are_refused() -> None:
    user, other = make_user(), make_user()
    asking = make_client()
    for each in (user, other):
        enrol_app(each)
    now = timezone.now()
    old = recovery.make_codes(user, now, ORIGIN)
    foreign = recovery.make_codes(other, now, ORIGIN)
    new = recovery.make_codes(user, now, ORIGIN)
    client = sign_in_client(user, asking)
    due = client.password_step()
    assert client.code_step(due, foreign[0]).status == WRONG_CODE
    assert client.code_step(due, old[0]).status == WRONG_CODE
    assert client.code_step(due, new[0]).status == SUCCESS
    assert RecoveryCode.objects.filter(set_id=other.pk, spent_at__isnull=True).count() == 10


def test_wrong_recovery_codes_have_a_count_of_their_own_and_rest() -> None:
    user = make_user()
    phone = enrol_app(user)
    client = sign_in_client(user)
    codes = recovery.make_codes(user, timezone.now(), ORIGIN)
    due = client.password_step()
    for number in range(5):
        client.code_step(due, f"2345-6789-ABCD-EFG{'HJKMN'[number]}")
    assert RecoveryCodeSet.objects.get().failures == 5
    assert Authenticator.objects.get().failures == 0
    due = client.password_step()
    assert client.code_step(due, codes[0]).status == WRONG_CODE
    assert RecoveryCode.objects.filter(spent_at__isnull=True).count() == 10
    assert client.code_step(due, phone.code()).status == SUCCESS


def test_a_recovery_code_opens_a_resting_app_and_tells_its_owner() -> None:
    user = make_user()
    phone = enrol_app(user)
    add_mailbox(user)
    client = sign_in_client(user)
    codes = recovery.make_codes(user, timezone.now(), ORIGIN)
    due = client.password_step()
    app = due.factor_id()
    for _ in range(5):
        client.code_step(due, phone.wrong_code(), factor=app)
    passed = client.code_step(client.password_step(), codes[0], factor=app)
    assert passed.status == SUCCESS
    assert Authenticator.objects.get(kind=4).failures == 5
    assert "recovery_code_used" in user.deliveries.values_list("template", flat=True)


def test_recovery_codes_are_shown_once_and_to_nobody_who_only_knows_the_password() -> None:
    client = sign_in_client(make_user())
    due = client.password_step()
    assert client.enrolment("GetRecoveryCodes", due.request_id).http_status == 409
    client.enrol_app(due.request_id)
    shown = client.enrolment("GetRecoveryCodes", due.request_id)
    assert len(set(shown.document["RecoveryCodes"])) == 10
    assert client.enrolment("GetRecoveryCodes", due.request_id).http_status == 409
    assert client.enrolment("GetRecoveryCodes", client.password_step().request_id).http_status == 409


# A60's neighbours: tokens.


def test_a_revoked_refresh_token_ends_its_access_token_and_not_another_clients() -> None:
    user = make_user()
    client, other = (sign_in_client(user, make_client(mfa={"mode": "off"})) for _ in range(2))
    own = client.password_step(scope="openid offline_access").document
    theirs = other.password_step(scope="openid offline_access").document
    for token in (theirs["refresh_token"], "unknown", own["refresh_token"]):
        answer = client.send("POST", "/connect/revocation", data={"client_id": client.client_id, "token": token})
        assert answer.http_status == 200

    def knows(token: str) -> int:
        return client.send("GET", "/connect/userinfo", headers={"Authorization": f"Bearer {token}"}).http_status

    assert knows(own["access_token"]) == 401
    assert knows(theirs["access_token"]) == 200
    assert other.refresh(theirs["refresh_token"]).http_status == 200


@pytest.mark.parametrize("damage", ["none", "another key", "alg none", "id token", "cut", "other typ"])
def test_an_access_token_that_is_not_ours_opens_nothing(damage: str) -> None:
    client = sign_in_client(make_user(), make_client(mfa={"mode": "off"}))
    given = client.password_step(scope="openid").document
    head, body, signature = given["access_token"].split(".")

    def encoded(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    header = json.loads(base64.urlsafe_b64decode(head + "=="))
    forged = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    token = {
        "none": given["access_token"],
        "another key": f"{head}.{body}."
        + encoded(forged.sign(f"{head}.{body}".encode(), padding.PKCS1v15(), SHA256())),
        "alg none": f"{encoded(json.dumps({**header, 'alg': 'none'}).encode())}.{body}.",
        "id token": given["id_token"],
        "cut": given["access_token"][:-4],
        "other typ": f"{encoded(json.dumps({**header, 'typ': 'JWT'}).encode())}.{body}.{signature}",
    }[damage]
    answer = client.send("GET", "/connect/userinfo", headers={"Authorization": f"Bearer {token}"})
    assert answer.http_status == (200 if damage == "none" else 401)


def test_an_expired_access_token_is_refused_by_our_own_calls(clock: Traveller) -> None:
    client = sign_in_client(make_user(), make_client(mfa={"mode": "off"}))
    given = client.password_step(scope="openid").document
    clock.shift(given["expires_in"])
    bearer = {"Authorization": f"Bearer {given['access_token']}"}
    assert client.send("GET", "/connect/userinfo", headers=bearer).http_status == 401


def test_a_refresh_token_runs_out(clock: Traveller, settings: Settings) -> None:
    client = sign_in_client(make_user(), make_client(mfa={"mode": "off"}))
    token = client.password_step(scope="offline_access").document["refresh_token"]
    clock.shift(settings.REFRESH_TOKEN_LIFETIME)
    assert client.refresh(token).document == {"error": "invalid_grant"}


def test_a_refresh_that_runs_while_its_session_is_ended_gives_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    client = sign_in_client(make_user(), make_client(mfa={"mode": "off"}))
    token = client.password_step(scope="offline_access").document["refresh_token"]
    spend = StepwardValidator._spend

    def overtaken(old: RefreshToken, now: datetime) -> bool:
        Session.objects.update(ended_at=now)
        return spend(old, now)

    monkeypatch.setattr(StepwardValidator, "_spend", staticmethod(overtaken))
    assert client.refresh(token).document == {"error": "invalid_grant"}
    assert RefreshToken.objects.count() == 1


def test_a_client_may_use_only_its_own_grants_and_scopes() -> None:
    user = make_user()
    narrow = sign_in_client(user, make_client(grant_types=["client_credentials"], scopes=["profile"]))
    assert narrow.password_step().document["error"] == "unauthorized_client"
    assert narrow.refresh("x").document["error"] == "unauthorized_client"
    public = narrow.token(grant_type="client_credentials")
    assert public.document["error"] in ("unauthorized_client", "invalid_client")
    scoped = sign_in_client(user, make_client(scopes=["profile"], mfa={"mode": "off"}))
    for scope in ("openid", "admin", "IdentityServerApi", "profile admin", "nonsense"):
        assert scoped.password_step(scope=scope).document["error"] == "invalid_scope"
    assert scoped.password_step(scope="profile").status == SUCCESS
    inactive = make_client(mfa={"mode": "off"}, is_active=False)
    assert sign_in_client(user, inactive).password_step().document["error"] == "invalid_client"
    assert not AuthenticationRequest.objects.exists()


# A66.


def test_no_header_steers_a_link(settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    client = sign_in_client(make_user())
    evil = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    answer = client.password_step(how={"headers": evil})
    assert "evil.example" not in answer.body.decode()
    discovery = client.send("GET", "/.well-known/openid-configuration", headers=evil)
    assert "evil.example" not in discovery.body.decode()
    assert settings.PUBLIC_URL in discovery.body.decode()


def test_tokens_are_given_for_a_completed_sign_in_and_only_sign_in_makes_one() -> None:
    """HOUSE, habit 4: nobody mints a token for a user whom they merely looked up."""
    made_in = {
        str(path)
        for folder in ("config", "identity", "mfa")
        for path in Path(folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "CompletedSignIn"
    }
    assert made_in == {"mfa/flows/sign_in.py"}
    assert tokens.issue.__annotations__["completed"].__name__ == "CompletedSignIn"
