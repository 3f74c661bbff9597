"""Ids of requests and enrolments: foreign, stolen, too many (ATTACKS A43 to A52)."""

import base64
import json
import logging
import re
import socket
from typing import Any

import pytest
from django.utils import timezone
from time_machine import Traveller

from identity.models import AccessToken, AuditEvent, RefreshToken, Session
from mfa.flows import enrolment
from mfa.models import AuthenticationRequest, Authenticator, DataKey, Enrolment
from mfa.models.authentication_request import RequestState
from tests.factories import PASSWORD, enrol_app, make_client, make_user, sign_in_client
from tests.support.soft_authenticator import SoftAuthenticator
from tests.support.visual_guard import CANCELLED, NO_REQUEST, SUCCESS, VisualGuardClient

pytestmark = pytest.mark.django_db
MALFORMED = [
    "",
    " ",
    "0",
    "null",
    NO_REQUEST,
    "1B671A64-40D5-491E-99B0-DA01FF1F3341",
    "{1b671a64-40d5-491e-99b0-da01ff1f3341}",
    "1b671a6440d5491e99b0da01ff1f3341",
    " 1b671a64-40d5-491e-99b0-da01ff1f3341",
    "1b671a64-40d5-491e-99b0-da01ff1f3341\n",
    "urn:uuid:1b671a64-40d5-491e-99b0-da01ff1f3341",
    "１b671a64-40d5-491e-99b0-da01ff1f3341",
    "' OR 1=1 --",
    "../../etc/passwd",
    "x" * 4000,
]


def _stripped(body: bytes) -> str:
    """An answer without the name that the caller typed."""
    return re.sub(r'"Name": "[^"]*"', "", body.decode())


def test_unknown_foreign_spent_expired_and_malformed_ids_are_one_answer_at_the_token_endpoint(clock: Traveller) -> None:
    user, other = make_user(), make_user()
    phone = enrol_app(user)
    asking = make_client()
    client, elsewhere = sign_in_client(user, asking), sign_in_client(user)
    theirs = sign_in_client(other, asking)
    spent = client.password_step()
    assert client.code_step(spent, phone.code()).status == SUCCESS
    cancelled = client.password_step().request_id
    client.token(AuthenticationRequestId=cancelled, MFAAction="4")
    expired = client.password_step().request_id
    clock.shift(600)
    foreign = elsewhere.password_step().request_id
    anothers = theirs.password_step().request_id

    answers = [
        client.redeem(found)
        for found in (spent.request_id, cancelled, expired, foreign, *(text for text in MALFORMED if text))
    ]
    answers.append(client.redeem(anothers, Username=user.username))
    assert {(answer.http_status, answer.status, answer.request_id) for answer in answers} == {
        (400, CANCELLED, NO_REQUEST)
    }
    assert len({_stripped(answer.body) for answer in answers}) == 1
    assert len({tuple(sorted(answer.headers)) for answer in answers}) == 1


@pytest.mark.parametrize("request_id", MALFORMED)
def test_a_malformed_id_is_not_found_in_section_3_like_an_unknown_one(request_id: str) -> None:
    client = sign_in_client()
    unknown = client.qr("1b671a64-40d5-491e-99b0-da01ff1f3341")
    malformed = client.qr(request_id)
    assert malformed.http_status == unknown.http_status == 404
    assert malformed.body == unknown.body


@pytest.mark.parametrize("value", [7, 7.5, True, None, ["x"], {"a": "b"}])
def test_an_id_that_is_no_text_is_refused(value: object) -> None:
    client = sign_in_client()
    answer = client.send("POST", "/api/MFAEnrollment/CancelEnrollment", json={"requestId": value})
    assert answer.http_status in (400, 404)


def test_the_id_is_kept_as_a_digest_only_and_matched_exactly() -> None:
    client = sign_in_client(make_user())
    request_id = client.password_step().request_id
    row = AuthenticationRequest.objects.get()
    assert request_id not in json.dumps({name: str(value) for name, value in vars(row).items()})
    assert request_id.replace("-", "") not in bytes(row.digest).hex()
    assert client.redeem(request_id.upper()).status == CANCELLED
    assert client.qr(request_id.upper()).http_status == 404


def test_ids_are_128_random_bits_without_a_version() -> None:
    client = sign_in_client(make_user())
    ids = [client.password_step().request_id for _ in range(40)]
    assert len(set(ids)) == 40
    assert len({found[14] for found in ids}) > 1, "the version nibble of a GUID is fixed"
    assert len({found[19] for found in ids}) > 4, "the variant bits of a GUID are fixed"


