"""Codes that were sent: six digits by e-mail or SMS, right once, for one challenge, until they run out."""

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from identity import secret_store as installation_keys
from mfa.models.authentication_request import AuthenticationRequest
from mfa.models.authenticator import Authenticator, Enrolment, EnrolmentState, Kind
from mfa.models.challenge import Challenge, ChallengeMode, ChallengeState
from mfa.primitives.totp import canonical_code

DIGITS: Final = 6


@dataclass(frozen=True, slots=True)
class DeliveredCodeMatch:
    """The code of an open challenge was submitted."""

    challenge_id: UUID
    amr: str
    authenticator: str

    def spend(self, now: datetime) -> bool:
        """Answer the challenge; False when another was first, or the code ran out or was superseded meanwhile."""
        return bool(
            Challenge.objects.filter(pk=self.challenge_id, state=ChallengeState.OPEN, expires_at__gt=now).update(
                state=ChallengeState.ANSWERED, answered_at=now
            )
        )


def new_code() -> str:
    """Six decimal digits, each code as likely as any other (NIST SP 800-63B-4, 3.1.3.1: at least 6 digits)."""
    return f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"


def digest(challenge_id: UUID, code: str) -> str:
    """What is kept of a code. The key keeps who reads the table from trying a million codes out."""
    return installation_keys.digest("delivered-code", f"{challenge_id}:{code}")


def enrolment_digest(enrolment_id: UUID, code: str) -> str:
    """Likewise for the code that confirms an address or number."""
    return installation_keys.digest("enrolment-code", f"{enrolment_id}:{code}")


def find(
    request: AuthenticationRequest, authenticator: Authenticator, submitted: object, now: datetime
) -> DeliveredCodeMatch | None:
    """The match of `submitted` with the one code that is open for this request and authenticator, or None."""
    code = canonical_code(submitted, DIGITS)
    if code is None or authenticator.user_id != request.user_id:
        return None
    challenge = Challenge.objects.filter(
        request=request,
        authenticator=authenticator,
        mode=ChallengeMode.OTP,
        state=ChallengeState.OPEN,
        expires_at__gt=now,
    ).first()
    if challenge is None or not hmac.compare_digest(challenge.digest, digest(challenge.pk, code)):
        return None
    # RFC 8176: `sms` for a text message; an e-mail has no value of its own and is a one-time password.
    amr = "sms" if authenticator.kind == Kind.SMS else "otp"
    return DeliveredCodeMatch(challenge.pk, amr, str(authenticator.pk))


def is_stale(request: AuthenticationRequest, authenticator: Authenticator, submitted: object, now: datetime) -> bool:
    """Whether `submitted` was a code of this request that has run out or was superseded: a mistake, not a guess."""
    code = canonical_code(submitted, DIGITS)
    if code is None:
        return False
    sent = Challenge.objects.filter(
        request=request,
        authenticator=authenticator,
        mode=ChallengeMode.OTP,
        state__in=[ChallengeState.OPEN, ChallengeState.SUPERSEDED],
    )
    return any(
        hmac.compare_digest(challenge.digest, digest(challenge.pk, code))
        for challenge in sent
        if challenge.state == ChallengeState.SUPERSEDED or challenge.expires_at <= now
    )


def matches_enrolment(enrolment: Enrolment, submitted: object, now: datetime) -> bool:
    """Whether `submitted` is the code that was sent to the enrolment's destination, and still good.

    The confirmation itself is the caller's conditional update of the enrolment: that is what spends the code.
    """
    code = canonical_code(submitted, DIGITS)
    if code is None or enrolment.state != EnrolmentState.PENDING or not enrolment.code_digest:
        return False
    if enrolment.code_expires_at is None or enrolment.code_expires_at <= now:
        return False
    return hmac.compare_digest(enrolment.code_digest, enrolment_digest(enrolment.pk, code))
