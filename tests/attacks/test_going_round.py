"""Ways round the second factor (ATTACKS A24 to A42)."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.core import mail
from django.test import Client as DjangoClient
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone
from time_machine import Traveller

from identity.flows import clients
from identity.models import Client, Installation, Session, User
from identity.oauth import jwt
from mfa import secret_store
from mfa.flows import challenge, remembered_devices, requests, reset
from mfa.models import AuthenticationRequest, Authenticator, Challenge, Enrolment
from mfa.models.authentication_request import RequestState
from mfa.models.authenticator import EnrolmentState, Kind
from mfa.outcomes import Origin
from mfa.primitives import totp
from tests.factories import PASSWORD, add_mailbox, enrol_app, make_client, make_user, sign_in_client
from tests.support.soft_authenticator import SoftAuthenticator
from tests.support.visual_guard import (
    CANCELLED,
    ENROLMENT_REQUIRED,
    FACTOR_REQUIRED,
    SUCCESS,
    WRONG_CODE,
    WRONG_PASSWORD,
    VisualGuardClient,
)

pytestmark = pytest.mark.django_db
ORIGIN = Origin(address="203.0.113.9")
FACTOR_DUE = 134217729


def claims_of(client: VisualGuardClient, access_token: str) -> dict[str, object]:
    found = jwt.read(access_token, typ="at+jwt", now=timezone.now())
    assert found is not None
    return found


# A24, A25, A26: adding, reading and removing factors.


def test_the_password_alone_adds_no_factor_to_an_account_that_has_one() -> None:
    user = make_user()
    enrol_app(user)
    client = sign_in_client(user)
    due = client.password_step()
    for call in ("EnrollUserToMicrosoftAuthenticatorByImage", "EnrollUserToMicrosoftAuthenticatorByBytes"):
        for method in ("GET", "POST"):
            refused = client.enrolment(call, due.request_id, method=method)
            assert (refused.http_status, refused.document["Status"]) == (403, FACTOR_DUE)
    for call, where in (
        ("SendEmailVerification", "thief@evil.example"),
        ("SendMobileNumberVerification", "+33612345678"),
    ):
        refused = client.enrolment(call, due.request_id, destination=where)
        assert (refused.http_status, refused.document["Status"]) == (403, FACTOR_DUE)
    for call in ("ValidateMicrosoftTOTP", "ValidateEmail", "ValidateMobileNumber"):
        assert client.enrolment(call, due.request_id, secureCode="123456").http_status == 403
    assert "ManualEntryKey" not in client.information(due.request_id)
    assert client.enrolment("GetRecoveryCodes", due.request_id).http_status == 409
    assert not Enrolment.objects.filter(user=user).exists()
    assert Authenticator.objects.filter(user=user).count() == 1


def test_an_enrolment_begun_before_the_owner_enrolled_is_worth_nothing_after() -> None:
    """A password thief scans a QR first and waits; the owner enrols; the thief's code comes too late."""
    user = make_user()
    asking = make_client()
    thief, owner = sign_in_client(user, asking), sign_in_client(user, asking)
    lurking = thief.password_step().request_id
    stolen = SoftAuthenticator.scan(thief.qr(lurking).body)
    owner.enrol_app(owner.password_step().request_id)

    refused = thief.confirm(lurking, stolen.code())
    assert (refused.http_status, refused.document["Status"]) == (403, FACTOR_DUE)
    assert thief.qr(lurking).http_status == 403
    assert "OtpAuthUri" not in thief.information(lurking)
    redeemed = thief.redeem(lurking)
    assert (redeemed.http_status, redeemed.status) == (400, FACTOR_REQUIRED)
    assert Authenticator.objects.filter(user=user).count() == 1


def test_after_a_passed_code_one_further_enrolment_and_no_second(clock: Traveller) -> None:
    user = make_user()
    phone, client = enrol_app(user), sign_in_client(user)
    due = client.password_step()
    assert client.code_step(due, phone.code()).status == SUCCESS
    client.enrol_app(due.request_id)
    assert Authenticator.objects.filter(user=user).count() == 2
    assert client.qr(due.request_id).http_status == 410
    assert client.enrolment("SendEmailVerification", due.request_id, destination="a@b.example").http_status == 410


