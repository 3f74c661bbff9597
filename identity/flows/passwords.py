"""Whether a password is right, and giving an account a new one."""

from datetime import datetime
from functools import cache

from django.contrib.auth.password_validation import CommonPasswordValidator
from django.db import transaction

from identity.errors import Overloaded
from identity.flows import hashing, lockout
from identity.models import Installation, PasswordHistory, User
from identity.outcomes import PasswordRefusal, PasswordVerdict
from identity.primitives import login_names

MAXIMUM_BYTES = 1024


def check(typed_name: str, password: str, source: str, installation: Installation, now: datetime) -> PasswordVerdict:
    """The password step. `source` is the caller's address, or `device:…` for a remembered device.

    An unknown name costs the same statements and the same hash as a known one and gets the same answers.
    """
    name_key = login_names.normalise(typed_name)
    user = User.objects.filter(username_key=name_key).select_related("data_key").first()
    admission = lockout.admit(name_key, source, installation, now, user=user)
    if admission is None:
        return PasswordVerdict(account=user, refusal=PasswordRefusal.LOCKED_OUT)
    try:
        right = hashing.matches(password, user.password if user else None)
    except Overloaded:
        lockout.give_back(admission)
        raise
    if not right:
        locked_now = lockout.count_wrong(admission, installation, now, user=user)
        return PasswordVerdict(
            account=user,
            refusal=PasswordRefusal.WRONG,
            one_try_left=admission.one_left_after_this,
            account_locked_now=locked_now,
        )
    assert user is not None  # noqa: S101  Nobody's hash never matches.
    lockout.count_right(admission)
    if hashing.is_out_of_date(user.password):
        _upgrade(user, password)
    return PasswordVerdict(user=user, account=user)


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


def _upgrade(user: User, password: str) -> None:
    """Store the same password under today's parameters, unless it was changed meanwhile."""
    fresh = hashing.make(password)
    User.objects.filter(pk=user.pk, password=user.password).update(password=fresh)
    user.password = fresh


@cache
def _common_passwords() -> frozenset[str]:
    return frozenset(CommonPasswordValidator().passwords)
