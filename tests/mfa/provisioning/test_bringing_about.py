"""The declared state is made true, whole or not at all, and a second run finds nothing to do."""

import json
import re
from datetime import timedelta
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from identity.flows.clients import check_secret
from identity.models import AuditEvent, Client, Group, Installation, Session, User
from mfa.flows import cleanup, enrolment, provisioning
from mfa.models.authentication_request import AuthenticationRequest
from mfa.models.authenticator import Authenticator, Enrolment, Kind
from mfa.models.policy import MfaPolicy
from mfa.verifiers import delivered_code
from tests.support.ceremony import ORIGIN, a_request, an_enrolment

pytestmark = pytest.mark.django_db

CLIENT_ID = "6f0f3c6e-0000-4000-8000-000000000001_Native"
PASSWORD = "a long and quiet sentence"
SECRET = "a secret that only the client knows"
SAMPLE: dict[str, Any] = {
    "clients": [{"client_id": CLIENT_ID, "name": "Demo", "client_secret": SECRET, "mfa": {"mode": "optional"}}],
    "mfa": {"mode": "required"},
    "groups": [{"name": "staff", "mfa": {"mode": "required"}, "clients": ["*"]}],
    "lockout": {"attempts": 3},
    "password": {"minimum_length": 14},
    "users": [
        {
            "username": "tt29",
            "password": PASSWORD,
            "email": "m.m@gmail.com",
            "email_verified": True,
            "groups": ["staff"],
            "clients": [CLIENT_ID],
        }
    ],
}


def run(declared: dict[str, Any], *, dry_run: bool = False) -> list[str]:
    read = provisioning.read(json.dumps(declared).encode())
    return [str(change) for change in provisioning.bring_about(read, timezone.now(), dry_run=dry_run)]


def with_user(**changed: Any) -> dict[str, Any]:
    return SAMPLE | {"users": [SAMPLE["users"][0] | changed]}


def refused(declared: dict[str, Any]) -> str:
    with pytest.raises(provisioning.NotAcceptable) as refusal:
        run(declared)
    return "\n".join(refusal.value.problems)


def test_the_sample_is_made_true() -> None:
    run(SAMPLE)
    client, user, installation = Client.objects.get(), User.objects.get(), Installation.current()
    assert check_secret(client, SECRET)
    assert not check_secret(client, SECRET + " ")
    assert SECRET not in client.client_secret
    assert user.check_password(PASSWORD)
    assert user.email_verified_at is not None
    assert [row.name for row in user.groups.all()] == ["staff"]
    assert [row.client_id for row in user.clients.all()] == [CLIENT_ID]
    assert Group.objects.get().all_clients
    assert (installation.lockout_attempts, installation.lockout_window) == (3, 900)
    assert installation.password_minimum_length == 14
    assert {str(row): row.mode for row in MfaPolicy.objects.all()} == {
        "MFA policy of Demo": "optional",
        "MFA policy of staff": "required",
        "MFA policy of the installation": "required",
    }
    assert list(Authenticator.objects.values_list("kind", "destination")) == [(Kind.EMAIL, "m.m@gmail.com")]


def test_a_second_run_changes_nothing() -> None:
    run(SAMPLE)
    events = AuditEvent.objects.count()
    assert run(SAMPLE) == []
    assert AuditEvent.objects.count() == events


def test_a_dry_run_says_the_same_and_changes_nothing() -> None:
    said = run(SAMPLE, dry_run=True)
    assert (Client.objects.count(), User.objects.count(), AuditEvent.objects.count()) == (0, 0, 0)
    assert run(SAMPLE) == said


def test_each_change_is_in_the_audit_trail_without_a_secret() -> None:
    run(SAMPLE)
    run(with_user(is_approved=False))
    events = list(AuditEvent.objects.order_by("id").values_list("event", flat=True))
    assert events[-1] == "user.changed"
    assert {"client.created", "group.created", "user.created", "policy.created", "authenticator.added"} < set(events)
    kept = json.dumps(list(AuditEvent.objects.values()), default=str)
    assert PASSWORD not in kept
    assert SECRET not in kept


def test_a_persons_own_password_and_a_clients_secret_are_never_reset() -> None:
    run(SAMPLE)
    changed = with_user(password="another long sentence")
    changed["clients"] = [SAMPLE["clients"][0] | {"client_secret": "another secret of the client"}]
    assert run(changed) == []
    assert User.objects.get().check_password(PASSWORD)
    assert check_secret(Client.objects.get(), SECRET)


def test_a_key_that_is_left_out_goes_back_to_its_default() -> None:
    run(SAMPLE | {"users": [SAMPLE["users"][0] | {"is_active": False, "must_change_password": True}]})
    plain = {"clients": [{"client_id": CLIENT_ID}], "users": [{"username": "tt29"}], "groups": [{"name": "staff"}]}
    run(plain)
    user = User.objects.get()
    assert (user.is_active, user.must_change_password, user.email, user.email_verified_at) == (True, False, "", None)
    assert (user.groups.count(), user.clients.count(), Client.objects.get().name) == (0, 0, "")
    assert not Group.objects.get().all_clients
    assert [str(row) for row in MfaPolicy.objects.all()] == ["MFA policy of the installation"]
    assert not Authenticator.objects.exists()