def test_another_users_name_beside_the_id_is_refused_and_the_own_in_any_case_is_not() -> None:
    user = make_user(username="Victim")
    phone, client = enrol_app(user), sign_in_client(user)
    due = client.password_step()
    assert client.code_step(due, phone.code(), Username="somebody-else").status == CANCELLED
    assert Authenticator.objects.get().failures == 0
    assert client.code_step(due, phone.code(), Username=" vICTIM ", Password="ignored here").status == SUCCESS


def test_a_refresh_token_in_another_clients_hands_ends_its_family() -> None:
    user = make_user()
    phone, owner, thief = enrol_app(user), sign_in_client(user), sign_in_client(user)
    given = owner.code_step(owner.password_step(scope="offline_access"), phone.code()).document
    stolen = thief.refresh(given["refresh_token"])
    assert (stolen.http_status, stolen.document) == (400, {"error": "invalid_grant"})
    assert owner.refresh(given["refresh_token"]).http_status == 400
    assert Session.objects.get().end_reason == "refresh token reused"


@pytest.mark.parametrize("token", ["", "x", "x" * 5000, "é", "a.b.c"])
def test_a_refresh_token_that_is_none_is_refused(token: str) -> None:
    answer = sign_in_client(make_user()).refresh(token)
    assert answer.http_status == 400
    assert answer.document["error"] in ("invalid_grant", "invalid_request")


def test_a_refresh_gives_no_scope_that_was_not_given_before() -> None:
    client = sign_in_client(make_user(), make_client(mfa={"mode": "off"}))
    token = client.password_step(scope="offline_access profile").document["refresh_token"]
    assert client.refresh(token, scope="profile openid").document["error"] == "invalid_scope"
    narrower = client.refresh(token, scope="profile").document
    assert narrower["scope"] == "profile"


def test_a_disabled_account_and_a_removed_role_end_refreshing() -> None:
    for change in ({"is_active": False}, {"all_clients": False}, {"locked_by_administrator_at": timezone.now()}):
        user = make_user()
        client = sign_in_client(user, make_client(mfa={"mode": "off"}))
        token = client.password_step(scope="offline_access").document["refresh_token"]
        type(user).objects.filter(pk=user.pk).update(**change)
        assert client.refresh(token).document == {"error": "invalid_grant"}


def test_secrets_ids_codes_and_tokens_reach_no_log_and_no_table(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str], clock: Traveller
) -> None:
    caplog.set_level(logging.DEBUG)
    user = make_user()
    client = sign_in_client(user, make_client(secret="client-secret-canary-0001"), secret="client-secret-canary-0001")
    due = client.password_step(scope="openid offline_access")
    phone = client.enrol_app(due.request_id)
    recovery = client.enrolment("GetRecoveryCodes", due.request_id).document["RecoveryCodes"]
    given = client.redeem(due.request_id).document
    client.password_step(Password="wrong-password-canary")
    client.confirm(due.request_id, "987123")
    again = client.password_step()
    client.code_step(again, "876234")
    client.code_step(again, phone.next_code())
    client.refresh(given["refresh_token"])
    canaries = [
        PASSWORD,
        "wrong-password-canary",
        "client-secret-canary-0001",
        due.request_id,
        again.request_id,
        base64.b32encode(phone.secret).decode(),
        phone.uri,
        given["access_token"],
        given["refresh_token"],
        given["id_token"],
        *recovery,
        "987123",
        "876234",
    ]
    printed = capsys.readouterr()
    said = caplog.text + printed.out + printed.err
    rows = "".join(
        str([{name: _readable(value) for name, value in row.items()} for row in model.objects.values()])
        for model in (
            AccessToken,
            AuditEvent,
            AuthenticationRequest,
            Authenticator,
            DataKey,
            Enrolment,
            RefreshToken,
            Session,
        )
    )
    for canary in canaries:
        # Six digits may stand by chance in the middle of a digest.
        pattern = rf"(?<![0-9a-f]){canary}(?![0-9a-f])" if canary.isdigit() else re.escape(canary)
        assert not re.search(pattern, said)
        assert not re.search(pattern, rows)
    assert phone.secret.hex() not in rows


def _readable(value: object) -> str:
    return bytes(value).hex() if isinstance(value, bytes | memoryview) else str(value)


