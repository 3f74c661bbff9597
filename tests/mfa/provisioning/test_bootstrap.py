"""The first administrator comes by a link that works once; there are no default credentials (A67)."""

import re
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from identity.models import AuditEvent, User
from identity.models.user import AdminRole
from mfa.flows import bootstrap
from mfa.models.invitation import Invitation

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
