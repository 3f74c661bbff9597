"""The answer that Visual Guard publishes, value for value but for ids and URL, and the keys of every other answer."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.factories import add_mailbox, enrol_app, make_client, make_user, sign_in_client
from tests.support.visual_guard import ENROLMENT_REQUIRED, FACTOR_REQUIRED, NO_REQUEST, SUCCESS

pytestmark = pytest.mark.django_db
SAMPLE: dict[str, Any] = json.loads((Path(__file__).parent / "vg-mfa-required.json").read_text())


def keys_of(value: object) -> object:
    """The shape of a document: its keys in their order, all the way down."""
    if isinstance(value, dict):
        return [(name, keys_of(inner)) for name, inner in value.items()]
    return [keys_of(value[0])] if isinstance(value, list) and value else type(value).__name__


def test_the_samples_own_user_gets_the_sample() -> None:
    user = make_user(username="tt29")
    add_mailbox(user, f"m{'x' * 16}s@gmail.com")
    answer = sign_in_client(user).password_step()
    found = answer.document
    inner, sample = found["VGResponse"]["AuthenticationResponse"], SAMPLE["VGResponse"]["AuthenticationResponse"]
    offered = inner["AuthenticationEnrollmentRequest"]
    assert offered["EnrollmentUrl"].endswith(f"/mfa/enroll/{answer.request_id}")
    ids = {answer.request_id, *(factor["Id"] for factor in answer.factors)}
    assert len(ids) == 3

    text = json.dumps(found, indent=4)
    text = text.replace(offered["EnrollmentUrl"], sample["AuthenticationEnrollmentRequest"]["EnrollmentUrl"])
    text = text.replace(answer.request_id, SAMPLE["VGResponse"]["RequestId"])
    for own, published in zip(answer.factors, sample["MFAAvailables"], strict=True):
        text = text.replace(own["Id"], published["Id"])
    assert text == json.dumps(SAMPLE, indent=4)


def test_every_refusal_has_the_samples_keys_in_the_samples_order() -> None:
    user, fresh = make_user(), make_user()
    phone, client, enrolling = enrol_app(user), sign_in_client(user), sign_in_client(fresh)
    due, first = client.password_step(), enrolling.password_step()
    assert (due.status, first.status) == (FACTOR_REQUIRED, ENROLMENT_REQUIRED)
    refusals = [
        due,
        first,
        client.code_step(due, phone.wrong_code()),
        client.redeem(due.request_id),
        client.token(AuthenticationRequestId=due.request_id, MFAAction="4"),
        client.redeem(due.request_id),
        client.password_step(Password="wrong"),
        sign_in_client(make_user(is_active=False)).password_step(),
        sign_in_client(make_user(must_change_password=True)).password_step(),
    ]
    for refusal in refusals:
        found = refusal.document
        assert list(found) == list(SAMPLE)
        inside, sample = found["VGResponse"], SAMPLE["VGResponse"]
        assert list(inside) == list(sample)
        for name in ("AuthenticationState", "AuthorizationState", "AuthenticationResponse", "Error"):
            assert list(inside[name]) == list(sample[name])
        assert keys_of(inside["AuthenticationState"]) == keys_of(sample["AuthenticationState"])
        assert found["error_description"] == found["VGAuthenticationStatus"] == inside["AuthenticationStatus"]
        assert inside["Error"] == {"Message": "", "StackTrace": ""}
        assert inside["AuthenticationState"]["Status"] == inside["AuthenticationResponse"]["Status"]


def test_a_success_has_the_same_vgresponse() -> None:
    client = sign_in_client(make_user(), make_client(mfa={"mode": "off"}))
    found = client.password_step(scope="openid offline_access VGToken").document
    assert list(found)[:6] == ["access_token", "token_type", "expires_in", "scope", "refresh_token", "id_token"]
    inside = found["VGResponse"]
    assert list(inside) == list(SAMPLE["VGResponse"])
    assert inside["RequestId"] == NO_REQUEST
    assert inside["AuthenticationState"]["Status"] == SUCCESS
    assert inside["AuthorizationState"] == {
        "Status": 16,
        "IsFailed": False,
        "IsCanceled": False,
        "IsUserNotFound": False,
        "IsUserNotAuthorized": False,
        "IsVersionNotCompatible": False,
    }
    assert (inside["AuthenticationStatus"], inside["AuthorizationStatus"]) == ("Success", "Success")
    assert [name for name, value in inside["AuthenticationState"].items() if value is True] == ["IsPasswordSecure"]
    assert inside["VGToken"] == found["access_token"]
    assert inside["AuthenticationResponse"]["MFAAvailables"] == []
    assert inside["AuthenticationResponse"]["AuthenticationEnrollmentRequest"] is None


def test_both_names_of_the_grant_and_both_forms_of_a_body_answer_alike() -> None:
    user = make_user()
    enrol_app(user)
    client = sign_in_client(user)
    fields = {"client_id": client.client_id, "Username": user.username, "Password": client.password}
    answers = [
        client.password_step(),
        client.password_step(grant_type="password"),
        client.password_step(VGAuthenticationModule="vguser"),
        client.send("POST", "/connect/token", json={**fields, "grant_type": "VGAuthenticator"}),
        client.send(
            "POST",
            "/connect/token",
            json={name.upper(): value for name, value in {**fields, "grant_type": "password"}.items()},
        ),
    ]
    texts = {answer.body.decode().replace(answer.request_id, "") for answer in answers}
    assert len(texts) == 1
    assert {answer.http_status for answer in answers} == {400}


def test_both_spellings_of_each_action_mean_the_same() -> None:
    user = make_user()
    enrol_app(user)
    client = sign_in_client(user)
    for number, name in enumerate(["SendOTP", "SendLink", "AuthenticateOTP", "CancelOTP", "CancelLink"], start=1):
        answers = []
        for action in (str(number), name, name.lower()):
            due = client.password_step()
            fields: dict[str, Any] = {"MFAAvailableId": due.factor_id(), "MFASecureCode": "12"} if number == 3 else {}
            given = client.token(AuthenticationRequestId=due.request_id, MFAAction=action, **fields)
            answers.append(given.body.decode().replace(due.request_id, ""))
        assert len(set(answers)) == 1
