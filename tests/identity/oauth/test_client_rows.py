"""A process keeps clients in memory, and is never behind: whatever changes them or their rules draws a revision."""

from collections.abc import Callable

import pytest

from identity.models import Client, ClientRevision, Group, Installation
from identity.oauth import client_authentication, client_rows
from identity.oauth.client_authentication import Credentials
from mfa.models import AuthenticationRequest, Authenticator, MfaPolicy
from tests.factories import enrol_app, make_client, make_user, sign_in_client

pytestmark = pytest.mark.django_db

CHANGES: dict[str, Callable[[], object]] = {
    "a client made": make_client,
    "a client changed": lambda: Client.objects.update(name="another"),
    "the installation changed": lambda: Installation.objects.update(lockout_attempts=3),
    "a policy made": lambda: MfaPolicy.objects.create(group=Group.objects.create(name="some"), mode="optional"),
    "a policy changed": lambda: MfaPolicy.objects.update(grace_logins=2),
    "a policy deleted": lambda: MfaPolicy.objects.all().delete(),
}


def revision() -> int:
    return ClientRevision.objects.get().number


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_change_draws_another_revision(change: Callable[[], object]) -> None:
    make_client(mfa={"mode": "optional"})
    before = revision()
    change()
    assert revision() != before


def test_what_is_no_rule_of_a_client_draws_none() -> None:
    make_client()
    before = revision()
    enrol_app(make_user())
    Group.objects.create(name="another")
    assert revision() == before


def test_a_kept_client_is_current_until_something_changes() -> None:
    made = make_client()
    shown = Credentials(made.client_id, "", by_basic=False)
    read = client_authentication.find(shown)
    assert read is not None
    assert client_authentication.find(shown, may_be_kept=True) is read
    assert client_rows.is_current(read)
    Client.objects.filter(pk=made.pk).update(name="another")
    assert client_authentication.find(shown, may_be_kept=True) is read, "who keeps it asks later, as it counts"
    assert not client_rows.is_current(read)
    fresh = client_authentication.find(shown)
    assert fresh is not None
    assert (fresh.name, client_rows.is_current(fresh)) == ("another", True)


def test_a_client_that_is_switched_off_is_refused_at_its_next_step_and_no_try_is_counted() -> None:
    user = make_user()
    phone, client = enrol_app(user), sign_in_client(user)
    client.password_step()
    due = client.password_step()
    Client.objects.update(is_active=False)
    for answer in (client.password_step(), client.code_step(due, phone.code())):
        assert (answer.http_status, answer.document["error"]) == (401, "invalid_client")
    assert AuthenticationRequest.objects.filter(failures__gt=0).count() == 0
    assert Authenticator.objects.get().failures == 0
    Client.objects.update(is_active=True)
    assert client.code_step(due, phone.code()).http_status == 200


def test_a_client_that_is_off_is_refused_though_an_enrolment_has_just_read_it() -> None:
    client = sign_in_client(make_user())
    request_id = client.password_step().request_id
    Client.objects.update(is_active=False)
    client.qr(request_id)
    answer = client.password_step()
    assert (answer.http_status, answer.document["error"]) == (401, "invalid_client")


def test_a_policy_that_is_tightened_is_in_force_at_the_next_step() -> None:
    client = sign_in_client(make_user(), make_client(mfa={"mode": "off"}))
    assert client.password_step().http_status == 200
    MfaPolicy.objects.filter(client__isnull=False).update(mode="required")
    assert "MFA_EnrollmentRequired" in client.password_step().document["error_description"]


def test_a_lockout_that_is_tightened_is_in_force_at_the_next_step() -> None:
    client = sign_in_client(make_user())
    client.password_step()
    Installation.objects.update(lockout_attempts=1)
    assert client.password_step(Password="wrong").document["error_description"] == "Failure, PasswordDoesNotMatch"
    assert client.password_step().document["error_description"] == "Failure, PasswordIsLocked"


def test_what_a_client_is_newly_allowed_it_may_at_its_next_step() -> None:
    user, made = make_user(), make_client(scopes=["VGToken"], grant_types=["refresh_token"])
    client = sign_in_client(user, made)
    assert client.password_step().document == {"error": "unauthorized_client"}
    Client.objects.filter(pk=made.pk).update(grant_types=["VGAuthenticator"])
    assert client.password_step(scope="VGToken").document["error_description"] == "Failure, MFA_EnrollmentRequired"
    assert client.password_step(scope="openid").document["error"] == "invalid_scope"
    Client.objects.filter(pk=made.pk).update(scopes=["VGToken", "openid"])
    assert client.password_step(scope="openid").document["error_description"] == "Failure, MFA_EnrollmentRequired"
