"""Whether a password is right, and giving an account a new one."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import cache

from django.contrib.auth.password_validation import CommonPasswordValidator
from django.db import DatabaseError, transaction

from identity import rows
from identity.errors import Overloaded
from identity.flows import hashing, lockout
from identity.models import Client, Installation, PasswordHistory, User
from identity.outcomes import Admission, PasswordRefusal, PasswordVerdict
from identity.primitives import login_names
from identity.rows import Step

MAXIMUM_BYTES = 1024


def check(
    typed_name: str,
    password: str,
    source: str,
    installation: Installation,
    now: datetime,
    *,
    client: Client | None = None,
) -> PasswordVerdict:
    """The password step. `source` is the caller's address, or `device:…` for a remembered device.

    Raises OutdatedClient, with nothing done, where `client` was kept and has changed since.

    An unknown name costs the same statements and the same hash as a known one and gets the same answers. Whoever goes
    on with a right password reads the account under its lock, looks that `encoded` is still its hash, and calls
    `count_right` in the same transaction.
    """
    name_key = login_names.normalise(typed_name)
    admission = lockout.admit(name_key, source, installation, now, client=client)
    if admission is None:
        return PasswordVerdict(account=_named(name_key), refusal=PasswordRefusal.LOCKED_OUT)
    try:
        right = hashing.matches(password, admission.encoded)
        encoded = _up_to_date(admission, password) if right else ""
    except Overloaded:
        lockout.give_back(admission)
        raise
    if not right:
        account = _named(name_key)
        return PasswordVerdict(
            account=account,
            refusal=PasswordRefusal.WRONG,
            one_try_left=admission.one_left_after_this,
            account_locked_now=lockout.count_wrong(admission, installation, now, user=account),
        )
    return PasswordVerdict(admission=admission, encoded=encoded)


def count_right(verdict: PasswordVerdict) -> None:
    """A right password sets the counts of wrong ones to nothing."""
    step = counting_right(verdict)
    rows.changed(step.statement, step.parameters)


def counting_right(verdict: PasswordVerdict) -> Step:
    """The same as a step of `rows.together`."""
    assert verdict.admission is not None  # noqa: S101  The password was right.
    return lockout.forgetting(verdict.admission)


@contextmanager
def deciding(verdict: PasswordVerdict) -> Iterator[None]:
    """Around the transaction that goes on with a right password: if the database breaks it off, the try was not wrong.

    Otherwise a disk that is full would lock out whoever tries again.
    """
    try:
        yield
    except DatabaseError:
        if verdict.admission is not None:
            with suppress(DatabaseError):
                lockout.give_back(verdict.admission)
        raise


def problems(password: str, user: User, installation: Installation) -> list[str]:
    """What keeps `password` from being this account's (NIST SP 800-63B-4, 3.1.1.2: length and blocklist only)."""
    found = []
    if len(password) < installation.password_minimum_length:
        found.append(f"It has fewer than {installation.password_minimum_length} characters.")
    if len(password.encode()) > MAXIMUM_BYTES:
        found.append(f"It has more than {MAXIMUM_BYTES} bytes.")
    if "\x00" in password:
        found.append("It holds a character that is not allowed.")
    if password.casefold().strip() in _common_passwords():
        found.append("It is one of the most common passwords.")
    if login_names.normalise(password) in (user.username_key, user.email.casefold()):
        found.append("It is the account's own name.")
    return found


def was_used_before(password: str, user: User, installation: Installation) -> bool:
    """Whether it is the password in force or one of the last `password_history` ones."""
    if not user.has_usable_password() and not user.old_passwords.exists():
        return False
    old = list(user.old_passwords.values_list("password", flat=True)[: installation.password_history])
    return any(hashing.matches(password, encoded) for encoded in [user.password, *old])


def set_password(user: User, password: str, installation: Installation, now: datetime) -> None:
    """Give the account a new password; the old one goes into its history. Whoever calls ends what it must."""
    encoded = hashing.make(password)
    with transaction.atomic():
        if user.password and user.has_usable_password() and installation.password_history:
            PasswordHistory.objects.create(user=user, password=user.password, replaced_at=now)
            keep = user.old_passwords.values_list("pk", flat=True)[: installation.password_history]
            user.old_passwords.exclude(pk__in=list(keep)).delete()
        user.password = encoded
        user.password_changed_at = now
        user.must_change_password = False
        user.password_grace_used = 0
        user.save(update_fields=["password", "password_changed_at", "must_change_password", "password_grace_used"])


def _named(name_key: str) -> User | None:
    return User.objects.filter(username_key=name_key).first()


def _up_to_date(admission: Admission, password: str) -> str:
    """The hash in force of a right password: under today's parameters, if there is room to make it.

    Others sign in meanwhile and do the same: whichever hash of this password is stored in the end is the one in force.
    """
    encoded, user_pk = admission.encoded, admission.user_pk
    assert encoded is not None  # noqa: S101  Nobody's hash never matches …
    assert user_pk is not None  # noqa: S101  … and a hash comes with its account.
    if not hashing.is_out_of_date(encoded):
        return encoded
    account = User.objects.filter(pk=user_pk)
    with suppress(Overloaded):  # The old one is as good until the next time.
        fresh = hashing.make(password)
        if account.filter(password=encoded).update(password=fresh):
            return fresh
    stored = account.values_list("password", flat=True).first()
    return stored if stored is not None and stored != encoded and hashing.matches(password, stored) else encoded


@cache
def _common_passwords() -> frozenset[str]:
    return frozenset(CommonPasswordValidator().passwords)
