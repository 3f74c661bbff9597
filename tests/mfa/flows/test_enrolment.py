"""An enrolment is judged by what holds when it changes something, not by what held when it began."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from identity.flows import tokens
from identity.flows.administration import Editor
from identity.models import Session, User
from mfa.flows import administration, enrolment, reset
from mfa.models import AuthenticationRequest, Authenticator, Enrolment, RecoveryCodeSet
from mfa.models.authentication_request import Purpose, RequestState
from mfa.models.authenticator import EnrolmentState, Kind
from mfa.outcomes import EnrolmentRefusal
from mfa.verifiers import delivered_code
from tests.factories import enrol_app, make_client, make_user, sign_in_client
from tests.support.ceremony import NOON, ORIGIN, a_client, a_request, a_user, an_enrolment
from tests.support.soft_authenticator import SoftAuthenticator
from tests.support.visual_guard import ENROL, VisualGuardClient

pytestmark = pytest.mark.django_db
CODE = "755224"
CONFIRM = f"{ENROL}ValidateMicrosoftTOTP"


def begun(user: User, kind: Kind, destination: str) -> AuthenticationRequest:
    """A request of the user's that has sent CODE to the destination."""
    pending = an_enrolment(a_request(user), kind, destination)
    pending.code_digest, pending.code_expires_at = delivered_code.enrolment_digest(pending.pk, CODE), pending.expires_at
    pending.save()
    return pending.request


@pytest.mark.parametrize(
    ("kind", "field", "before", "typed", "recorded"),
    [
        (Kind.EMAIL, "email", "", "thief@mail.example", "owner@mail.example"),
        (Kind.EMAIL, "email", "wrong@mail.example", "wrong@mail.example", "owner@mail.example"),
        (Kind.SMS, "mobile_phone", "", "+33698765432", "+33612345678"),
        (Kind.SMS, "mobile_phone", "+33698765432", "+33698765432", "+33612345678"),
    ],
)
def test_an_address_recorded_meanwhile_is_the_only_one_taken(
    kind: Kind, field: str, before: str, typed: str, recorded: str
) -> None:
    user = a_user(**{"email": "", "email_verified_at": None, field: before})
    request = begun(user, kind, typed)
    editor = Editor(a_user(), "", "panel")
    administration.change_person(User.objects.get(pk=user.pk), {field: recorded}, editor, NOON)
    assert enrolment.confirm(request, kind, CODE, ORIGIN, NOON) == EnrolmentRefusal.DESTINATION_NOT_OWN
    user.refresh_from_db()
    assert getattr(user, field) == recorded
    assert (user.email_verified_at, user.mobile_verified_at) == (None, None)
    assert not Authenticator.objects.exists()
    # The right one can still be enrolled by whoever may.
    again = begun(user, kind, recorded)
    assert isinstance(enrolment.confirm(again, kind, CODE, ORIGIN, NOON), Authenticator)


def test_a_refused_address_waits_for_no_code_any_more() -> None:
    user = a_user(email="", email_verified_at=None)
    request = begun(user, Kind.EMAIL, "thief@mail.example")
    User.objects.filter(pk=user.pk).update(email="owner@mail.example")
    assert enrolment.confirm(request, Kind.EMAIL, CODE, ORIGIN, NOON) == EnrolmentRefusal.DESTINATION_NOT_OWN
    assert Enrolment.objects.get().state == EnrolmentState.CANCELLED
    assert enrolment.confirm(request, Kind.EMAIL, CODE, ORIGIN, NOON) == EnrolmentRefusal.ENDED


def test_an_address_spelt_otherwise_on_record_is_the_same() -> None:
    user = a_user(email="Owner@MAIL.example", email_verified_at=None)
    request = begun(user, Kind.EMAIL, "owner@mail.example")
    assert isinstance(enrolment.confirm(request, Kind.EMAIL, CODE, ORIGIN, NOON), Authenticator)


def an_app_begun() -> tuple[VisualGuardClient, str, SoftAuthenticator]:
    """A client, the id of a request that waits for the code of an app, and the phone."""
    client = sign_in_client(make_user())
    request_id = client.password_step().request_id
    return client, request_id, SoftAuthenticator.scan(client.qr(request_id).body)


def tries() -> int:
    """How many were counted against the one enrolment there is."""
    return Enrolment.objects.get().failures


@pytest.mark.parametrize(
    ("change", "answered"),
    [
        ({"state": RequestState.CANCELLED}, (410, 4)),
        ({"expires_at": NOON}, (410, 4)),
        ({"purpose": Purpose.PASSWORD_CHANGE}, (404, None)),
    ],
)
def test_an_id_that_is_not_or_no_longer_good_for_an_enrolment_counts_no_try(
    change: dict[str, Any], answered: tuple[int, int | None]
) -> None:
    client, request_id, phone = an_app_begun()
    assert client.confirm(request_id, phone.wrong_code()).document["Status"] == 5
    assert tries() == 1
    AuthenticationRequest.objects.update(**change)
    for code in (phone.wrong_code(), phone.code()):
        answer = client.confirm(request_id, code)
        assert (answer.http_status, answer.document.get("Status")) == answered
    assert tries() == 1
    assert Enrolment.objects.get().state == EnrolmentState.PENDING
    assert not Authenticator.objects.exists()


