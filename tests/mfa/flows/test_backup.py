"""A backup is restored whole, and brings back nobody's secrets who was shredded."""

import gzip
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.databases import fresh_database, manage

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
from identity import secret_store as installation
print(installation.digest("test", "x"), installation.signing_key(now).kid)
"""
SHRED = """
from identity.models import User
from mfa import secret_store
secret_store.shred(User.objects.get(username="shredded"))
"""
LOOK = """
from identity.models import User, AuditEvent
from mfa import secret_store
from mfa.models import Authenticator
for name in ("kept", "shredded"):
    user = User.objects.get(username=name)
    row = Authenticator.objects.get(user=user)
    try:
        print(secret_store.open_sealed(user, bytes(row.sealed_secret), table="mfa_authenticator", row=str(row.pk), purpose="totp"))
    except secret_store.CannotOpen:
        print(name, "cannot be opened")
    print([group.name for group in user.groups.all()])
print(AuditEvent.objects.count())
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
    manage("shell", "--no-imports", "-c", SHRED, environment=first)
    _, newest_keys = manage("backup", str(tmp_path / "new"), environment=first).split()

    assert "identity.user: 2" in manage("restore", old, newest_keys, environment=second)
    seen = manage("shell", "--no-imports", "-c", LOOK, environment=second)
    assert seen.splitlines() == ["b'canary kept'", "['staff']", "shredded cannot be opened", "['staff']", "2"]
    # Codes, client secrets and tokens of before are good: the installation's own keys came with the database.
    assert manage("shell", "--no-imports", "-c", DIGEST, environment=second).strip() == own_keys

    # With the keys of that day both open, which is why only the newest file of keys is kept.
    old_keys = str(tmp_path / "old" / "data-keys.jsonl.gz")
    manage("restore", old, old_keys, environment=third)
    assert "b'canary shredded'" in manage("shell", "--no-imports", "-c", LOOK, environment=third)


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
