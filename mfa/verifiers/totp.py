"""Codes of an authenticator app (RFC 6238), and the code that confirms its enrolment."""

from dataclasses import dataclass
from datetime import datetime

from identity import rows
from identity.rows import Step
from mfa import secret_store
from mfa.models import Authenticator, Enrolment
from mfa.primitives import totp

# Drift is learnt by at most one step: a code of the present step is then always inside the window, so that a phone
# whose clock is put right again is not shut out.
LARGEST_DRIFT = 1
_FAR_STEPS = 120
# The count of wrong codes is forgotten in the same statement, so that the right code costs one write.
_SPEND = """
UPDATE mfa_authenticator SET last_time_step = %(step)s, drift = %(drift)s,
  failures = 0, rest_until = NULL, disabled_at = NULL, last_used_at = %(now)s
WHERE id = %(app)s AND last_time_step < %(step)s"""


@dataclass(frozen=True, slots=True)
class TimeStepMatch:
    """A right code of an app, by the time step it belongs to."""

    app: Authenticator
    time_step: int
    drift: int
    amr: str = "otp"

    @property
    def authenticator(self) -> str:
        return str(self.app.pk)

    def spend(self, now: datetime) -> bool:
        """RFC 6238, 5.2: a code is accepted once. The database decides who was first; wrong tries are forgotten."""
        step = self.spending(now)
        return rows.changed(step.statement, step.parameters) == 1

    def spending(self, now: datetime) -> Step:
        given = {"app": rows.key(self.app.pk), "step": self.time_step, "drift": self.drift, "now": rows.instant(now)}
        return Step(_SPEND, given, decides=True)


def find(authenticator: Authenticator, submitted: str, now: datetime) -> TimeStepMatch | None:
    """The match of a submitted code, unless its step, or a later one, was spent before, or its secret is gone."""
    secret = _secret(authenticator)
    if secret is None:
        return None
    step = totp.matching_time_step(
        secret,
        submitted,
        unix_time=now.timestamp(),
        after_step=authenticator.last_time_step,
        drift=authenticator.drift,
    )
    if step is None:
        return None
    offset = step - totp.time_step(now.timestamp())
    return TimeStepMatch(authenticator, step, max(-LARGEST_DRIFT, min(LARGEST_DRIFT, offset)))


def why_not(authenticator: Authenticator, submitted: str, now: datetime) -> str:
    """What the audit trail says of a refused code: `replayed`, `outside_window`, `wrong_code` or `unreadable`.

    Only for the trail, and only after a right password: the caller is always told the same.
    """
    secret, unix_time = _secret(authenticator), now.timestamp()
    if secret is None:
        return "unreadable"
    step = totp.matching_time_step(secret, submitted, unix_time=unix_time, drift=authenticator.drift)
    if step is not None and step <= authenticator.last_time_step:
        return "replayed"
    if totp.nearest_time_step_far(secret, submitted, unix_time=unix_time, span=_FAR_STEPS) is not None:
        return "outside_window"
    return "wrong_code"


def confirming_time_step(enrolment: Enrolment, submitted: str, now: datetime) -> int | None:
    """The time step of the code that confirms an app enrolment, or None."""
    return totp.matching_time_step(enrolment_secret(enrolment), submitted, unix_time=now.timestamp())


def enrolment_secret(enrolment: Enrolment) -> bytes:
    """The shared secret of a pending enrolment: what its QR shows."""
    assert enrolment.sealed_secret is not None  # noqa: S101  Only a pending app enrolment is asked.
    return secret_store.open_sealed(
        enrolment.user, enrolment.sealed_secret, table="mfa_enrolment", row=str(enrolment.pk), purpose="totp"
    )


def _secret(authenticator: Authenticator) -> bytes | None:
    """None when it opens no more: its user was shredded, or the database was restored without this user's data key."""
    assert authenticator.sealed_secret is not None  # noqa: S101  A check constraint holds it for apps.
    try:
        return secret_store.open_sealed(
            authenticator.user,
            authenticator.sealed_secret,
            table="mfa_authenticator",
            row=str(authenticator.pk),
            purpose="totp",
        )
    except secret_store.CannotOpen:
        return None
