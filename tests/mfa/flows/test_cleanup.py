"""What is over goes, in bounded batches; what is not, stays."""

import re
from datetime import datetime, timedelta

import pytest
from django.contrib.sessions.models import Session as BrowserSession
from django.core.management import call_command
from django.db import connection
from django.db.models import Model
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from identity.flows import cleanup as identity_cleanup
from identity.models import AccessToken, Client, Grant, PasswordTries, RefreshToken, Session, User
from mfa.flows import cleanup
from mfa.models import (
    AuthenticationRequest,
    Authenticator,
    Challenge,
    Delivery,
    Enrolment,
    Invitation,
    PasswordReset,
    RememberedDevice,
    SendingBudget,
)
from mfa.models.authenticator import Kind
from tests.factories import make_user, sign_in_client

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
    AccessToken.objects.create(user=user, application=client, token=mark, expires=end)
    RefreshToken.objects.create(user=user, application=client, token=mark, expires=end)
    Grant.objects.create(user=user, application=client, code=mark, expires=end, redirect_uri="")
    BrowserSession.objects.create(session_key=mark, session_data="", expire_date=end)
    PasswordReset.objects.create(user=user, asked_at=end, expires_at=end)


MODELS = (
    *(AuthenticationRequest, Enrolment, Delivery, SendingBudget, RememberedDevice, Invitation, Session, PasswordTries),
    *(AccessToken, RefreshToken, Grant, BrowserSession, PasswordReset),
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
    phone = Authenticator.objects.create(
        user=user, kind=Kind.SMS, destination="+33612345678", created_at=now, confirmed_at=now
    )
    request = AuthenticationRequest.objects.get()
    Challenge.objects.create(request=request, authenticator=phone, mode=2, created_at=now, expires_at=now)
    cleanup.clean_up(now)
    assert not AuthenticationRequest.objects.exists()
    assert not Enrolment.objects.exists()
    assert not Challenge.objects.exists()


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


def tries(key: str, now: datetime, *, minutes_ago: int, in_a_row: bool, user: User | None = None) -> PasswordTries:
    updated = int((now - timedelta(minutes=minutes_ago)).timestamp() * 1000)
    started = 0 if in_a_row else updated
    return PasswordTries(key=key, failures=1, window_started=started, admitted=True, updated=updated, user=user)


def left() -> set[str]:
    return set(PasswordTries.objects.values_list("key", flat=True))


def test_a_networks_count_is_kept_as_long_as_the_window_counts_and_no_longer(user: User) -> None:
    now = timezone.now()  # The window is 15 minutes.
    PasswordTries.objects.bulk_create(
        [
            *(tries(f"network {n}", now, minutes_ago=n, in_a_row=False, user=user) for n in (14, 16)),
            *(tries(f"nobody's {n}", now, minutes_ago=n, in_a_row=False) for n in (14, 16)),
            tries("in a row", now, minutes_ago=60 * 24 * 29, in_a_row=True, user=user),
            tries("nobody's in a row", now, minutes_ago=60 * 24 * 29, in_a_row=True),
        ]
    )
    cleanup.clean_up(now)
    assert left() == {"network 14", "nobody's 14", "in a row", "nobody's in a row"}, (
        "known or not, names are kept alike"
    )


def test_counts_of_names_that_are_nobodys_take_bounded_space(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity_cleanup, "NOBODYS_KEPT", 3)
    now = timezone.now()
    PasswordTries.objects.bulk_create(
        [
            *(tries(f"nobody's {n}", now, minutes_ago=n, in_a_row=True) for n in range(8)),
            *(tries(f"known {n}", now, minutes_ago=n + 20, in_a_row=True, user=user) for n in range(5)),
        ]
    )
    PasswordTries.objects.filter(key="nobody's 7").update(locked_until=int(now.timestamp() * 1000) + 60_000)
    cleanup.clean_up(now)
    newest = {f"nobody's {n}" for n in range(3)}
    assert left() == newest | {f"known {n}" for n in range(5)} | {"nobody's 7"}, "a lock that lasts stays"


def test_wrong_passwords_mark_which_count_is_in_a_row() -> None:
    """What the two tests above lean on, by the sign-in itself."""
    sign_in_client(make_user()).password_step(Password="wrong")
    here, everywhere = PasswordTries.objects.order_by("-window_started")
    assert here.window_started > 0
    assert everywhere.window_started == 0
    assert everywhere.failures == 1


@pytest.mark.postgresql_only
def test_every_rule_finds_its_rows_by_an_index(user: User, client_row: Client) -> None:
    """With some thousand rows, whether there is something to delete or not."""
    now, thousands = timezone.now(), range(3000)
    due, tie = now + timedelta(hours=1), {"user": user, "client": client_row}
    requests = AuthenticationRequest.objects.bulk_create(
        [
            AuthenticationRequest(**tie, digest=n.to_bytes(32, "big"), typed_name="x", created_at=now, expires_at=due)
            for n in thousands
        ],
        batch_size=1000,
    )
    sessions = [Session(**tie, auth_time=now, amr="pwd", acr="1", last_used_at=now) for n in thousands]
    session = Session.objects.bulk_create(sessions, batch_size=1000)[0]
    token = {"user": user, "application": client_row, "session": session, "expires": due}
    rows: list[list[Model]] = [
        [Enrolment(user=user, request=each, kind=Kind.APP, begun_at=now, expires_at=due) for each in requests],
        [
            Delivery(user=user, kind=2, template="code", destination="x", state="sent", created_at=now,
                     next_attempt_at=now, finished_at=now) for n in thousands
        ],
        [SendingBudget(key=str(n), sent=1, window_started=int(now.timestamp())) for n in thousands],
        [RememberedDevice(**tie, digest=str(n), created_at=now, last_used_at=now, expires_at=due) for n in thousands],
        [Invitation(user=user, digest=str(n), created_at=now, expires_at=due) for n in thousands],
        [PasswordReset(user=user, asked_at=now, expires_at=due) for n in thousands],
        [AccessToken(**token, token=str(n), token_checksum=str(n)) for n in thousands],
        [RefreshToken(**token, token=str(n), token_checksum=str(n)) for n in thousands],
        [Grant(**token, code=str(n), redirect_uri="") for n in thousands],
        [BrowserSession(session_key=str(n), session_data="", expire_date=due) for n in thousands],
        [tries(f"n{n}", now, minutes_ago=0, in_a_row=n % 2 == 0) for n in thousands],
    ]  # fmt: skip
    for found in rows:
        type(found[0])._default_manager.bulk_create(found, batch_size=1000)
    identity_cleanup.NOBODYS_KEPT, kept = 1000, identity_cleanup.NOBODYS_KEPT
    try:
        rules = [*cleanup.rules(now), *identity_cleanup.rules(now)]
    finally:
        identity_cleanup.NOBODYS_KEPT = kept
    assert len({rule.model for rule in rules}) == len(MODELS)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    for old in (0, 40):
        for rule in rules:
            first = rule.model._default_manager.order_by("pk").values_list("pk", flat=True)[:old]
            rule.model._default_manager.filter(pk__in=list(first)).update(**{rule.column: rule.before})
            plan = rule.rows().values_list("pk")[: identity_cleanup.BATCH].explain()
            assert f"Scan using {rule.model._meta.db_table}_pkey" not in plan, plan
            assert re.search(rf"Index (Only )?Scan using \w+ on {rule.model._meta.db_table}", plan), plan


def test_the_oldest_goes_first_and_no_statement_takes_more_than_a_batch(user: User) -> None:
    now = timezone.now()
    SendingBudget.objects.bulk_create(
        [SendingBudget(key=str(n), sent=1, window_started=10_000 - n) for n in range(identity_cleanup.BATCH + 20)]
    )
    rule = next(rule for rule in cleanup.rules(now) if rule.model is SendingBudget)
    found = list(rule.rows().values_list("window_started", flat=True)[: identity_cleanup.BATCH])
    assert found == sorted(found)
    with CaptureQueriesContext(connection) as asked:
        cleanup.clean_up(now)
    deletes = [query["sql"] for query in asked.captured_queries if query["sql"].startswith("DELETE")]
    assert [statement.count(",") + 1 for statement in deletes] == [identity_cleanup.BATCH, 20]
