"""Counting tries: before a code is compared, and never rolled back with what came of it (NIST SP 800-63B-4, 3.2.2)."""

from datetime import datetime, timedelta
from typing import TypeVar

from identity.primitives import lockout_schedule
from mfa.models import AuthenticationRequest, Authenticator, Enrolment, RecoveryCodeSet
from mfa.models.authentication_request import RequestState
from mfa.models.authenticator import EnrolmentState

TRIES_OF_A_REQUEST = 5
TRIES_OF_AN_ENROLMENT = 5

Counted = TypeVar("Counted", Authenticator, RecoveryCodeSet)


def admit(counted: Counted, now: datetime) -> bool:
    """Count a try against what protects the account; False: it rests or is disabled, and nothing may be compared.

    The count is a reservation: the fifth try in a row already starts the rest, and a right code takes it back.
    So of a hundred in parallel five are compared, whatever the number of processes (ATTACKS A15).
    """
    manager = type(counted)._default_manager
    while not _is_out_of_use(counted, now):
        number = counted.failures + 1
        rest = lockout_schedule.rest_seconds(number)
        counted_now = manager.filter(
            pk=counted.pk, failures=counted.failures, rest_until=counted.rest_until, disabled_at__isnull=True
        ).update(
            failures=number,
            rest_until=now + timedelta(seconds=rest) if rest else None,
            disabled_at=now if lockout_schedule.is_disabled(number) else None,
        )
        if counted_now == 1:
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


def admit_to_request(request: AuthenticationRequest) -> int:
    """Count a try against the request; which it is, 0 when the request takes none any more."""
    while request.state == RequestState.OPEN and request.failures < TRIES_OF_A_REQUEST:
        number = request.failures + 1
        if AuthenticationRequest.objects.filter(
            pk=request.pk, state=RequestState.OPEN, failures=request.failures
        ).update(failures=number):
            request.failures = number
            return number
        request.refresh_from_db(fields=["state", "failures"])
    return 0


def admit_to_enrolment(enrolment: Enrolment) -> int:
    """Count a try against a pending enrolment; which it is, 0 when it takes none any more."""
    while enrolment.state == EnrolmentState.PENDING and enrolment.failures < TRIES_OF_AN_ENROLMENT:
        number = enrolment.failures + 1
        if Enrolment.objects.filter(pk=enrolment.pk, state=EnrolmentState.PENDING, failures=enrolment.failures).update(
            failures=number
        ):
            enrolment.failures = number
            return number
        enrolment.refresh_from_db(fields=["state", "failures"])
    return 0


def _is_out_of_use(counted: Authenticator | RecoveryCodeSet, now: datetime) -> bool:
    return counted.disabled_at is not None or (counted.rest_until is not None and counted.rest_until > now)