def test_the_right_to_a_further_enrolment_runs_out_with_the_request(clock: Traveller) -> None:
    user = make_user()
    phone, client = enrol_app(user), sign_in_client(user)
    due = client.password_step()
    assert client.code_step(due, phone.code()).status == SUCCESS
    clock.shift(600)
    over = client.qr(due.request_id)
    assert (over.http_status, over.document["Status"]) == (410, 4)


def test_a_confirmed_secret_is_unreadable_by_every_call() -> None:
    client = sign_in_client(make_user())
    first = client.password_step().request_id
    phone = client.enrol_app(first)
    passed = client.password_step()
    assert client.code_step(passed, phone.next_code()).status == SUCCESS
    for request_id in (first, passed.request_id, client.password_step().request_id):
        for call in _ENROLMENT_CALLS:
            for method in ("GET", "POST"):
                answer = client.enrolment(call, request_id, method=method)
                assert totp.base32(phone.secret).encode() not in answer.body
                if answer.headers["content-type"] == "image/png":
                    assert SoftAuthenticator.scan(answer.body).secret != phone.secret


_ENROLMENT_CALLS = (
    "EnrollUserToMicrosoftAuthenticatorByImage",
    "EnrollUserToMicrosoftAuthenticatorByBytes",
    "GetEnrollmentInformation",
    "ValidateMicrosoftTOTP",
    "CancelEnrollment",
    "GetRecoveryCodes",
)


# A28: other routes with a pending credential.


def _routes(patterns: list[URLPattern | URLResolver], prefix: str = "") -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from _routes(pattern.url_patterns, prefix + _path_of(str(pattern.pattern)))
        else:
            yield prefix + _path_of(str(pattern.pattern))


def _path_of(pattern: str) -> str:
    """A path that the pattern matches: `[Aa][Pp][Ii]` as `api`, `<uuid:pk>` as a GUID."""
    text = re.sub(r"\[(\w)\w\]", r"\1", pattern)
    text = re.sub(r"\(\?P<(\w+)>[^()]*(?:\([^()]*\)[^()]*)*\)", "1", text)
    text = re.sub(r"<uuid:\w+>", "1b671a64-40d5-491e-99b0-da01ff1f3341", text)
    text = re.sub(r"<(?:\w+:)?\w+>", "1", text)
    return re.sub(r"[\^$?\\]|\(\?:|\)", "", text)


# What anybody may fetch, signed in or not: health, keys, documents, forms, and what answers without the credential.
_FOR_EVERYBODY = re.compile(
    r"^/(healthz|readyz|metrics|stateless/|\.well-known/|api/schema|api/docs|static/|account/(sign-in|sign-out|reset|bootstrap)"
    r"|mfa/approve/|api/MFAEnrollment/|mfa/enroll/|pair\.aspx|qr\.aspx|validate\.aspx|api\.asmx|api/totp|totp"
    r"|admin/(login|logout|jsi18n))",
    re.IGNORECASE,
)


def test_a_pending_request_id_opens_nothing_but_the_calls_of_the_second_factor() -> None:
    """The id as bearer token, as cookie, in query and body, on every route there is."""
    user = make_user(admin_role=40)
    enrol_app(user)
    client = sign_in_client(user)
    pending = client.password_step().request_id
    browser = DjangoClient(raise_request_exception=True)
    browser.cookies["stepward_session"] = pending
    carried = {"requestId": pending, "AuthenticationRequestId": pending, "access_token": pending, "token": pending}
    walked = 0
    for route in sorted(set(_routes(get_resolver().url_patterns))):
        path = f"/{route}"
        if _FOR_EVERYBODY.match(path) or path == "/connect/token":
            continue
        for method in ("get", "post"):
            form = {"content_type": "application/x-www-form-urlencoded"} if method == "post" else {}
            given = urlencode(carried) if method == "post" else carried
            answer = getattr(browser, method)(path, given, headers={"Authorization": f"Bearer {pending}"}, **form)
            walked += 1
            if answer.status_code == 303:  # The same request once more, by GET.
                assert answer["Location"].startswith(f"{path}?")
                answer = browser.get(answer["Location"])
            assert answer.status_code in (301, 302, 400, 401, 403, 404, 405, 409, 410), (
                method,
                path,
                answer.status_code,
            )
            if answer.status_code in (301, 302):
                assert re.search(r"sign-in|sign-out|login|/$", answer["Location"]), (path, answer["Location"])
    assert walked > 40
    assert Authenticator.objects.filter(user=user).count() == 1
    assert not Session.objects.exists()


