"""Changing and resetting a password by REST: 513, the second factor, the code by e-mail."""

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.test import Client as Http
from django.utils import timezone

from identity.models import Installation, PasswordHistory, Session, User
from mfa.delivery import outbox
from mfa.flows import deliveries, password_reset, remembered_devices
from mfa.models import AuthenticationRequest, Delivery, PasswordReset, RememberedDevice
from mfa.outcomes import Origin
from tests.factories import PASSWORD, add_mailbox, enrol_app, make_client, make_user, sign_in_client

pytestmark = pytest.mark.django_db(transaction=True)

NEW = "another horse, another battery"
MUST_CHANGE, TOO_WEAK, EXPIRED, FACTOR_DUE = 513, 513 + 16384, 8705, 134217729
ORIGIN = Origin(address="198.51.100.7")


def post(path: str, **fields: str) -> Any:
    return Http().post(f"/api/account/password{path}", fields, content_type="application/json")


def change(client_id: str, username: str, **fields: str) -> Any:
    wanted = {"client_id": client_id, "Username": username, "Password": PASSWORD, "NewPassword": NEW}
    return post("", **{**wanted, **fields})


def test_who_must_change_the_password_is_told_so_changes_it_and_signs_in() -> None:
    user, client = make_user(must_change_password=True), make_client(mfa={"mode": "off"})
    application = sign_in_client(user, client)
    refused = application.password_step()
    assert (refused.status, refused.document["error"]) == (MUST_CHANGE, "invalid_grant")
    assert change(client.client_id, user.username).json() == {"Status": 3}
    assert application.password_step().status == 9
    assert sign_in_client(user, client, password=NEW).password_step().http_status == 200


def test_with_a_confirmed_factor_the_513_request_passes_it_and_serves_the_change_alone() -> None:
    user, client = make_user(must_change_password=True), make_client(mfa={"mode": "required"})
    phone, application = enrol_app(user), sign_in_client(user, client)
    first = application.password_step()
    assert first.status == MUST_CHANGE
    assert first.factors
    assert change(client.client_id, user.username, AuthenticationRequestId=first.request_id).status_code == 403
    again = application.code_step(first, phone.code())
    assert (again.status, again.request_id) == (MUST_CHANGE, first.request_id)
    assert "access_token" not in again.document
    assert application.redeem(first.request_id).status == MUST_CHANGE
    qr = Http().get("/api/MFAEnrollment/EnrollUserToMicrosoftAuthenticatorByImage", {"requestId": first.request_id})
    assert qr.status_code == 404
    assert change(client.client_id, user.username, AuthenticationRequestId=first.request_id).status_code == 200
    assert change(client.client_id, user.username, Password=NEW, NewPassword=PASSWORD + "!").status_code == 403


def test_another_persons_passed_request_changes_nothing() -> None:
    client = make_client(mfa={"mode": "required"})
    thief, victim = make_user(must_change_password=True), make_user(must_change_password=True)
    phone = enrol_app(thief)
    enrol_app(victim)
    application = sign_in_client(thief, client)
    passed = application.code_step(application.password_step(), phone.code())
    assert change(client.client_id, victim.username, AuthenticationRequestId=passed.request_id).status_code == 403


def test_a_password_that_the_tightened_policy_refuses_must_be_changed() -> None:
    user, client = make_user(), make_client(mfa={"mode": "off"})
    Installation.objects.update(password_minimum_length=40)
    assert sign_in_client(user, client).password_step().status == TOO_WEAK


def test_an_expired_password_is_let_in_while_grace_is_left_and_must_be_changed_then() -> None:
    user = make_user(password_changed_at=timezone.now() - timedelta(days=40))
    User.objects.filter(pk=user.pk).update(password_changed_at=timezone.now() - timedelta(days=40))
    client = make_client(mfa={"mode": "off"})
    Installation.objects.update(password_expires_days=30, password_grace_logins=2)
    application = sign_in_client(user, client)
    assert [application.password_step().status for _ in range(3)] == [2048 + 8192, 2048 + 8192 + 4096, EXPIRED]


@pytest.mark.parametrize(
    ("new", "says"), [("short", "12 characters"), ("password1234567890", ""), (PASSWORD, "before")]
)
def test_what_is_wrong_with_the_new_password_is_said(new: str, says: str) -> None:
    user, client = make_user(), make_client(mfa={"mode": "off"})
    answer = change(client.client_id, user.username, NewPassword=new)
    if not says:
        assert answer.status_code == 200
        return
    assert answer.status_code == 400
    assert says in " ".join(answer.json()["problems"])


