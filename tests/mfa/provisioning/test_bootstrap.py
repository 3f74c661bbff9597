"""The first administrator comes by a link that works once; there are no default credentials (A67)."""

import re
from datetime import timedelta
from importlib import import_module
from io import StringIO

import pytest
from django.apps import apps
from django.contrib.auth.hashers import make_password
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from identity.models import AuditEvent, Session, User
from identity.models.user import AdminRole
from mfa.flows import administration, bootstrap, enrolment, remembered_devices
from mfa.models.authenticator import Authenticator, Enrolment, Kind
from mfa.models.invitation import Invitation, InvitationPurpose
from mfa.verifiers import totp as totp_verifier
from tests.support.ceremony import ORIGIN, a_request
from tests.support.soft_authenticator import SoftAuthenticator

pytestmark = pytest.mark.django_db

NOW = timezone.now()
PASSWORD = "a long and quiet sentence"


def token_of(link: str) -> str:
    return link.rsplit("/", 1)[1]


def made(username: str = "admin", **how: bool) -> str:
    return token_of(bootstrap.make_link(username, NOW, **how))


def test_a_fresh_installation_has_no_account_at_all() -> None:
    assert not User.objects.exists()


def test_the_link_sets_the_password_once() -> None:
    token = made()
    opened = bootstrap.open_link(token, NOW)
    assert opened is not None
    assert (opened.username, opened.admin_role, opened.has_usable_password()) == ("admin", AdminRole.OWNER, False)
    assert bootstrap.set_first_password(token, PASSWORD, NOW) == []
    assert User.objects.get().check_password(PASSWORD)
    assert bootstrap.open_link(token, NOW) is None
    assert bootstrap.set_first_password(token, "another long sentence", NOW) != []
    assert User.objects.get().check_password(PASSWORD)


def test_a_password_that_is_refused_does_not_spend_the_link() -> None:
    token = made()
    assert bootstrap.set_first_password(token, "short", NOW) == ["It has fewer than 12 characters."]
    assert bootstrap.set_first_password(token, PASSWORD, NOW) == []


def test_the_link_is_kept_as_a_digest_only_and_is_256_bits() -> None:
    token = made()
    assert len(token) == 43
    kept = Invitation.objects.get()
    assert token not in str(vars(kept))
    assert bootstrap.open_link(kept.digest, NOW) is None


@pytest.mark.parametrize("token", ["", "x", "x" * 100_000, "é"])
def test_other_tokens_open_nothing(token: str) -> None:
    made()
    assert bootstrap.open_link(token, NOW) is None


def test_the_link_is_over_after_a_day() -> None:
    token = made()
    late = NOW + timedelta(hours=24)
    assert bootstrap.open_link(token, late - timedelta(seconds=1)) is not None
    assert bootstrap.open_link(token, late) is None
    assert bootstrap.set_first_password(token, PASSWORD, late) != []


def test_a_new_link_ends_the_one_before() -> None:
    first, second = made(), made()
    assert bootstrap.open_link(first, NOW) is None
    assert bootstrap.open_link(second, NOW) is not None


def test_a_link_is_over_when_the_role_was_taken_back() -> None:
    token = made()
    User.objects.update(admin_role=AdminRole.NONE)
    assert bootstrap.open_link(token, NOW) is None


def test_no_second_owner_is_made_unless_forced() -> None:
    bootstrap.set_first_password(made(), PASSWORD, NOW)
    with pytest.raises(bootstrap.BootstrapRefused, match="already exists"):
        made("second")
    assert bootstrap.open_link(made("second", force=True), NOW) is not None


def test_an_account_in_use_is_not_taken_over_even_by_force() -> None:
    bootstrap.set_first_password(made(), PASSWORD, NOW)
    with pytest.raises(bootstrap.BootstrapRefused, match="in use"):
        made("ADMIN", force=True)


def test_both_acts_are_in_the_audit_trail_without_the_token() -> None:
    token = made()
    bootstrap.set_first_password(token, PASSWORD, NOW)
    assert set(AuditEvent.objects.values_list("event", flat=True)) == {"administrator.invited", "password.set"}
    assert token not in str(list(AuditEvent.objects.values()))


def test_the_command_prints_the_link() -> None:
    out = StringIO()
    call_command("bootstrap_admin", "--username", "root", stdout=out)
    link = re.search(r"^http://\S+/account/bootstrap/[\w-]{43}$", out.getvalue(), re.MULTILINE)
    assert link is not None
    found = bootstrap.open_link(token_of(link.group()), timezone.now())
    assert found is not None
    assert found.username == "root"


