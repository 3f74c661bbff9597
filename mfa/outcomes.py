"""What a step of the ceremony can end with. A refusal is a result, and the failure it counted stays counted."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID


class Finding(StrEnum):
    """What a sign-in step found. `mfa.api.visualguard.flags` gives each its bit of the contract's section 2.3."""

    FAILURE = "failure"
    SUCCESS = "success"
    PASSWORD_WRONG = "password_wrong"
    LOCKED_OUT = "locked_out"
    LAST_TRY = "last_try"
    NOT_AUTHORIZED = "not_authorized"
    EXPIRED = "expired"
    NOT_YET_AVAILABLE = "not_yet_available"
    NOT_APPROVED = "not_approved"
    DISABLED = "disabled"
    LOCKED_BY_ADMINISTRATOR = "locked_by_administrator"
    MUST_CHANGE_PASSWORD = "must_change_password"
    PASSWORD_TOO_WEAK = "password_too_weak"
    PASSWORD_EXPIRED = "password_expired"
    LAST_GRACE_LOGIN = "last_grace_login"
    CANCELLED = "cancelled"
    CODE_WRONG = "code_wrong"
    WAITING = "waiting"
    SENDING_FAILED = "sending_failed"
    EMAIL_MISSING = "email_missing"
    MOBILE_MISSING = "mobile_missing"
    LINK_TIMED_OUT = "link_timed_out"
    MFA_GRACE_LOGIN = "mfa_grace_login"
    FACTOR_REQUIRED = "factor_required"
    ENROLMENT_REQUIRED = "enrolment_required"


class EnrolmentRefusal(StrEnum):
    """Why a call of section 3 was refused."""

    NO_SUCH_REQUEST = "no_such_request"
    REQUEST_OVER = "request_over"
    TRANSPORT_NOT_ALLOWED = "transport_not_allowed"
    FACTOR_DUE = "factor_due"
    INVITATION_MISSING = "invitation_missing"
    ALREADY_CONFIRMED = "already_confirmed"
    NOT_BEGUN = "not_begun"
    ENDED = "ended"
    WRONG_CODE = "wrong_code"
    DESTINATION_NOT_OWN = "destination_not_own"
    DESTINATION_TAKEN = "destination_taken"
    DESTINATION_MALFORMED = "destination_malformed"
    NOT_HANDED_OVER = "not_handed_over"
    TOO_MANY = "too_many"
    NONE_DUE = "none_due"


class HandOver(StrEnum):
    """What became of a message within the three seconds that a caller waits for it."""

    DONE = "done"
    GOING_ON = "going_on"
    FAILED = "failed"


class Match(Protocol):
    """A submitted code that is right. It is spent, once, inside the transaction that its success belongs to."""

    @property
    def amr(self) -> str:
        """The RFC 8176 value that it proves: `otp`, `sms` or `mca`."""

    @property
    def authenticator(self) -> str:
        """The id of the authenticator that passed, "" for a recovery code: for the audit trail."""

    def spend(self, now: datetime) -> bool:
        """One conditional update: False when another request was first."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a call comes from: for the audit trail, for notices and for what is bound to a device."""

    address: str
    user_agent: str = ""
    language: str = "en"


@dataclass(frozen=True, slots=True)
class AvailableFactor:
    """One way to pass the second factor: an authenticator and a mode (the contract's `MFAAvailables`)."""

    id: UUID
    authenticator_id: UUID
    kind: int
    mode: int
    display: str
    lifetime: int
