"""Each flag of `AuthenticationStatus`, set over HTTP by the thing that it stands for.

`docs/reference/states.md` names these tests; `tests/promises/test_states_table.py` holds the two together.
"""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.utils import timezone
from pytest_django import Settings

from identity.models import Installation
from mfa.api.visualguard import flags
from tests.factories import PASSWORD, add_mailbox, enrol_app, make_client, make_user, sign_in_client
from tests.support.visual_guard import Answer, VisualGuardClient

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _in_the_process(settings: Settings) -> None:
    """Messages go by a thread of this process."""
    settings.REDIS_URL = ""


def said(answer: Answer) -> set[str]:
    """The flags, which text, number and booleans agree on."""
    document = answer.document
    text = document.get("error_description", document["VGAuthenticationStatus"])
    assert text == document["VGAuthenticationStatus"] == document["VGResponse"]["AuthenticationStatus"]
    names = text.split(", ")
    assert answer.status == sum(flags.Status[name] for name in names)
    assert (answer.http_status == 200) == ("Success" in names) == ("Failure" not in names)
    response = document["VGResponse"]["AuthenticationResponse"]
    assert response["Status"] == answer.status
    state = document["VGResponse"]["AuthenticationState"]
    assert {name: response[name] for name in state} == state
    return set(names)


def true_ones(answer: Answer) -> set[str]:
    """The booleans of the answer that are true."""
    return {name for name, value in answer.document["VGResponse"]["AuthenticationState"].items() if value is True}


def installation(**fields: Any) -> None:
    Installation.current()
    Installation.objects.update(**fields)


def app_of(**mfa: Any) -> dict[str, Any]:
    """A client whose own policy is this."""
    return {"client": make_client(mfa={"mode": "required", **mfa})}


SECURE = "IsPasswordSecure"


def test_a_wrong_password_sets_failure_and_password_does_not_match() -> None:
    answer = sign_in_client(make_user()).password_step(Password="not the password")
    assert said(answer) == {"Failure", "PasswordDoesNotMatch"}
    assert true_ones(answer) == {"IsFailed", "IsCredentialInvalid", SECURE}
    assert answer.document["error"] == "invalid_grant"


def test_an_unknown_name_is_answered_like_a_wrong_password() -> None:
    client = make_client()
    known = sign_in_client(make_user(username="known"), client).password_step(Password="not the password")
    unknown = sign_in_client(make_user(), client).password_step(Username="nobody", Password="not the password")
    assert unknown.body == known.body.replace(b'"known"', b'"nobody"')


def test_the_try_before_the_last_sets_last_bad_login_and_password_will_be_locked() -> None:
    installation(lockout_attempts=2)
    answer = sign_in_client(make_user()).password_step(Password="not the password")
    assert said(answer) == {"Failure", "PasswordDoesNotMatch", "LastBadLogin", "PasswordWillBeLocked"}
    assert true_ones(answer) == {
        "IsFailed", "IsCredentialInvalid", "IsLastBadLogin", "IsUserAccountWillBeLockedOut", SECURE,
    }  # fmt: skip


def test_past_the_last_try_the_right_password_sets_password_is_locked() -> None:
    installation(lockout_attempts=2)
    client = sign_in_client(make_user())
    client.password_step(Password="not the password")
    locking = client.password_step(Password="not the password")
    assert said(locking) == {"Failure", "PasswordDoesNotMatch"}
    answer = client.password_step()
    assert said(answer) == {"Failure", "PasswordIsLocked"}
    assert true_ones(answer) == {"IsFailed", "IsUserAccountLockedOut", SECURE}


def test_no_role_in_the_client_sets_user_not_authorized() -> None:
    answer = sign_in_client(make_user(all_clients=False)).password_step()
    assert said(answer) == {"Failure", "UserNotAuthorized"}
    assert true_ones(answer) == {"IsFailed", "IsUserNotAuthorized", SECURE}
    assert answer.document["VGResponse"]["AuthorizationState"]["Status"] == 5


def test_an_account_past_its_end_date_sets_user_account_expired() -> None:
    answer = sign_in_client(make_user(end_date=timezone.now() - timedelta(days=1))).password_step()
    assert said(answer) == {"Failure", "UserAccountExpired"}
    assert true_ones(answer) == {"IsFailed", "IsUserAccountExpired", SECURE}


def test_an_account_before_its_start_date_sets_user_account_not_yet_available() -> None:
    answer = sign_in_client(make_user(start_date=timezone.now() + timedelta(days=1))).password_step()
    assert said(answer) == {"Failure", "UserAccountNotYetAvailable"}
    assert true_ones(answer) == {"IsFailed", "IsUserAccountNotYetAvailable", SECURE}