def test_a_pending_request_id_is_no_token_for_the_oauth_calls() -> None:
    user = make_user()
    enrol_app(user)
    client = sign_in_client(user, make_client(secret="a secret of twenty chars"), secret="a secret of twenty chars")
    pending = client.password_step().request_id
    credentials = {"client_id": client.client_id, "client_secret": client.client_secret, "token": pending}
    assert client.send("POST", "/connect/introspect", data=credentials).document == {"active": False}
    assert client.refresh(pending).document["error"] == "invalid_grant"
    bearer = {"Authorization": f"Bearer {pending}"}
    assert client.send("GET", "/connect/userinfo", headers=bearer).http_status == 401
    assert client.send("POST", "/api/MFAEnrollment/StartEnrollment", headers=bearer).http_status == 401


# A29, A36: what a sign-in proved.


def test_a_sign_in_without_a_second_factor_says_so_in_its_token() -> None:
    user = make_user()
    client = sign_in_client(user, make_client(mfa={"mode": "off"}))
    claims = claims_of(client, client.password_step().document["access_token"])
    assert (claims["acr"], claims["amr"]) == ("1", ["pwd"])


def test_a_remembered_device_does_not_claim_a_second_factor() -> None:
    user = make_user()
    phone = enrol_app(user)
    client = sign_in_client(user, make_client(mfa={"mode": "required", "remember_days": 30}))
    device = client.code_step(client.password_step(), phone.code(), RememberDevice="true").document
    again = client.password_step(RememberedDeviceToken=device["RememberedDeviceToken"]).document
    claims = claims_of(client, again["access_token"])
    assert (claims["acr"], claims["amr"]) == ("1", ["pwd"])
    replayed = client.password_step(RememberedDeviceToken=device["RememberedDeviceToken"])
    assert replayed.status == FACTOR_REQUIRED


@pytest.mark.parametrize("whose", ["another user", "another client", "nobody"])
def test_a_remembered_device_is_bound_to_user_and_client(whose: str) -> None:
    user, other = make_user(), make_user()
    asking = make_client(mfa={"mode": "required", "remember_days": 30})
    phone = enrol_app(user)
    enrol_app(other)
    client = sign_in_client(user, asking)
    token = client.code_step(client.password_step(), phone.code(), RememberDevice="true").document[
        "RememberedDeviceToken"
    ]
    thief = {
        "another user": sign_in_client(other, asking),
        "another client": sign_in_client(user, make_client(mfa={"mode": "required", "remember_days": 30})),
        "nobody": client,
    }[whose]
    shown = token if whose != "nobody" else ("B" if token[0] == "A" else "A") + token[1:]
    assert thief.password_step(RememberedDeviceToken=shown).status == FACTOR_REQUIRED


def _token_with(client: VisualGuardClient, phone: SoftAuthenticator, scope: str) -> str:
    return str(client.code_step(client.password_step(scope=scope), phone.code()).document["access_token"])


