"""A backup is restored whole, and brings back nobody's secrets who was shredded."""

import gzip
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.private import client_of, provisioned, with_apps
from tests.support.databases import fresh_database, manage
from tests.support.server import Server, provision, serve
from tests.support.soft_authenticator import SoftAuthenticator
from tests.support.visual_guard import FACTOR_REQUIRED, SUCCESS, WRONG_PASSWORD

pytestmark = pytest.mark.timeout(300)

SEAL = """
from django.utils import timezone
from identity.models import User, Group, Client
from identity.flows import audit
from mfa import secret_store
from mfa.models import Authenticator
import uuid
now = timezone.now()
group = Group.objects.create(name="staff")
for name in ("kept", "shredded"):
    user = User.objects.create(username=name, email=name + "@example.org", created_at=now)
    user.groups.add(group)
    key = uuid.uuid5(uuid.NAMESPACE_DNS, name)
    sealed = secret_store.seal_for(user, b"canary " + name.encode(), table="mfa_authenticator", row=str(key), purpose="totp")
    Authenticator.objects.create(id=key, user=user, kind=4, sealed_secret=sealed, created_at=now, confirmed_at=now)
    audit.record("user.created", user=user)
from identity.flows import audit_seals
from identity.models import AuditEvent
audit_seals.seal(AuditEvent.objects.latest("id").pk, now)
from identity import secret_store as installation
print(installation.digest("test", "x"), installation.signing_key(now).kid)
"""
MAILBOX = """
from django.utils import timezone
from identity.models import User
from mfa.models import Authenticator
now, user = timezone.now(), User.objects.get(username="p2")
Authenticator.objects.create(user=user, kind=2, destination="p2@mail.example", created_at=now, confirmed_at=now)
"""
LISTED = """
from django.utils import timezone
from identity.models import User
from mfa.models import Shredding
for user in User.objects.filter(username__in=NAMES):
    Shredding.objects.create(subject=user.subject, at=timezone.now())
"""
LOOK = """
from identity.models import User, AuditEvent
from mfa import secret_store
from mfa.models import Authenticator
for name in ("kept", "shredded"):
    user = User.objects.get(username=name)
    for row in Authenticator.objects.filter(user=user):
        print(secret_store.open_sealed(user, bytes(row.sealed_secret), table="mfa_authenticator", row=str(row.pk), purpose="totp"))
    print(name, user.is_active, user.email, [group.name for group in user.groups.all()])
print(AuditEvent.objects.filter(event="user.created").count())
User.objects.create(username="after the restore")
"""
DIGEST = """
from django.utils import timezone
from identity import secret_store as installation
print(installation.digest("test", "x"), installation.signing_key(timezone.now()).kid)
"""


@pytest.fixture
def databases(tmp_path: Path) -> Iterator[list[dict[str, str]]]:
    """Three empty, migrated databases."""
    with ExitStack() as stack:
        yield [{"DATABASE_URL": stack.enter_context(fresh_database(tmp_path))} for _ in range(3)]


def test_a_restored_backup_holds_everything_but_what_was_shredded_since(
    databases: list[dict[str, str]], tmp_path: Path
) -> None:
    first, second, third = databases
    own_keys = manage("shell", "--no-imports", "-c", SEAL, environment=first).splitlines()[-1]
    old, _ = manage("backup", str(tmp_path / "old"), environment=first).split()
    manage("shred", "shredded", "--reason", "left", environment=first)
    _, newest_keys = manage("backup", str(tmp_path / "new"), environment=first).split()

    told = manage("restore", old, newest_keys, environment=second)
    assert "identity.user: 2" in told
    assert "closed again: 1" in told
    seen = manage("shell", "--no-imports", "-c", LOOK, environment=second).splitlines()
    assert seen == ["b'canary kept'", "kept True kept@example.org ['staff']", "shredded False  ['staff']", "2"]
    # Codes, client secrets and tokens of before are good: the installation's own keys came with the database.
    assert manage("shell", "--no-imports", "-c", DIGEST, environment=second).strip() == own_keys

    # Every event came back as it was sealed, to the microsecond.
    told = manage("verify_audit", environment={**second, "STEPWARD_VAR": str(tmp_path)})
    assert "1 links over 2 events." in told

    # With the keys of that day both open, which is why only the newest file of keys is kept.
    old_keys = str(tmp_path / "old" / "data-keys.jsonl.gz")
    assert "closed again" not in manage("restore", old, old_keys, environment=third)
    assert "b'canary shredded'" in manage("shell", "--no-imports", "-c", LOOK, environment=third)