def test_a_section_that_is_left_out_stays_as_it_is() -> None:
    run(SAMPLE)
    assert run({}) == []
    assert Installation.current().lockout_attempts == 3
    assert MfaPolicy.objects.count() == 3


def test_people_who_are_not_in_the_file_stay_as_they_are() -> None:
    run(SAMPLE)
    run({"users": [{"username": "someone else", "password": PASSWORD}]})
    assert User.objects.count() == 2


def test_a_client_without_a_secret_is_public() -> None:
    run({"clients": [{"client_id": "one"}]})
    client = Client.objects.get()
    assert client.is_public
    assert not check_secret(client, "")


def test_a_user_without_a_password_cannot_sign_in_yet() -> None:
    assert run({"users": [{"username": "a"}]}) == ["user a: created, without a password"]
    assert not User.objects.get().has_usable_password()


def test_another_spelling_of_a_name_is_the_same_account() -> None:
    run(SAMPLE)
    assert run(with_user(username="TT29")) == ["user TT29: username changed"]
    assert User.objects.count() == 1


@pytest.mark.parametrize(
    ("declared", "path"),
    [
        ({"users": [{"username": "a", "groups": ["nobody"]}]}, "users[0].groups[0]: there is no group nobody"),
        ({"users": [{"username": "a", "clients": ["none"]}]}, "users[0].clients[0]: there is no client none"),
        ({"groups": [{"name": "g", "clients": ["*", "none"]}]}, "groups[0].clients[1]: there is no client none"),
        ({"clients": [{"client_id": "a", "grant_types": ["client_credentials"]}]}, "clients[0].grant_types: "),
        ({"users": [{"username": "a", "password": "short"}]}, "users[0].password: "),
        (
            {"users": [{"username": "a", "password": "passwordpassword"}], "password": {"minimum_length": 17}},
            "users[0].p",
        ),
        (
            {"users": [{"username": "a", "password": "password"}], "password": {"minimum_length": 8}},
            "users[0].password",
        ),
        ({"users": [{"username": "Administrator", "password": "administrator"}]}, "users[0].password: "),
        (
            {
                "unique_emails": True,
                "users": [{"username": "a", "email": "x@y.example"}, {"username": "b", "email": "X@y.example"}],
            },
            "users[1].email: is also the address of users[0]",
        ),
    ],
)
def test_what_does_not_fit_is_refused_as_a_whole(declared: dict[str, Any], path: str) -> None:
    assert path in refused({"clients": [{"client_id": "fine"}]} | declared)
    assert (Client.objects.count(), User.objects.count(), Group.objects.count()) == (0, 0, 0)


def test_an_address_of_somebody_outside_the_file_is_taken() -> None:
    run(SAMPLE)
    other = {"unique_emails": True, "users": [{"username": "b", "email": "M.M@gmail.com"}]}
    assert refused(other) == "users[0].email: is also the address of the account tt29"


def test_a_change_of_the_minimum_length_leaves_old_passwords_alone() -> None:
    run(SAMPLE)
    assert run(SAMPLE | {"password": {"minimum_length": 64}}) == ["installation: password_minimum_length changed"]


def test_a_verified_address_that_changes_moves_its_authenticator_and_ends_what_rests_on_it() -> None:
    run(SAMPLE)
    user, now = User.objects.get(), timezone.now()
    session = Session.objects.create(user=user, auth_time=now, amr="pwd otp mfa", acr="2", last_used_at=now)
    opened = AuthenticationRequest.objects.create(
        digest=b"x" * 32, user=user, typed_name="tt29", created_at=now, expires_at=now + timedelta(minutes=10)
    )
    said = run(with_user(email="new@gmail.com"))
    assert said == ["user tt29: email changed", "user tt29: Email authenticator moved to the new address"]
    assert [row.destination for row in Authenticator.objects.all()] == ["new@gmail.com"]
    session.refresh_from_db()
    opened.refresh_from_db()
    assert session.ended_at is not None
    assert opened.state == "cancelled"
    assert User.objects.get().session_epoch == user.session_epoch + 1


def test_a_mark_that_is_taken_back_removes_its_authenticator() -> None:
    run(with_user(mobile_phone="+33612345678", mobile_verified=True))
    assert Authenticator.objects.count() == 2
    run(with_user(mobile_phone="+33612345678", mobile_verified=False))
    assert [row.kind for row in Authenticator.objects.all()] == [Kind.EMAIL]
    assert User.objects.get().mobile_verified_at is None