def test_adding_a_device_while_signed_in_needs_a_fresh_second_factor_and_the_scope(clock: Traveller) -> None:
    user = make_user()
    phone = enrol_app(user)
    own = make_client(scopes=["openid", "offline_access", "IdentityServerApi"])
    client = sign_in_client(user, own)

    def start(token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        return client.send("POST", "/api/MFAEnrollment/StartEnrollment", headers=headers).http_status

    good = client.code_step(client.password_step(scope="IdentityServerApi offline_access"), phone.code()).document
    assert start(good["access_token"]) == 200
    clock.shift(595)
    renewed = client.refresh(good["refresh_token"]).document["access_token"]
    assert start(renewed) == 200
    clock.shift(10)
    # A refreshed token is young, the proof in it is not.
    assert start(renewed) == 403
    assert start(_token_with(client, phone, "openid")) == 403
    weak = make_client(mfa={"mode": "off"}, scopes=["IdentityServerApi"])
    without = sign_in_client(make_user(), weak).password_step(scope="IdentityServerApi").document["access_token"]
    assert start(without) == 403
    assert start("") == 401


def test_an_id_for_an_enrolment_signs_nobody_in() -> None:
    user = make_user()
    phone = enrol_app(user)
    client = sign_in_client(user, make_client(scopes=["IdentityServerApi"]))
    token = _token_with(client, phone, "IdentityServerApi")
    headers = {"Authorization": f"Bearer {token}"}
    request_id = client.send("POST", "/api/MFAEnrollment/StartEnrollment", headers=headers).document["RequestId"]
    assert client.redeem(request_id).status == CANCELLED
    client.enrol_app(request_id)
    assert client.redeem(request_id).status == CANCELLED
    assert client.qr(request_id).http_status == 410


# A30 lives in test_replay. A33: changes of password.


def test_a_change_of_password_needs_the_second_factor_of_this_very_request() -> None:
    user = make_user()
    phone, client = enrol_app(user), sign_in_client(user)
    new = "another horse battery staple"

    def change(**fields: str) -> int:
        given = {"client_id": client.client_id, "Username": user.username, "Password": PASSWORD, "NewPassword": new}
        return client.send("POST", "/api/account/password", data={**given, **fields}).http_status

    due = client.password_step()
    assert change() == 403
    assert change(AuthenticationRequestId=due.request_id) == 403
    passed = client.code_step(due, phone.code())
    assert passed.status == SUCCESS
    other = sign_in_client(make_user(), Client.objects.get(client_id=client.client_id))
    assert change(AuthenticationRequestId=other.password_step().request_id) == 403
    assert change(AuthenticationRequestId=due.request_id, Password="wrong") == 400
    assert change(AuthenticationRequestId=due.request_id) == 200
    assert client.password_step().status == WRONG_PASSWORD
    client.password = new
    assert client.password_step().status == FACTOR_REQUIRED


def test_who_must_change_the_password_gets_no_token_by_code_nor_by_link() -> None:
    user = make_user(must_change_password=True)
    phone, client = enrol_app(user), sign_in_client(user)
    mailbox = add_mailbox(user)
    by_code = client.password_step()
    assert by_code.status == 513
    assert client.code_step(by_code, phone.code()).status == 513
    assert client.redeem(by_code.request_id).status == 513

    by_link = client.password_step()
    link = _approved_link(by_link.request_id, mailbox)
    polled = client.token(AuthenticationRequestId=by_link.request_id, MFAAction="0")
    assert (polled.http_status, polled.status) == (400, 513)
    assert Challenge.objects.get(pk=link.pk).state == "answered"
    assert not Session.objects.exists()
    assert client.qr(by_link.request_id).http_status == 404


def _approved_link(request_id: str, mailbox: Authenticator) -> Challenge:
    """A link that its owner has clicked, as `mfa.flows.challenge` leaves it."""
    now = timezone.now()
    request = AuthenticationRequest.objects.get(digest=requests.digest_of(request_id))
    return Challenge.objects.create(
        request=request,
        authenticator=mailbox,
        mode=1,
        state="approved",
        digest=f"{request.pk}",
        created_at=now,
        expires_at=now + timedelta(seconds=90),
    )


def test_a_password_that_expires_between_the_steps_gets_no_token() -> None:
    user = make_user()
    phone, client = enrol_app(user), sign_in_client(user)
    due = client.password_step()
    User.objects.update(must_change_password=True)
    refused = client.code_step(due, phone.code())
    assert (refused.http_status, refused.status) == (400, 513)
    assert not Session.objects.exists()


def test_the_last_grace_login_is_not_shared_by_five_requests() -> None:
    Installation.current()
    Installation.objects.update(password_expires_days=30, password_grace_logins=1)
    user = make_user()
    User.objects.update(password_changed_at=timezone.now() - timedelta(days=31))
    phone, client = enrol_app(user), sign_in_client(user)
    opened = [client.password_step() for _ in range(5)]
    assert {due.status for due in opened} == {FACTOR_REQUIRED | 8192 | 4096}
    first = client.code_step(opened[0], phone.code())
    assert first.status == SUCCESS | 8192 | 4096
    second = client.code_step(opened[1], phone.next_code())
    assert (second.http_status, second.status) == (400, 513 | 8192)
    assert User.objects.get().password_grace_used == 1


def test_mfa_grace_is_spent_by_each_sign_in_and_ends() -> None:
    client = sign_in_client(make_user(), make_client(mfa={"mode": "required", "grace_logins": 2}))
    statuses = [client.password_step().status for _ in range(4)]
    assert statuses == [67110912, 67110912, ENROLMENT_REQUIRED, ENROLMENT_REQUIRED]


# A34, A35: forced and half-finished enrolments.


def test_starting_again_or_with_another_client_does_not_escape_the_enrolment() -> None:
    user = make_user()
    first, other = sign_in_client(user), sign_in_client(user)
    for client in (first, first, other):
        due = client.password_step()
        assert due.status == ENROLMENT_REQUIRED
        assert client.redeem(due.request_id).status == ENROLMENT_REQUIRED
        client.enrolment("CancelEnrollment", due.request_id)
        assert client.redeem(due.request_id).status == ENROLMENT_REQUIRED
    assert other.redeem(first.password_step().request_id).status == CANCELLED
    assert not Session.objects.exists()


def test_a_half_finished_enrolment_counts_neither_for_nor_against() -> None:
    client = sign_in_client(make_user())
    due = client.password_step()
    phone = SoftAuthenticator.scan(client.qr(due.request_id).body)
    again = client.password_step()
    assert (again.status, again.factors) == (ENROLMENT_REQUIRED, [])
    assert client.code_step(due, phone.code(), factor="00000000-0000-0000-0000-000000000000").status == WRONG_CODE
    assert client.redeem(due.request_id).status == ENROLMENT_REQUIRED


def test_an_abandoned_second_enrolment_leaves_the_first_authenticator_working() -> None:
    user = make_user()
    phone, client = enrol_app(user), sign_in_client(user)
    due = client.password_step()
    assert client.code_step(due, phone.code()).status == SUCCESS
    abandoned = SoftAuthenticator.scan(client.qr(due.request_id).body)
    again = client.password_step()
    assert client.code_step(again, abandoned.next_code()).status == WRONG_CODE
    assert client.code_step(again, phone.next_code()).status == SUCCESS


def test_another_enrolment_begun_by_a_thief_does_not_disturb_the_owners() -> None:
    user = make_user()
    asking = make_client()
    owner, thief = sign_in_client(user, asking), sign_in_client(user, asking)
    request_id = owner.password_step().request_id
    phone = SoftAuthenticator.scan(owner.qr(request_id).body)
    for _ in range(4):
        other = thief.password_step().request_id
        assert SoftAuthenticator.scan(thief.qr(other).body).secret != phone.secret
        thief.enrolment("CancelEnrollment", other)
    assert owner.confirm(request_id, phone.code()).http_status == 200


# A38: links.


def test_an_approval_link_works_once_and_for_its_own_request() -> None:
    user = make_user()
    client = sign_in_client(user)
    mailbox = add_mailbox(user)
    due, other = client.password_step(), client.password_step()
    request = AuthenticationRequest.objects.order_by("pk").first()
    assert request is not None
    now = timezone.now()
    challenge.send_link(request, mailbox, ORIGIN, now)
    token = _token_in_outbox(user)
    assert challenge.link_of(token, now) is not None
    assert challenge.approve(token, ORIGIN, now)
    assert not challenge.approve(token, ORIGIN, now)
    assert not challenge.refuse(token, ORIGIN, now)
    assert client.token(AuthenticationRequestId=other.request_id, MFAAction="0").status == FACTOR_REQUIRED
    passed = client.token(AuthenticationRequestId=due.request_id, MFAAction="0")
    assert (passed.status, passed.document["AuthenticationMethod"]) == (SUCCESS, "Link")
    assert claims_of(client, passed.document["access_token"])["amr"] == ["pwd", "mca", "mfa"]


def _token_in_outbox(user: User) -> str:
    """What the message says, opened as its sender opens it: this test's transaction never commits, so none is sent."""
    row = user.deliveries.get()
    text = secret_store.open_sealed(
        user, bytes(row.sealed_context or b""), table="mfa_delivery", row=str(row.pk), purpose="message"
    )
    return str(json.loads(text)["url"]).rpartition("/")[2]


def test_a_link_of_a_cancelled_or_expired_request_approves_nothing(clock: Traveller) -> None:
    user = make_user()
    client = sign_in_client(user)
    mailbox = add_mailbox(user)
    due = client.password_step()
    request = AuthenticationRequest.objects.get()
    challenge.send_link(request, mailbox, ORIGIN, timezone.now())
    token = _token_in_outbox(user)
    clock.shift(91)
    assert not challenge.approve(token, ORIGIN, timezone.now())
    clock.shift(-91)
    client.token(AuthenticationRequestId=due.request_id, MFAAction="CancelLink")
    assert not challenge.approve(token, ORIGIN, timezone.now())
    assert challenge.link_of(token, timezone.now()) is None


# A42 and neighbours.


def test_a_secret_that_the_client_sends_is_not_taken() -> None:
    client = sign_in_client(make_user())
    request_id = client.password_step().request_id
    own = totp.base32(b"12345678901234567890")
    answer = client.enrolment(
        "EnrollUserToMicrosoftAuthenticatorByImage", request_id, secret=own, SecretCode=own, issuer="Evil", account="x"
    )
    phone = SoftAuthenticator.scan(answer.body)
    assert phone.secret != b"12345678901234567890"
    assert phone.issuer == "Stepward"


def test_a_policy_that_forbids_the_app_shows_no_qr() -> None:
    client = sign_in_client(make_user(), make_client(mfa={"mode": "required", "transports": ["Email"]}))
    assert client.qr(client.password_step().request_id).http_status == 403


def test_a_thief_of_the_password_enrols_no_mailbox_of_his_own() -> None:
    user = make_user(email="owner@mail.example")
    client = sign_in_client(user)
    request_id = client.password_step().request_id
    for where in ("thief@evil.example", "owner@mail.example.evil.example", "owner@mail.example\nthief@evil.example"):
        answer = client.enrolment("SendEmailVerification", request_id, destination=where)
        assert answer.http_status in (400, 403)
    assert mail.outbox == []
    assert not Enrolment.objects.filter(kind=Kind.EMAIL, state=EnrolmentState.PENDING).exists()


def test_a_needed_invitation_cannot_be_gone_round() -> None:
    user, other = make_user(), make_user()
    asking = make_client(mfa={"mode": "required", "first_enrolment": "invitation"})
    client = sign_in_client(user, asking)
    without = client.password_step()
    assert without.status == ENROLMENT_REQUIRED
    assert without.document["VGResponse"]["AuthenticationResponse"]["AuthenticationEnrollmentRequest"] is None
    assert client.qr(without.request_id).http_status == 403
    now = timezone.now()
    foreign = remembered_devices.invite(other, actor=None, now=now, lifetime=timedelta(hours=1))
    assert client.qr(client.password_step(InvitationCode=foreign).request_id).http_status == 403
    own = remembered_devices.invite(user, actor=None, now=now, lifetime=timedelta(hours=1))
    invited = client.password_step(InvitationCode=own)
    client.enrol_app(invited.request_id)
    assert client.redeem(invited.request_id).status == SUCCESS
    reset.reset_mfa(user, actor=None, reason="lost phone", origin=ORIGIN, now=now)
    assert client.qr(client.password_step(InvitationCode=own).request_id).http_status == 403


def test_the_installations_own_pages_are_no_client_that_gives_tokens() -> None:
    clients.own_pages()
    user = make_user()
    answer = VisualGuardClient.in_process("stepward", username=user.username, password=PASSWORD).password_step()
    assert (answer.http_status, answer.document["error"]) == (400, "unauthorized_client")


def test_the_account_is_looked_at_again_when_tokens_are_given_and_an_enrolment_is_confirmed() -> None:
    for change in ({"is_active": False}, {"locked_by_administrator_at": timezone.now()}, {"all_clients": False}):
        user = make_user()
        phone, client = enrol_app(user), sign_in_client(user)
        due = client.password_step()
        User.objects.filter(pk=user.pk).update(**change)
        refused = client.code_step(due, phone.code())
        assert refused.http_status == 400
        assert "access_token" not in refused.document
        assert client.redeem(due.request_id).status == CANCELLED

        fresh = make_user()
        enrolling = sign_in_client(fresh)
        request_id = enrolling.password_step().request_id
        own = SoftAuthenticator.scan(enrolling.qr(request_id).body)
        User.objects.filter(pk=fresh.pk).update(**change)
        assert enrolling.confirm(request_id, own.code()).http_status == 410
        assert not Authenticator.objects.filter(user=fresh).exists()
        assert AuthenticationRequest.objects.get(user=fresh).state == RequestState.CANCELLED


def test_a_code_is_never_sent_to_an_app() -> None:
    user = make_user()
    enrol_app(user)
    client = sign_in_client(user)
    due = client.password_step()
    sent = client.token(AuthenticationRequestId=due.request_id, MFAAction="SendOTP", MFAAvailableId=due.factor_id())
    assert sent.status == 2097153
