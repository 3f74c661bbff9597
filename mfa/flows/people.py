"""An account read together with what it holds: the one statement that a step of the ceremony begins with."""

from collections.abc import Sequence
from typing import Any

from identity import rows
from identity.models import User
from identity.rows import Rows
from mfa.models import Authenticator, DataKey

_USER, _KEY, _AUTHENTICATOR = Rows(User, "u"), Rows(DataKey, "k"), Rows(Authenticator, "a")
_DATA_KEY = User._meta.get_field("data_key")
_HELD = f"""
SELECT {_USER.columns}, {_AUTHENTICATOR.columns}, {_KEY.columns}
FROM identity_user u
LEFT JOIN mfa_authenticator a ON a.user_id = u.id
LEFT JOIN mfa_datakey k ON k.user_id = u.id
WHERE u.id = %(user)s ORDER BY a.id"""  # noqa: S608  Nothing in it comes from outside.


def with_authenticators(user_pk: int) -> tuple[User, list[Authenticator]] | None:
    """The account, its data key read along, and its authenticators; None when it is gone."""
    return _read(_HELD, user_pk)


def lock_with_authenticators(user_pk: int) -> tuple[User, list[Authenticator]] | None:
    """The same, with the account under its lock; inside a transaction.

    The authenticators are those of the moment when the lock was asked for. What follows looks at them again: a code
    is checked against what is there then, and an enrolment is refused where a factor has come meanwhile.
    """
    return _read(_HELD + rows.locking("u"), user_pk)


def read(found: Sequence[Sequence[Any]], start: int) -> tuple[User, list[Authenticator]]:
    """Of rows that hold user, authenticator and data key from the column `start` on, a row for each authenticator."""
    user = _USER.read(found[0], start)
    assert user is not None  # noqa: S101  The statements join to an account.
    of_authenticator = start + _USER.width
    _DATA_KEY.set_cached_value(user, _KEY.read(found[0], of_authenticator + _AUTHENTICATOR.width))
    held = [authenticator for row in found if (authenticator := _AUTHENTICATOR.read(row, of_authenticator))]
    for authenticator in held:
        authenticator.user = user
    return user, held


def _read(statement: str, user_pk: int) -> tuple[User, list[Authenticator]] | None:
    found = rows.every(statement, {"user": user_pk})
    return read(found, 0) if found else None