def test_at_the_instant_at_which_it_expires_a_request_counts_no_try_any_more() -> None:
    _, request_id, _ = an_app_begun()
    expires_at = AuthenticationRequest.objects.get().expires_at
    Enrolment.objects.update(expires_at=expires_at + timedelta(minutes=1))
    over = enrolment.find_to_confirm(request_id, Kind.APP, expires_at)
    assert over == EnrolmentRefusal.REQUEST_OVER
    assert tries() == 0
    last = expires_at - timedelta(microseconds=1)
    found = enrolment.find_to_confirm(request_id, Kind.APP, last)
    assert isinstance(found, AuthenticationRequest)
    assert enrolment.confirm(found, Kind.APP, "", ORIGIN, last) == EnrolmentRefusal.WRONG_CODE
    assert tries() == 1


@pytest.mark.parametrize("given", [{}, {"secureCode": None}, {"secureCode": 123456}, {"secureCode": "1" * 5000}])
def test_what_cannot_be_compared_counts_no_try_and_tells_of_no_unknown_id(given: dict[str, Any]) -> None:
    client, request_id, _ = an_app_begun()
    unknown = "00000000-0000-0000-0000-000000000000"
    for named, status in ((request_id, 400), (unknown, 404), ("nonsense", 404)):
        answer = client.send("POST", CONFIRM, json={"requestId": named, **given})
        assert answer.http_status == status
    assert tries() == 0


def test_a_code_for_another_kind_than_the_one_begun_counts_no_try() -> None:
    client, request_id, phone = an_app_begun()
    for call in ("ValidateEmail", "ValidateMobileNumber"):
        assert client.enrolment(call, request_id, secureCode=phone.code()).http_status in (403, 409)
    assert tries() == 0


def test_a_try_is_counted_once_for_each_code_whichever_way_its_request_was_found() -> None:
    client, request_id, phone = an_app_begun()
    wrong, now = phone.wrong_code(), timezone.now()
    counted = enrolment.find_to_confirm(request_id, Kind.APP, now)
    assert isinstance(counted, AuthenticationRequest)
    for number in (1, 2):
        assert enrolment.confirm(counted, Kind.APP, wrong, ORIGIN, now) == EnrolmentRefusal.WRONG_CODE
        assert tries() == number
    merely_found = enrolment.find(request_id, now)
    assert isinstance(merely_found, AuthenticationRequest)
    assert enrolment.confirm(merely_found, Kind.APP, wrong, ORIGIN, now) == EnrolmentRefusal.WRONG_CODE
    assert tries() == 3
    for_another = enrolment.find_to_confirm(request_id, Kind.EMAIL, now)
    assert isinstance(for_another, AuthenticationRequest)
    assert enrolment.confirm(for_another, Kind.APP, wrong, ORIGIN, now) == EnrolmentRefusal.WRONG_CODE
    assert tries() == 4
    assert client.confirm(request_id, wrong).document["Status"] == 5
    assert client.confirm(request_id, phone.code()).document["Status"] == 4, "the fifth wrong code ended it"
    assert tries() == 5


def test_whose_session_has_ended_begins_no_enrolment() -> None:
    user, other = a_user(), a_user()
    session = a_session(user)
    assert enrolment.start_signed_in(user, session.pk, ORIGIN, NOON)
    assert enrolment.start_signed_in(other, session.pk, ORIGIN, NOON) is None
    tokens.end_session(session, "signed out", NOON)
    assert enrolment.start_signed_in(user, session.pk, ORIGIN, NOON) is None
    assert AuthenticationRequest.objects.count() == 1


def test_a_reset_overtakes_whoever_is_just_adding_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """The token is good when the call looks at it, and over once the account is locked."""
    user = make_user()
    phone = enrol_app(user)
    client = sign_in_client(user, make_client(scopes=["IdentityServerApi"]))
    token = client.code_step(client.password_step(scope="IdentityServerApi"), phone.code()).document["access_token"]
    looked_at = tokens.bearer

    def then_reset(*given: Any) -> tokens.Bearer | None:
        found = looked_at(*given)
        assert found is not None
        reset.reset_mfa(user, actor=None, reason="telephone lost", origin=ORIGIN, now=timezone.now())
        return found

    monkeypatch.setattr(tokens, "bearer", then_reset)
    headers = {"Authorization": f"Bearer {token}"}
    answer = client.send("POST", "/api/MFAEnrollment/StartEnrollment", headers=headers)
    assert answer.http_status == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert not AuthenticationRequest.objects.filter(purpose=Purpose.ENROLMENT).exists()


def _reset(user: User) -> None:
    reset.reset_mfa(user, actor=None, reason="telephone lost", origin=ORIGIN, now=NOON)


def _lock(user: User) -> None:
    reset.lock_account(user, actor=None, reason="asked by its owner", origin=ORIGIN, now=NOON)


@pytest.mark.parametrize("act", [_reset, _lock])
def test_recovery_codes_are_not_made_for_whoever_held_the_account_before(act: Callable[[User], None]) -> None:
    """GetRecoveryCodes finds its request live; what ends it commits first."""
    user = a_user(email="")
    found = a_request(user, client=a_client())
    AuthenticationRequest.objects.update(recovery_codes_due=True)
    act(user)
    assert enrolment.take_recovery_codes(found, ORIGIN, NOON) == EnrolmentRefusal.NONE_DUE
    assert not RecoveryCodeSet.objects.exists()


def a_session(user: User) -> Session:
    return Session.objects.create(
        user=user, auth_time=NOON - timedelta(minutes=1), amr="pwd otp mfa", acr="2", last_used_at=NOON
    )
