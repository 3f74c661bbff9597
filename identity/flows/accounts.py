"""Whether an account may sign in, and what administrators do to it."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from django.db import transaction
from django.db.models import Q

from identity import rows
from identity.flows import audit, lockout
from identity.models import Client, Group, Installation, User
from identity.outcomes import AccountState, PasswordState
from identity.rows import Rows, Step

_USER = Rows(User, "identity_user")
# What a sign-in is decided by; who changes one of them overtakes it.
_DECIDING = (
    *("password", "is_approved", "is_active", "start_date", "end_date", "locked_by_administrator_at"),
    *("must_change_password", "password_changed_at", "password_grace_used", "mfa_grace_used"),
    *("all_clients", "session_epoch"),
)
_LOCK_FOR_SIGN_IN = f"UPDATE identity_user SET last_login = %(now)s WHERE id = %(user)s RETURNING {_USER.columns}"  # noqa: S608


def states(user: User, client: Client | None, now: datetime) -> frozenset[AccountState]:
    """Everything that keeps the account from signing in to `client` at `now`; empty when nothing does."""
    found = {
        AccountState.NOT_APPROVED: not user.is_approved,
        AccountState.DISABLED: not user.is_active,
        AccountState.LOCKED_BY_ADMINISTRATOR: user.locked_by_administrator_at is not None,
        AccountState.NOT_YET_AVAILABLE: user.start_date is not None and now < user.start_date,
        AccountState.EXPIRED: user.end_date is not None and now >= user.end_date,
        AccountState.NOT_AUTHORIZED: client is not None and not has_role_in(user, client),
    }
    return frozenset(state for state, holds in found.items() if holds)


def has_role_in(user: User, client: Client) -> bool:
    """Whether the person, or a group of theirs, has a role in the client."""
    if user.all_clients or client.is_own_pages:
        return True
    return (
        User.clients.through.objects.filter(user_id=user.pk, client_id=client.pk).exists()
        or Group.objects.filter(Q(all_clients=True) | Q(clients=client), members=user).exists()
    )


def password_states(
    user: User, installation: Installation, now: datetime, *, strong_enough: bool
) -> frozenset[PasswordState]:
    """What a right password's age and strength mean. Must-change answers alone; expiry with grace goes along."""
    expired = _has_expired(user, installation, now)
    grace_left = installation.password_grace_logins - user.password_grace_used
    found: set[PasswordState] = set()
    if user.must_change_password or not strong_enough or (expired and grace_left <= 0):
        found.add(PasswordState.MUST_CHANGE)
    if not strong_enough:
        found.add(PasswordState.TOO_WEAK)
    if expired and (grace_left <= 0 or PasswordState.MUST_CHANGE not in found):
        found.add(PasswordState.EXPIRED)
        if grace_left == 1:
            found.add(PasswordState.LAST_GRACE_LOGIN)
    return frozenset(found)


def lock_row(user_pk: int) -> User:
    """The account under a lock, for a decision that must not be overtaken; inside a transaction.

    It is the first lock that anything takes which changes an account, its authenticators or its requests, so that no
    two wait for each other. `no_key`: rows that merely refer to the account are written meanwhile.
    """
    return User.objects.select_for_update(no_key=True).get(pk=user_pk)


def lock_row_for_sign_in(user_pk: int, now: datetime) -> User:
    """`lock_row`, with `now` noted as the last sign-in; the caller takes it back when there is none after all."""
    row = rows.one(_LOCK_FOR_SIGN_IN, {"now": rows.instant(now), "user": user_pk})
    user = _USER.read(row) if row else None
    if user is None:
        raise User.DoesNotExist
    return user


def unchanged_at_sign_in(user: User, now: datetime) -> Step:
    """The step of `rows.together` that notes a sign-in at `now`, while `user` is still as it was read.

    It is what `lock_row_for_sign_in` does for those who have decided already, and it decides nothing by itself.
    """
    given: dict[str, Any] = {f"was_{name}": value for name, value in _deciding(user)}
    return Step(_note_unchanged(rows.vendor()), {**given, "user": user.pk, "now": rows.instant(now)}, decides=True)


def take_back_sign_in(user: User, last_login: datetime | None) -> None:
    """There was no sign-in after all: the one before it is the last again."""
    User.objects.filter(pk=user.pk).update(last_login=last_login)


def unlock(user: User, *, actor: User | None, reason: str, address: str, now: datetime) -> None:
    """End the administrator's lock and every lockout of the account."""
    with transaction.atomic():
        User.objects.filter(pk=user.pk).update(locked_by_administrator_at=None)
        lockout.unlock(user)
        audit.record("account.unlocked", user=user, actor=actor, address=address, detail={"reason": reason})


def _deciding(user: User) -> Iterator[tuple[str, Any]]:
    for name in _DECIDING:
        value = getattr(user, name)
        yield name, rows.instant(value) if isinstance(value, datetime) else value


@cache
def _note_unchanged(vendor: str) -> str:
    same = "IS" if vendor == "sqlite" else "IS NOT DISTINCT FROM"
    conditions = " AND ".join(f"{name} {same} %(was_{name})s" for name in _DECIDING)
    return f"UPDATE identity_user SET last_login = %(now)s WHERE id = %(user)s AND {conditions}"  # noqa: S608


def _has_expired(user: User, installation: Installation, now: datetime) -> bool:
    if not installation.password_expires_days:
        return False
    since = user.password_changed_at or user.created_at
    return now >= since + timedelta(days=installation.password_expires_days)