def test_a_cancelled_request_sets_process_canceled() -> None:
    user = make_user()
    enrol_app(user)
    client = sign_in_client(user)
    asked = client.password_step()
    answer = client.token(AuthenticationRequestId=asked.request_id, MFAAction="CancelOTP")
    assert said(answer) == {"Failure", "ProcessCanceled"}
    assert true_ones(answer) == {"IsFailed", "IsCanceled", SECURE}
    assert answer.document["VGResponse"]["AuthorizationState"]["Status"] == 9


def test_an_account_that_is_not_approved_sets_not_approved() -> None:
    answer = sign_in_client(make_user(is_approved=False)).password_step()
    assert said(answer) == {"Failure", "NotApproved"}
    assert true_ones(answer) == {"IsFailed", "IsNotApproved", SECURE}


def test_account_states_are_told_together_and_only_after_the_right_password() -> None:
    client = sign_in_client(make_user(is_approved=False, is_active=False))
    assert said(client.password_step()) == {"Failure", "NotApproved", "UserAccountDisabled"}
    assert said(client.password_step(Password="not the password")) == {"Failure", "PasswordDoesNotMatch"}


def test_an_account_that_must_change_its_password_sets_must_change_password_at_next_logon() -> None:
    answer = sign_in_client(make_user(must_change_password=True)).password_step()
    assert said(answer) == {"Failure", "MustChangePasswordAtNextLogon"}
    assert true_ones(answer) == {"IsFailed", "MustChangePasswordAtNextLogon", SECURE}


def test_a_password_step_without_a_second_factor_sets_success() -> None:
    answer = sign_in_client(make_user(), make_client(mfa={"mode": "off"})).password_step()
    assert said(answer) == {"Success"}
    assert true_ones(answer) == {SECURE}
    assert answer.document["VGResponse"]["AuthorizationState"]["Status"] == 16


def test_an_expired_password_sets_password_expired_and_the_last_grace_sets_last_grace_logon() -> None:
    installation(password_expires_days=30, password_grace_logins=2)
    user = make_user()
    user.password_changed_at = timezone.now() - timedelta(days=31)
    user.save()
    client = sign_in_client(user, make_client(mfa={"mode": "off"}))
    first = client.password_step()
    assert said(first) == {"Success", "PasswordExpired"}
    assert true_ones(first) == {"IsPasswordExpired", SECURE}
    last = client.password_step()
    assert said(last) == {"Success", "PasswordExpired", "LastGraceLogon"}
    assert true_ones(last) == {"IsPasswordExpired", "IsLastGraceLogon", SECURE}
    none_left = client.password_step()
    assert said(none_left) == {"Failure", "PasswordExpired", "MustChangePasswordAtNextLogon"}


def test_a_password_shorter_than_the_policy_by_now_sets_password_does_not_pass_validation() -> None:
    installation(password_minimum_length=len(PASSWORD) + 1)
    answer = sign_in_client(make_user()).password_step()
    assert said(answer) == {"Failure", "MustChangePasswordAtNextLogon", "PasswordDoesNotPassValidation"}
    assert true_ones(answer) == {"IsFailed", "MustChangePasswordAtNextLogon"}


def test_a_disabled_account_sets_user_account_disabled() -> None:
    answer = sign_in_client(make_user(is_active=False)).password_step()
    assert said(answer) == {"Failure", "UserAccountDisabled"}
    assert true_ones(answer) == {"IsFailed", "IsUserAccountDisabled", SECURE}


def test_an_administrators_lock_sets_user_account_locked() -> None:
    answer = sign_in_client(make_user(locked_by_administrator_at=timezone.now())).password_step()
    assert said(answer) == {"Failure", "UserAccountLocked"}
    assert true_ones(answer) == {"IsFailed", "IsUserAccountLocked", SECURE}


def test_a_wrong_code_sets_secure_code_does_not_match() -> None:
    user = make_user()
    phone = enrol_app(user)
    client = sign_in_client(user)
    answer = client.code_step(client.password_step(), phone.wrong_code())
    assert said(answer) == {"Failure", "SecureCodeDoesNotMatch"}
    assert true_ones(answer) == {"IsFailed", "IsCredentialInvalid", SECURE}
    assert answer.document["error"] == "invalid_request"