def test_keys_that_are_older_than_the_database_are_refused(databases: list[dict[str, str]], tmp_path: Path) -> None:
    first, second, _ = databases
    _, old_keys = manage("backup", str(tmp_path / "old"), environment=first).split()
    manage("shell", "--no-imports", "-c", SEAL, environment=first)
    newest, _ = manage("backup", str(tmp_path / "new"), environment=first).split()
    with pytest.raises(AssertionError, match="The data keys are older than the database"):
        manage("restore", newest, old_keys, environment=second)


@pytest.mark.slow
def test_after_a_restore_a_shredded_person_is_out_and_everybody_else_signs_in(tmp_path: Path) -> None:
    """Over HTTP: the same backup, the same right codes, and only the newest file of data keys makes the difference."""
    with ExitStack() as stack:
        first, second, control = [{"DATABASE_URL": stack.enter_context(fresh_database(tmp_path))} for _ in range(3)]
        provision(first["DATABASE_URL"], provisioned(3))
        phones = with_apps(first, 2)
        manage("shell", "--no-imports", "-c", MAILBOX, environment=first)
        old, old_keys = manage("backup", str(tmp_path / "old"), environment=first).split()
        for name in ("p1", "p2"):
            manage("shred", name, "--reason", "asked to be forgotten", environment=first)
        _, newest_keys = manage("backup", str(tmp_path / "new"), environment=first).split()
        assert "closed again: 2" in manage("restore", old, newest_keys, environment=second)
        manage("restore", old, old_keys, environment=control)
        # As PostgreSQL's own tools would leave it: the old rows, and the newest list beside them.
        manage("shell", "--no-imports", "-c", f"NAMES = ['p2']\n{LISTED}", environment=control)
        with serve(second["DATABASE_URL"], tmp_path) as server:
            assert sign_in(server, "p0", phones) == SUCCESS
            for name in ("p1", "p2"):
                refused = client_of(server, name).password_step()
                assert (refused.http_status, refused.status) == (400, WRONG_PASSWORD)
            assert "unhandled" not in server.log_text()
        with serve(control["DATABASE_URL"], tmp_path) as server:
            assert sign_in(server, "p1", phones) == SUCCESS
            assert client_of(server, "p2").password_step().status == FACTOR_REQUIRED
        assert "Closed again: 1" in manage("shred", "--again-since", "2026-01-01T03:00", environment=control)
        with serve(control["DATABASE_URL"], tmp_path) as server:
            assert client_of(server, "p2").password_step().status == WRONG_PASSWORD


def sign_in(server: Server, name: str, phones: dict[str, SoftAuthenticator]) -> int:
    client = client_of(server, name)
    return client.code_step(client.password_step(), phones[name].code()).status


def test_no_file_of_a_backup_holds_a_secret_in_clear(databases: list[dict[str, str]], tmp_path: Path) -> None:
    manage("shell", "--no-imports", "-c", SEAL, environment=databases[0])
    for path in map(Path, manage("backup", str(tmp_path / "b"), environment=databases[0]).split()):
        assert b"canary" not in gzip.decompress(path.read_bytes())
        assert path.stat().st_mode & 0o077 == 0


def test_a_database_that_holds_accounts_is_never_written_over(databases: list[dict[str, str]], tmp_path: Path) -> None:
    manage("shell", "--no-imports", "-c", SEAL, environment=databases[0])
    files = manage("backup", str(tmp_path / "b"), environment=databases[0]).split()
    with pytest.raises(AssertionError, match="This database holds accounts"):
        manage("restore", *files, environment=databases[0])