def test_every_answer_with_a_secret_is_kept_from_caches_and_referrers() -> None:
    user = make_user()
    client = sign_in_client(user)
    due = client.password_step()
    answers = [
        due,
        client.qr(due.request_id),
        client.enrolment("EnrollUserToMicrosoftAuthenticatorByBytes", due.request_id),
        client.enrolment("GetEnrollmentInformation", due.request_id, method="GET"),
    ]
    phone = SoftAuthenticator.scan(client.qr(due.request_id).body)
    answers += [
        client.confirm(due.request_id, phone.wrong_code()),
        client.confirm(due.request_id, phone.code()),
        client.enrolment("GetRecoveryCodes", due.request_id),
        client.redeem(due.request_id),
        client.redeem(due.request_id),
        client.qr(due.request_id),
        client.qr("nonsense"),
    ]
    for answer in answers:
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["pragma"] == "no-cache"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_qr_is_gone_after_confirmation_after_expiry_and_after_cancelling_the_request(clock: Traveller) -> None:
    client = sign_in_client(make_user())
    confirmed = client.password_step().request_id
    client.enrol_app(confirmed)
    gone = client.qr(confirmed)
    assert (gone.http_status, gone.document["Status"], gone.document["RequestId"]) == (410, 2, confirmed)
    assert client.confirm(confirmed, "123456").document["Status"] == 2

    other = sign_in_client(make_user())
    cancelled, expired = other.password_step().request_id, other.password_step().request_id
    other.qr(expired)
    other.token(AuthenticationRequestId=cancelled, MFAAction="CancelOTP")
    assert other.qr(cancelled).http_status == 410
    clock.shift(600)
    assert (other.qr(expired).http_status, other.qr(expired).document["Status"]) == (410, 4)
    assert other.confirm(expired, "123456").document["Status"] == 4


def test_the_qr_is_drawn_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    client = sign_in_client(make_user())
    request_id = client.password_step().request_id
    look_up = socket.getaddrinfo

    def refuse(host: str, *arguments: Any, **more: Any) -> Any:
        """Addresses in numbers are nobody's name: the test's own database and Redis may be connected to again."""
        if host not in ("127.0.0.1", "::1"):
            raise AssertionError(f"somebody looked {host} up")
        return look_up(host, *arguments, **more)

    with monkeypatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", refuse)
        patch.setattr(socket, "gethostbyname", refuse)
        with pytest.raises(AssertionError, match="example"):
            socket.create_connection(("example.org", 443))
        assert SoftAuthenticator.scan(client.qr(request_id).body).issuer == "Stepward"


@pytest.mark.parametrize("size", ["99", "1001", "0", "-300", "1e3", "300.0", "٣٠٠", "NaN", "9" * 50, "300px", "[]"])
def test_a_size_outside_the_bounds_is_refused_and_begins_nothing(size: str) -> None:
    client = sign_in_client(make_user())
    request_id = client.password_step().request_id
    answer = client.enrolment("EnrollUserToMicrosoftAuthenticatorByImage", request_id, method="GET", size=size)
    assert answer.http_status == 400
    assert not Enrolment.objects.exists()


def test_confirming_twice_gives_one_authenticator_and_one_event() -> None:
    client = sign_in_client(make_user())
    request_id = client.password_step().request_id
    phone = client.enrol_app(request_id)
    for code in (phone.code(), phone.next_code()):
        again = client.confirm(request_id, code)
        assert (again.http_status, again.document["Status"]) == (410, 2)
    assert Authenticator.objects.count() == 1
    assert AuditEvent.objects.filter(event="enrolment.confirmed").count() == 1


def test_confirming_after_cancelling_needs_a_new_begin() -> None:
    client = sign_in_client(make_user())
    request_id = client.password_step().request_id
    assert client.confirm(request_id, "123456").http_status == 409
    phone = SoftAuthenticator.scan(client.qr(request_id).body)
    assert client.enrolment("CancelEnrollment", request_id).http_status == 200
    ended = client.confirm(request_id, phone.code())
    assert (ended.http_status, ended.document["Status"]) == (410, 4)
    assert Enrolment.objects.get().sealed_secret is None
    fresh = SoftAuthenticator.scan(client.qr(request_id).body)
    assert fresh.secret != phone.secret
    assert client.confirm(request_id, phone.code()).document["Status"] == 5
    assert client.confirm(request_id, fresh.code()).http_status == 200


def test_the_fifth_wrong_code_ends_the_enrolment_and_wipes_its_secret() -> None:
    client = sign_in_client(make_user())
    request_id = client.password_step().request_id
    phone = SoftAuthenticator.scan(client.qr(request_id).body)
    answers = [client.confirm(request_id, phone.wrong_code()) for _ in range(6)]
    assert [answer.document["Status"] for answer in answers] == [5, 5, 5, 5, 5, 4]
    assert [answer.http_status for answer in answers] == [400] * 5 + [410]
    assert client.confirm(request_id, phone.code()).http_status == 410
    assert Enrolment.objects.get().sealed_secret is None


