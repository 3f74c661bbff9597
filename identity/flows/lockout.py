"""Wrong passwords: counted per (name, network) in one statement, before the password is compared.

The count is a reservation. A try is admitted while fewer than `attempts` are counted in the window, and admitting it
counts it; a right password takes the counts away. So of a hundred parallel guesses no more than `attempts` are ever
compared (ATTACKS A15), on any number of processes, and names that do not exist are counted alike (A53).
"""

import time
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import F

from identity import rows, secret_store
from identity.errors import OutdatedClient
from identity.models import Client, Installation, PasswordTries, User
from identity.oauth import client_rows
from identity.outcomes import Admission
from identity.primitives.addresses import network_of
from identity.rows import Step

# Past so many wrong passwords in a row, from wherever, the account waits for every network (the contract's 2.1).
ACCOUNT_WIDE_LIMIT = 100
_WAIT_FOR_OTHERS_SECONDS = 5.0

# One row in, its count out, and the account beside it: whether there is one changes nothing of what is done.
# The columns are read before any of them is set, on both databases. A count is whose the name is now: it may have been
# begun before there was the account.
_ADMIT = """
INSERT INTO identity_passwordtries (key, failures, window_started, locked_until, admitted, updated, user_id)
SELECT %(key)s, 1, %(now)s, 0, %(true)s, %(now)s, (SELECT id FROM identity_user WHERE username_key = %(name)s)
WHERE NOT EXISTS (SELECT 1 FROM identity_passwordtries a WHERE a.key = %(account)s AND a.locked_until > %(now)s)
  {if_current}
ON CONFLICT (key) DO UPDATE SET
  admitted = CASE
    WHEN identity_passwordtries.locked_until > %(now)s THEN %(false)s
    WHEN identity_passwordtries.locked_until > 0 THEN %(true)s
    WHEN identity_passwordtries.window_started <= %(window)s THEN %(true)s
    WHEN identity_passwordtries.failures < %(limit)s THEN %(true)s
    ELSE %(false)s END,
  failures = CASE
    WHEN identity_passwordtries.locked_until > %(now)s THEN identity_passwordtries.failures
    WHEN identity_passwordtries.locked_until > 0 THEN 1
    WHEN identity_passwordtries.window_started <= %(window)s THEN 1
    WHEN identity_passwordtries.failures < %(limit)s THEN identity_passwordtries.failures + 1
    ELSE identity_passwordtries.failures END,
  window_started = CASE
    WHEN identity_passwordtries.locked_until > %(now)s THEN identity_passwordtries.window_started
    WHEN identity_passwordtries.locked_until > 0 THEN %(now)s
    WHEN identity_passwordtries.window_started <= %(window)s THEN %(now)s
    ELSE identity_passwordtries.window_started END,
  locked_until = CASE
    WHEN identity_passwordtries.locked_until > %(now)s THEN identity_passwordtries.locked_until ELSE 0 END,
  updated = %(now)s, user_id = excluded.user_id
RETURNING failures, admitted, locked_until,
  (SELECT id FROM identity_user WHERE username_key = %(name)s),
  (SELECT password FROM identity_user WHERE username_key = %(name)s)
"""
_ADMIT_ANYWAY, _ADMIT_IF_CURRENT = (
    _ADMIT.replace("{if_current}", condition) for condition in ("", f"AND {client_rows.IF_CURRENT}")
)
_FORGET = "DELETE FROM identity_passwordtries WHERE key IN (%(here)s, %(everywhere)s)"
_COUNT_ACCOUNT_WIDE = """
INSERT INTO identity_passwordtries (key, failures, window_started, locked_until, admitted, updated, user_id)
VALUES (%(account)s, 1, 0, 0, %(true)s, %(now)s, %(user)s)
ON CONFLICT (key) DO UPDATE SET
  failures = CASE WHEN identity_passwordtries.locked_until > 0 AND identity_passwordtries.locked_until <= %(now)s
    THEN 1 ELSE identity_passwordtries.failures + 1 END,
  locked_until = CASE
    WHEN identity_passwordtries.locked_until > %(now)s THEN identity_passwordtries.locked_until
    WHEN identity_passwordtries.locked_until > 0 THEN 0
    WHEN identity_passwordtries.failures + 1 >= %(limit)s THEN %(until)s
    ELSE 0 END,
  updated = %(now)s, user_id = excluded.user_id
RETURNING locked_until
"""
# A lock for every network keeps all others from counting, hence from saying whose it is.
_CLAIM = """
UPDATE identity_passwordtries SET user_id = (SELECT id FROM identity_user WHERE username_key = %(name)s)
WHERE key = %(account)s AND EXISTS (SELECT 1 FROM identity_user u WHERE u.username_key = %(name)s
  AND (identity_passwordtries.user_id IS NULL OR identity_passwordtries.user_id <> u.id))
"""


