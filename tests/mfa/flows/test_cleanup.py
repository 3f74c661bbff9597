"""What is over goes, in bounded batches; what is not, stays."""

from datetime import datetime, timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from identity.flows import cleanup as identity_cleanup
from identity.models import Client, PasswordTries, Session, User
from mfa.flows import cleanup
from mfa.models import AuthenticationRequest, Delivery, Enrolment, Invitation, RememberedDevice, SendingBudget
from mfa.models.authenticator import Kind

pytestmark = pytest.mark.django_db


def fill(now: datetime, age: timedelta, user: User, client: Client) -> None:
    """One row of each kind whose end lies `age` back."""
    end, mark = now - age, f"{age.total_seconds():.0f}"
    request = AuthenticationRequest.objects.create(
        digest=mark.encode().ljust(32), user=user, client=client, typed_name="x", created_at=end, expires_at=end
    )
    Enrolment.objects.create(user=user, request=request, kind=Kind.APP, begun_at=end, expires_at=end)
    Delivery.objects.create(
        user=user,
        kind=2,
        template="code",
        destination="x@example.org",
        state="sent",
        created_at=end,
        next_attempt_at=end,
        finished_at=end,
    )
    SendingBudget.objects.create(key=mark, sent=1, window_started=int(end.timestamp()))
    RememberedDevice.objects.create(
        user=user, client=client, digest=mark, created_at=end, last_used_at=end, expires_at=end
    )
    Invitation.objects.create(user=user, digest=mark, created_at=end, expires_at=end)
    Session.objects.create(user=user, client=client, auth_time=end, amr="pwd", acr="1", last_used_at=end)
    PasswordTries.objects.create(
        key=mark, failures=1, window_started=0, admitted=True, updated=int(end.timestamp() * 1000)
    )


MODELS = (
    *(AuthenticationRequest, Enrolment, Delivery, SendingBudget, RememberedDevice, Invitation, Session, PasswordTries),
)


@pytest.fixture
def user() -> User:
    return User.objects.create(username="someone")


@pytest.fixture
def client_row() -> Client:
    client = Client(client_id="c", name="c")
    client.save()
    return client


def test_old_rows_go_and_young_ones_stay(user: User, client_row: Client) -> None:
    now = timezone.now()
    fill(now, timedelta(days=40), user, client_row)
    fill(now, timedelta(minutes=5), user, client_row)
    call_command("sweep", verbosity=0)
    assert {model.__name__: model.objects.count() for model in MODELS} == {model.__name__: 1 for model in MODELS}
    assert cleanup.clean_up(now) == {}


def test_what_a_request_held_goes_with_it(user: User, client_row: Client) -> None:
    now = timezone.now()
    fill(now, timedelta(days=2), user, client_row)
    cleanup.clean_up(now)
    assert not AuthenticationRequest.objects.exists()
    assert not Enrolment.objects.exists()


def test_a_lock_that_is_in_force_is_never_swept(user: User) -> None:
    now = timezone.now()
    old, later = int((now - timedelta(days=60)).timestamp() * 1000), int((now + timedelta(days=1)).timestamp() * 1000)
    PasswordTries.objects.create(
        key="k", failures=100, window_started=0, locked_until=later, admitted=False, updated=old, user=user
    )
    cleanup.clean_up(now)
    assert PasswordTries.objects.exists()


def test_many_rows_go_in_bounded_batches(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity_cleanup, "BATCH", 10)
    now = timezone.now()
    SendingBudget.objects.bulk_create([SendingBudget(key=str(n), sent=1, window_started=0) for n in range(35)])
    with CaptureQueriesContext(
        connection,
    ) as asked:
        assert cleanup.clean_up(now) == {"mfa_sendingbudget": 35}
    deletes = [query["sql"] for query in asked.captured_queries if query["sql"].startswith("DELETE")]
    assert len(deletes) == 4


def test_no_time_left_means_nothing_is_begun(user: User) -> None:
    SendingBudget.objects.create(key="x", sent=1, window_started=0)
    assert cleanup.clean_up(timezone.now(), seconds=0) == {}
    assert SendingBudget.objects.exists()