def test_one_request_begins_a_few_enrolments_and_no_more() -> None:
    client = sign_in_client(make_user())
    request_id = client.password_step().request_id
    statuses = []
    for _ in range(enrolment.BEGINNINGS_OF_A_REQUEST + 2):
        statuses.append(client.qr(request_id).http_status)
        client.enrolment("CancelEnrollment", request_id)
    assert statuses == [200] * enrolment.BEGINNINGS_OF_A_REQUEST + [410] * 2
    assert Enrolment.objects.count() == enrolment.BEGINNINGS_OF_A_REQUEST


def test_a_sixth_request_ends_the_oldest_and_only_that() -> None:
    client = sign_in_client(make_user())
    ids = [client.password_step().request_id for _ in range(6)]
    assert client.redeem(ids[0]).status == CANCELLED
    assert all(client.redeem(found).status != CANCELLED for found in ids[1:])
    assert AuthenticationRequest.objects.filter(state=RequestState.OPEN).count() == 5


def test_requests_that_gave_tokens_do_not_push_open_ones_out(clock: Traveller) -> None:
    user = make_user()
    phone, client = enrol_app(user), sign_in_client(user)
    waiting = client.password_step().request_id
    for _ in range(6):
        clock.shift(30)
        assert client.code_step(client.password_step(), phone.code()).status == SUCCESS
    assert client.redeem(waiting).status != CANCELLED


def test_a_file_of_the_tables_holds_no_usable_secret() -> None:
    """`dumpdata`, a backup, an SQL injection that reads: ciphertext and digests only (A55)."""
    user = make_user()
    client = sign_in_client(user)
    due = client.password_step(scope="offline_access")
    phone = client.enrol_app(due.request_id)
    given = client.redeem(due.request_id).document
    app = Authenticator.objects.get()
    assert app.sealed_secret is not None
    assert phone.secret not in bytes(app.sealed_secret)
    assert given["refresh_token"] != RefreshToken.objects.get().token
    assert RefreshToken.objects.get().token == ""
    assert not AccessToken.objects.exists()


def test_a_ciphertext_moved_to_another_row_does_not_open() -> None:
    owner, thief = make_user(), make_user()
    enrol_app(owner)
    own = enrol_app(thief)
    Authenticator.objects.filter(user=owner).update(sealed_secret=Authenticator.objects.get(user=thief).sealed_secret)
    client = sign_in_client(owner)
    refused = client.code_step(client.password_step(), own.code())
    assert refused.http_status == 400
    assert AuditEvent.objects.latest("pk").reason == "unreadable"


def test_repeated_parameters_are_refused_in_any_case() -> None:
    client = sign_in_client(make_user())
    body = f"client_id={client.client_id}&grant_type=VGAuthenticator&Username=a&username=b&Password=x"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = client.send("POST", "/connect/token", content=body.encode(), headers=form)
    assert (answer.http_status, answer.document["error"]) == (400, "invalid_request")
    request_id = client.password_step().request_id
    twice = f"/api/MFAEnrollment/GetEnrollmentInformation?requestId={request_id}&REQUESTID={request_id}"
    assert client.send("GET", twice).http_status == 400


def test_the_token_endpoint_takes_nothing_from_the_query_string() -> None:
    client = sign_in_client(make_user())
    query = {"client_id": client.client_id, "grant_type": "password", "Username": client.username, "Password": PASSWORD}
    answer = client.send("POST", "/connect/token", params=query)
    assert (answer.http_status, answer.document["error"]) == (400, "invalid_request")
    assert client.send("GET", "/connect/token", params=query).http_status == 405


@pytest.mark.parametrize("change", ["secret", "no secret", "other id", "basic and body"])
def test_a_confidential_client_must_show_its_secret_once_and_in_one_way(change: str) -> None:
    asking = make_client(secret="a secret of twenty chars")
    good = sign_in_client(make_user(), asking, secret="a secret of twenty chars")
    assert good.password_step().http_status == 400
    assert "VGResponse" in good.password_step().document
    basic = base64.b64encode(f"{asking.client_id}:a secret of twenty chars".encode()).decode()
    how = {"headers": {"Authorization": f"Basic {basic}"}}
    bad = {
        "secret": lambda: good.password_step(client_secret="a secret of twenty charz"),
        "no secret": lambda: VisualGuardClient.in_process(asking.client_id).password_step(),
        "other id": lambda: good.password_step(client_id="nobody_Native"),
        "basic and body": lambda: good.password_step(how=how),
    }[change]()
    assert bad.document["error"] == ("invalid_request" if change == "basic and body" else "invalid_client")
    assert "VGResponse" not in bad.document
    good.client_secret = ""
    assert "VGResponse" in good.password_step(how=how).document