def test_the_fifth_wrong_code_sets_process_canceled_as_well() -> None:
    user = make_user()
    phone = enrol_app(user)
    client = sign_in_client(user)
    asked = client.password_step()
    answers = [client.code_step(asked, phone.wrong_code()) for _ in range(5)]
    assert said(answers[3]) == {"Failure", "SecureCodeDoesNotMatch"}
    assert said(answers[4]) == {"Failure", "ProcessCanceled", "SecureCodeDoesNotMatch"}


def by_mail() -> tuple[VisualGuardClient, Answer]:
    user = make_user()
    add_mailbox(user)
    client = sign_in_client(user)
    return client, client.password_step()


def send(client: VisualGuardClient, asked: Answer, mode: str, **how: Any) -> Answer:
    return client.token(
        how=how,
        AuthenticationRequestId=asked.request_id,
        MFAAvailableId=asked.factor_id("Email", mode),
        MFAAction=f"Send{mode}",
    )


def test_a_code_on_its_way_sets_mfa_waiting_user_action() -> None:
    answer = send(*by_mail(), "OTP")
    assert said(answer) == {"Failure", "MFA_WaitingUserAction"}
    assert true_ones(answer) == {"IsFailed", "IsMFAWaitingUserAction", SECURE}
    assert len(mail.outbox) == 1


def test_a_gateway_that_refuses_sets_mfa_failed_sending_request(settings: Settings) -> None:
    settings.EMAIL_BACKEND = "tests.support.gateways.RefusingBackend"
    answer = send(*by_mail(), "OTP")
    assert said(answer) == {"Failure", "MFA_FailedSendingRequest"}
    assert true_ones(answer) == {"IsFailed", SECURE}
    assert mail.outbox == []


def test_a_link_that_nobody_clicks_sets_mfa_link_timeout() -> None:
    client, asked = by_mail()
    waiting = send(client, asked, "Link", headers={"Prefer": "respond-async"})
    assert said(waiting) == {"Failure", "MFA_WaitingUserAction"}
    with time_machine.travel(timezone.now() + timedelta(seconds=91), tick=True):
        answer = client.token(AuthenticationRequestId=asked.request_id, MFAAction="0")
    assert said(answer) == {"Failure", "MFA_LinkTimeout"}
    assert true_ones(answer) == {"IsFailed", "IsMFATimeOut", SECURE}


def test_email_as_the_only_transport_and_no_address_sets_user_account_missing_email() -> None:
    client = sign_in_client(make_user(), **app_of(transports=["Email"]))
    answer = client.password_step()
    assert said(answer) == {"Failure", "UserAccountMissingEmail", "MFA_EnrollmentRequired"}
    assert true_ones(answer) == {"IsFailed", "HasUserAccountMissingEmail", "IsMFAEnrollmentRequired", SECURE}


def test_sms_as_the_only_transport_and_no_number_sets_user_account_missing_mobile_phone() -> None:
    client = sign_in_client(make_user(), **app_of(transports=["SMS"]))
    answer = client.password_step()
    assert said(answer) == {"Failure", "UserAccountMissingMobilePhone", "MFA_EnrollmentRequired"}
    assert true_ones(answer) == {"IsFailed", "HasUserAccountMissingMobilePhone", "IsMFAEnrollmentRequired", SECURE}


def test_a_sign_in_before_enrolment_sets_mfa_grace_login_until_grace_is_used_up() -> None:
    client = sign_in_client(make_user(), **app_of(grace_logins=1))
    answer = client.password_step()
    assert said(answer) == {"Success", "MFA_GraceLogin"}
    assert answer.document["VGResponse"]["AuthenticationResponse"]["AuthenticationEnrollmentRequest"]
    assert said(client.password_step()) == {"Failure", "MFA_EnrollmentRequired"}


def test_a_confirmed_authenticator_sets_mfa_authentication_required() -> None:
    user = make_user()
    enrol_app(user)
    answer = sign_in_client(user).password_step()
    assert said(answer) == {"Failure", "MFA_AuthenticationRequired"}
    assert true_ones(answer) == {"IsFailed", "IsMFAAuthenticationRequired", SECURE}
    assert answer.document["AuthenticationMethod"] == "None"
    assert answer.document["VGResponse"]["AuthenticationResponse"]["Identity"]["IsAuthenticated"] is True


def test_no_authenticator_where_one_is_required_sets_mfa_enrollment_required() -> None:
    answer = sign_in_client(make_user()).password_step()
    assert said(answer) == {"Failure", "MFA_EnrollmentRequired"}
    assert true_ones(answer) == {"IsFailed", "IsMFAEnrollmentRequired", SECURE}
    assert answer.factors == []