def admit(
    name_key: str, source: str, installation: Installation, now: datetime, *, client: Client | None = None
) -> Admission | None:
    """Count a try for (name, network of `source`) and say whether it may be made; None: locked out.

    Raises OutdatedClient, and counts nothing, where `client` and its rules are not as they were read.
    While as many tries as are allowed are still being compared elsewhere, this waits for their outcome. What stays
    undecided, because its process died, counts as wrong.
    """
    keys = _keys(name_key, source)
    parameters: dict[str, str | int | bool | None] = {
        "key": keys[0],
        "account": keys[1],
        "name": name_key,
        "now": _milliseconds(now),
        "window": _milliseconds(now - timedelta(seconds=installation.lockout_window)),
        "limit": installation.lockout_attempts,
        "true": True,
        "false": False,
        "rules_revision": client.rules_revision if client else None,
    }
    statement = _ADMIT_ANYWAY if parameters["rules_revision"] is None else _ADMIT_IF_CURRENT
    patience = time.monotonic() + _WAIT_FOR_OTHERS_SECONDS
    while True:
        row = rows.one(statement, parameters)
        if row is None and statement is _ADMIT_IF_CURRENT and client and not client_rows.is_current(client):
            raise OutdatedClient
        if row is None:
            rows.changed(_CLAIM, {"name": name_key, "account": keys[1]})
        if row is None or row[2]:
            return None
        if row[1]:
            return Admission(keys, row[0], installation.lockout_attempts, row[3], row[4])
        if time.monotonic() > patience:
            _lock(keys[0], installation, now)
            return None
        time.sleep(0.02)


def count_wrong(admission: Admission, installation: Installation, now: datetime, *, user: User | None) -> bool:
    """Let the admitted try stand as wrong; True when the account is now locked for every network."""
    if admission.number >= admission.limit:
        _lock(admission.keys[0], installation, now)
    with connection.cursor() as cursor:
        cursor.execute(
            _COUNT_ACCOUNT_WIDE,
            {
                "account": admission.keys[1],
                "now": _milliseconds(now),
                "limit": ACCOUNT_WIDE_LIMIT,
                "until": _milliseconds(now + timedelta(seconds=installation.lockout_unlock_after)),
                "true": True,
                "user": user.pk if user else None,
            },
        )
        return bool(cursor.fetchone()[0])


def give_back(admission: Admission) -> None:
    """Take back a try that was never compared, so that a busy server locks nobody out."""
    PasswordTries.objects.filter(key=admission.keys[0], failures__gt=0).update(failures=F("failures") - 1)


def forgetting(admission: Admission) -> Step:
    """The step of `rows.together` by which a right password sets the counts to nothing."""
    return Step(_FORGET, dict(zip(("here", "everywhere"), admission.keys, strict=True)))


def unlock(user: User) -> int:
    """Take away every count of the account, on every network; how many there were."""
    return PasswordTries.objects.filter(user=user).delete()[0]


def untold(now: datetime, limit: int = 100) -> list[PasswordTries]:
    """Locks whose owners have not been told. A sweep tells them: telling at once would show that the name exists."""
    locks = PasswordTries.objects.filter(user__isnull=False, locked_until__gt=_milliseconds(now))
    return list(locks.exclude(told_of=F("locked_until")).select_related("user")[:limit])


def mark_told(tries: PasswordTries) -> bool:
    """Whether it is this caller who tells of the lock."""
    return PasswordTries.objects.filter(pk=tries.pk, told_of=tries.told_of).update(told_of=tries.locked_until) == 1


def _lock(key: str, installation: Installation, now: datetime) -> None:
    until = _milliseconds(now + timedelta(seconds=installation.lockout_unlock_after))
    PasswordTries.objects.filter(key=key, locked_until=0, failures__gte=installation.lockout_attempts).update(
        locked_until=until
    )


def _keys(name_key: str, source: str) -> tuple[str, str]:
    if source.startswith("device:"):
        # A remembered device has counts of its own: a stranger cannot lock its owner out (ATTACKS A20).
        here, everywhere = source, f"{source} in a row"
    else:
        here, everywhere = network_of(source), "every network"
    return (
        secret_store.digest("password-tries", f"{name_key}\x00{here}"),
        secret_store.digest("password-tries", f"{name_key}\x00{everywhere}"),
    )


def _milliseconds(instant: datetime) -> int:
    return int(instant.timestamp() * 1000)