def test_an_authenticator_that_the_person_confirmed_stays_whatever_the_mark_says() -> None:
    """Also when the sweep has long deleted the enrolment that it came from."""
    run(with_user(email_verified=False))
    user, then = User.objects.get(), timezone.now() - timedelta(days=2)
    opened = a_request(user, then)
    begun = an_enrolment(opened, Kind.EMAIL, "m.m@gmail.com", then)
    digest = delivered_code.enrolment_digest(begun.pk, "755224")
    Enrolment.objects.update(code_digest=digest, code_expires_at=begun.expires_at)
    own = enrolment.confirm(opened, Kind.EMAIL, "755224", ORIGIN, then)
    assert isinstance(own, Authenticator)
    cleanup.clean_up(timezone.now())
    assert not Enrolment.objects.exists()
    assert run(with_user(email_verified=False)) == []
    assert Authenticator.objects.get() == own
    assert User.objects.get().email_verified_at == then
    run(with_user(email_verified=False, email="other@gmail.com"))
    assert not Authenticator.objects.exists()


def test_authenticators_of_before_count_as_their_persons_own_unless_a_file_is_known_to_have_made_them() -> None:
    fill = import_module("mfa.migrations.0010_marks_of_a_file").fill
    run(with_user(mobile_phone="+33612345678", mobile_verified=True))
    user, now = User.objects.get(), timezone.now()
    named = Authenticator.objects.create(
        user=user, kind=Kind.EMAIL, label="E-mail", destination="b@gmail.com", created_at=now, confirmed_at=now
    )
    app = Authenticator.objects.create(user=user, kind=Kind.APP, sealed_secret=b"x", created_at=now, confirmed_at=now)
    Authenticator.objects.update(provisioned=False)
    fill(apps, connection.schema_editor())
    assert set(Authenticator.objects.filter(provisioned=False)) == {named, app}
    assert Authenticator.objects.filter(provisioned=True).count() == 2


def test_requests_end_before_the_authenticators_that_a_file_takes_back_go() -> None:
    """After the account's lock, as everything locks them: a code that is just being sent waits, and nothing hangs."""
    run(SAMPLE)
    with CaptureQueriesContext(connection) as captured:
        run(with_user(email_verified=False))
    done = [query["sql"] for query in captured.captured_queries]
    locked, ended, deleted = (
        next(place for place, text in enumerate(done) if re.search(wanted, text))
        for wanted in (
            r'SELECT "identity_user".*(FOR NO KEY UPDATE|WHERE "identity_user"."id" = \d+ LIMIT 21$)',
            'UPDATE "mfa_authenticationrequest"',
            'DELETE FROM "mfa_authenticator"',
        )
    )
    assert locked < ended < deleted


def test_an_account_that_is_disabled_loses_its_sessions() -> None:
    run(SAMPLE)
    now = timezone.now()
    Session.objects.create(user=User.objects.get(), auth_time=now, amr="pwd", acr="1", last_used_at=now)
    run(with_user(is_active=False))
    assert not Session.objects.filter(ended_at__isnull=True).exists()


def test_an_administrators_role_is_not_the_files_to_give_or_take() -> None:
    run(SAMPLE)
    User.objects.update(admin_role=40)
    run(with_user(is_approved=False))
    assert User.objects.get().admin_role == 40


def test_the_command_reads_a_file_and_says_what_it_did(tmp_path: Path) -> None:
    file, out = tmp_path / "state.yaml", StringIO()
    file.write_text(json.dumps(SAMPLE))
    call_command("provision", str(file), "--dry-run", stdout=out)
    assert out.getvalue().endswith("8 changes would be made.\n")
    call_command("provision", str(file), stdout=out)
    assert out.getvalue().endswith("8 changes made.\n")
    call_command("provision", str(file), stdout=out)
    assert out.getvalue().endswith("Nothing changed: everything is as declared.\n")
    assert PASSWORD not in out.getvalue()


def test_the_command_refuses_with_the_path_and_another_exit_code_than_zero(tmp_path: Path) -> None:
    file = tmp_path / "state.yaml"
    file.write_text("users: [{username: a, colour: blue}]")
    with pytest.raises(CommandError, match=r"users\[0\]\.colour: is not a key") as refusal:
        call_command("provision", str(file), stdout=StringIO())
    assert refusal.value.returncode == 1
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("provision", str(tmp_path / "nowhere"), stdout=StringIO())


def test_the_command_reads_standard_input(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    file.write_text(json.dumps(SAMPLE))
    with file.open() as given:
        monkeypatch.setattr("sys.stdin", given)
        call_command("provision", "-", stdout=StringIO())
    assert User.objects.get().username == "tt29"


def test_a_long_file_costs_a_fixed_number_of_statements_to_compare(
    django_assert_max_num_queries: Any,
) -> None:
    many = {"users": [{"username": f"user{number}", "email": f"u{number}@a.example"} for number in range(60)]}
    run(many)
    with django_assert_max_num_queries(14):
        assert run(many) == []