def test_an_old_password_does_not_come_back() -> None:
    user, client = make_user(), make_client(mfa={"mode": "off"})
    assert change(client.client_id, user.username).status_code == 200
    back = change(client.client_id, user.username, Password=NEW, NewPassword=PASSWORD)
    assert back.status_code == 400
    assert PasswordHistory.objects.filter(user=user).count() == 1


def test_a_change_ends_sessions_requests_and_remembered_devices() -> None:
    user = make_user()
    client = make_client(mfa={"mode": "optional", "remember_days": 30})
    application = sign_in_client(user, client)
    assert application.password_step().http_status == 200
    remembered_devices.remember(user, client, ORIGIN, timezone.now())
    assert change(client.client_id, user.username).status_code == 200
    assert not Session.objects.filter(user=user, ended_at__isnull=True).exists()
    assert not AuthenticationRequest.objects.filter(user=user).exclude(state="cancelled").exists()
    assert not RememberedDevice.objects.filter(user=user, revoked_at__isnull=True).exists()


def test_the_change_is_no_oracle_for_passwords() -> None:
    """ATTACKS A58: the lockout of the sign-in counts here too."""
    user, client = make_user(), make_client(mfa={"mode": "off"})
    for _ in range(5):
        assert change(client.client_id, user.username, Password="wrong").status_code == 400
    assert change(client.client_id, user.username).status_code == 429
    assert sign_in_client(user, client).password_step().status == 5


def _ask_and_read(client_id: str, username: str) -> str:
    """Ask for a reset, let the sweep send it, and take the code out of the mailbox."""
    assert post("/reset", client_id=client_id, Username=username).status_code == 202
    password_reset.send_due(timezone.now())
    for delivery in Delivery.objects.all():
        outbox.hand_over(delivery.pk, timezone.now())  # Unless a thread has it in hand already.
        deliveries.wait(delivery.pk)
    lines = [line.strip() for line in str(mail.outbox[-1].body).splitlines()]
    return next(line for line in lines if len(line) == 27 and " " not in line)


def test_a_reset_sets_a_new_password_and_the_second_factor_stays_due() -> None:
    """ATTACKS A33."""
    user, client = make_user(email="a@mail.example", email_verified_at=timezone.now()), make_client()
    enrol_app(user)
    code = _ask_and_read(client.client_id, user.username)
    wanted = {"client_id": client.client_id, "ResetCode": code}
    assert post("/reset/confirm", **wanted, NewPassword="short").status_code == 400
    assert post("/reset/confirm", **wanted, NewPassword=NEW).json() == {"Status": 3}
    assert post("/reset/confirm", **wanted, NewPassword=NEW + "!").status_code == 400
    after = sign_in_client(user, client, password=NEW).password_step()
    assert after.status == FACTOR_DUE
    assert "access_token" not in after.document


def test_a_mailbox_that_is_the_second_factor_resets_nothing() -> None:
    user, client = make_user(), make_client()
    add_mailbox(user)
    assert post("/reset", client_id=client.client_id, Username=user.username).status_code == 202
    password_reset.send_due(timezone.now())
    assert PasswordReset.objects.get(user=user).digest == ""
    assert list(Delivery.objects.values_list("template", flat=True)) == ["password_reset_not_possible"]


def test_asking_tells_nothing_about_the_name() -> None:
    user, client = make_user(email="b@mail.example", email_verified_at=timezone.now()), make_client()
    known = post("/reset", client_id=client.client_id, Username=user.username)
    unknown = post("/reset", client_id=client.client_id, Username="nobody at all")
    assert (known.status_code, known.content) == (unknown.status_code, unknown.content)
    assert PasswordReset.objects.count() == 2
    assert password_reset.send_due(timezone.now()) == 2
    assert Delivery.objects.count() == 1


def test_a_reset_code_runs_out_and_a_newer_change_ends_it() -> None:
    user, client = make_user(email="c@mail.example", email_verified_at=timezone.now()), make_client()
    code = _ask_and_read(client.client_id, user.username)
    later = timezone.now() + password_reset.LIFETIME + timedelta(seconds=1)
    assert password_reset.confirm(code, NEW, client, ORIGIN, later) == password_reset.ResetRefusal.CODE_NOT_GOOD
    other = _ask_and_read(client.client_id, user.username)
    assert password_reset.confirm(other, NEW, client, ORIGIN, timezone.now()) is None
    assert password_reset.confirm(code, NEW, client, ORIGIN, timezone.now()) == "code_not_good"