def test_the_command_refuses_when_there_is_an_owner() -> None:
    bootstrap.set_first_password(made(), PASSWORD, NOW)
    with pytest.raises(CommandError, match="already exists"):
        call_command("bootstrap_admin", stdout=StringIO())


def given_link(user: User) -> str:
    """The token of a link that an administrator made for `user`."""
    actor = User.objects.create(username="actor", admin_role=AdminRole.OWNER)
    return token_of(bootstrap.make_password_link(user, actor=actor, reason="ticket 4711", address="", now=NOW))


def confirmed_an_app(user: User) -> None:
    request = a_request(user, NOW)
    begun = enrolment.begin_app(request, ORIGIN, NOW)
    assert isinstance(begun, Enrolment)
    phone = SoftAuthenticator(totp_verifier.enrolment_secret(begun), "Stepward", user.username)
    assert isinstance(enrolment.confirm(request, Kind.APP, phone.code(NOW.timestamp()), ORIGIN, NOW), Authenticator)


def test_an_administrators_link_sets_a_new_password_and_ends_what_the_old_one_opened() -> None:
    user = User.objects.create(username="anna", password=make_password("the sentence of last year"))
    session = Session.objects.create(user=user, auth_time=NOW, amr="pwd", acr="1", last_used_at=NOW)
    held = Authenticator.objects.create(
        user=user, kind=Kind.EMAIL, destination="a@b.example", created_at=NOW, confirmed_at=NOW
    )
    token = given_link(user)
    assert bootstrap.open_link(token, NOW) == user
    assert bootstrap.set_first_password(token, "the sentence of last year", NOW) == ["It was used before."]
    assert bootstrap.set_first_password(token, PASSWORD, NOW) == []
    user.refresh_from_db()
    session.refresh_from_db()
    assert user.check_password(PASSWORD)
    assert session.ended_at is not None
    assert list(user.authenticators.all()) == [held]
    assert bootstrap.open_link(token, NOW) is None


def test_an_invitation_to_enrol_leaves_a_link_as_it_is() -> None:
    """Nor does enrolling: the link says that it is good for a day and one use."""
    user, actor = User.objects.create(username="anna"), User.objects.create(username="helper")
    token = given_link(user)
    code = administration.invite(user, actor=actor, reason="ticket 4711", address="", now=NOW)
    assert remembered_devices.invitation_is_good(user, code, NOW)
    confirmed_an_app(user)
    assert not remembered_devices.invitation_is_good(user, code, NOW)
    assert bootstrap.open_link(token, NOW) == user
    assert bootstrap.set_first_password(token, PASSWORD, NOW) == []


def test_a_new_owners_link_ends_the_links_before_and_no_invitation() -> None:
    first, user = made(), User.objects.get()
    code = administration.invite(user, actor=user, reason="ticket 4711", address="", now=NOW)
    second = made()
    assert bootstrap.open_link(first, NOW) is None
    assert bootstrap.open_link(second, NOW) == user
    assert remembered_devices.invitation_is_good(user, code, NOW)


def test_links_of_before_are_told_from_invitations_by_how_long_they_are_good() -> None:
    fill = import_module("mfa.migrations.0009_purpose_of_invitations").fill
    user = User.objects.create(username="anna")
    made("root")
    given_link(user)
    administration.invite(user, actor=user, reason="ticket 4711", address="", now=NOW)
    remembered_devices.invite(user, actor=None, now=NOW, lifetime=timedelta(minutes=1))
    Invitation.objects.update(purpose=InvitationPurpose.ENROLMENT)
    fill(apps, connection.schema_editor())
    links = Invitation.objects.filter(purpose=InvitationPurpose.PASSWORD)
    assert sorted(links.values_list("user__username", flat=True)) == ["anna", "root"]
    assert {link.expires_at - link.created_at for link in links} == {bootstrap.LINK_LIFETIME}


def test_of_two_links_the_first_that_is_used_ends_the_other() -> None:
    user = User.objects.create(username="anna")
    actor = User.objects.create(username="actor", admin_role=AdminRole.OWNER)
    tokens = [
        token_of(bootstrap.make_password_link(user, actor=actor, reason="ticket", address="", now=NOW))
        for _ in range(2)
    ]
    assert bootstrap.set_first_password(tokens[0], PASSWORD, NOW) == []
    assert bootstrap.open_link(tokens[1], NOW) is None


def test_a_link_of_a_disabled_account_opens_nothing() -> None:
    user = User.objects.create(username="anna", is_active=False)
    assert bootstrap.open_link(given_link(user), NOW) is None
