"""Counting tries: before a code is compared, and never rolled back with what came of it (NIST SP 800-63B-4, 3.2.2)."""

from datetime import datetime, timedelta
from typing import TypeVar

from identity import rows
from identity.primitives import lockout_schedule
from mfa.models import Authenticator, RecoveryCodeSet

TRIES_OF_AN_ENROLMENT = 5

_COUNT = {
    model: f"""
UPDATE {model._meta.db_table} SET failures = %(number)s, rest_until = %(rest_until)s, disabled_at = %(disabled_at)s
WHERE {model._meta.pk.column} = %(key)s AND failures = %(before)s AND disabled_at IS NULL
  AND (rest_until IS NULL OR rest_until <= %(now)s)"""  # noqa: S608  Names of our own models.
    for model in (Authenticator, RecoveryCodeSet)
}

Counted = TypeVar("Counted", Authenticator, RecoveryCodeSet)


def admit(counted: Counted, now: datetime) -> bool:
    """Count a try against what protects the account; False: it rests or is disabled, and nothing may be compared.

    The count is a reservation: the fifth try in a row already starts the rest, and a right code takes it back.
    So of a hundred in parallel five are compared, whatever the number of processes (ATTACKS A15).
    """
    statement = _COUNT[type(counted)]
    while not _is_out_of_use(counted, now):
        number = counted.failures + 1
        rest = lockout_schedule.rest_seconds(number)
        given = {
            "key": rows.key(counted.pk),
            "before": counted.failures,
            "number": number,
            "now": rows.instant(now),
            "rest_until": rows.instant(now + timedelta(seconds=rest)) if rest else None,
            "disabled_at": rows.instant(now) if lockout_schedule.is_disabled(number) else None,
        }
        if rows.changed(statement, given):
            counted.failures = number
            return True
        counted.refresh_from_db(fields=["failures", "rest_until", "disabled_at"])
    return False


def forget(counted: Authenticator | RecoveryCodeSet, now: datetime) -> None:
    """A right code sets the count to nothing."""
    nothing = {"failures": 0, "rest_until": None, "disabled_at": None}
    if isinstance(counted, Authenticator):
        Authenticator.objects.filter(pk=counted.pk).update(**nothing, last_used_at=now)
    else:
        RecoveryCodeSet.objects.filter(pk=counted.pk).update(**nothing)


def _is_out_of_use(counted: Authenticator | RecoveryCodeSet, now: datetime) -> bool:
    return counted.disabled_at is not None or (counted.rest_until is not None and counted.rest_until > now)
