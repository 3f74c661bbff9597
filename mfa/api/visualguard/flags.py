"""`AuthenticationStatus`: the 29 flags of the contract's section 2.3, and the 22 booleans they decide."""

from collections.abc import Iterable, Mapping
from enum import IntFlag
from functools import lru_cache
from types import MappingProxyType

from mfa.outcomes import Finding


class Status(IntFlag):
    """Bits and names as Visual Guard's clients know them."""

    Failure = 1
    UserNotFound = 2
    PasswordIsLocked = 4
    PasswordDoesNotMatch = 8
    UserNotAuthorized = 16
    UserAccountExpired = 32
    UserAccountNotYetAvailable = 64
    ProcessCanceled = 128
    NotApproved = 256
    MustChangePasswordAtNextLogon = 512
    LastBadLogin = 1024
    Success = 2048
    LastGraceLogon = 4096
    PasswordExpired = 8192
    PasswordDoesNotPassValidation = 16384
    PasswordWillBeLocked = 32768
    UserNotFoundInCustomStorage = 65536
    UserAccountDisabled = 131072
    UserAccountLocked = 262144
    SecureCodeDoesNotMatch = 524288
    MFA_WaitingUserAction = 1048576
    MFA_FailedSendingRequest = 2097152
    UserAccountMissingEmail = 4194304
    UserAccountMissingMobilePhone = 8388608
    MFA_LinkTimeout = 16777216
    CustomProviderError = 33554432
    MFA_GraceLogin = 67108864
    MFA_AuthenticationRequired = 134217728
    MFA_EnrollmentRequired = 268435456


_STATUS_OF = {
    Finding.FAILURE: Status.Failure,
    Finding.SUCCESS: Status.Success,
    Finding.PASSWORD_WRONG: Status.PasswordDoesNotMatch,
    Finding.LOCKED_OUT: Status.PasswordIsLocked,
    Finding.LAST_TRY: Status.LastBadLogin | Status.PasswordWillBeLocked,
    Finding.NOT_AUTHORIZED: Status.UserNotAuthorized,
    Finding.EXPIRED: Status.UserAccountExpired,
    Finding.NOT_YET_AVAILABLE: Status.UserAccountNotYetAvailable,
    Finding.NOT_APPROVED: Status.NotApproved,
    Finding.DISABLED: Status.UserAccountDisabled,
    Finding.LOCKED_BY_ADMINISTRATOR: Status.UserAccountLocked,
    Finding.MUST_CHANGE_PASSWORD: Status.MustChangePasswordAtNextLogon,
    Finding.PASSWORD_TOO_WEAK: Status.PasswordDoesNotPassValidation,
    Finding.PASSWORD_EXPIRED: Status.PasswordExpired,
    Finding.LAST_GRACE_LOGIN: Status.LastGraceLogon,
    Finding.CANCELLED: Status.ProcessCanceled,
    Finding.CODE_WRONG: Status.SecureCodeDoesNotMatch,
    Finding.WAITING: Status.MFA_WaitingUserAction,
    Finding.SENDING_FAILED: Status.MFA_FailedSendingRequest,
    Finding.EMAIL_MISSING: Status.UserAccountMissingEmail,
    Finding.MOBILE_MISSING: Status.UserAccountMissingMobilePhone,
    Finding.LINK_TIMED_OUT: Status.MFA_LinkTimeout,
    Finding.MFA_GRACE_LOGIN: Status.MFA_GraceLogin,
    Finding.FACTOR_REQUIRED: Status.MFA_AuthenticationRequired,
    Finding.ENROLMENT_REQUIRED: Status.MFA_EnrollmentRequired,
}

# The 22 booleans in the order of the wire, each with the flags that make it true.
_BOOLEANS: dict[str, Status] = {
    "IsFailed": Status.Failure,
    "IsNotApproved": Status.NotApproved,
    "IsCanceled": Status.ProcessCanceled,
    "IsCredentialInvalid": Status.UserNotFound
    | Status.PasswordDoesNotMatch
    | Status.UserNotFoundInCustomStorage
    | Status.SecureCodeDoesNotMatch,
    "IsUserNotAuthorized": Status.UserNotAuthorized,
    "IsUserAccountExpired": Status.UserAccountExpired,
    "IsUserAccountNotYetAvailable": Status.UserAccountNotYetAvailable,
    "IsUserAccountDisabled": Status.UserAccountDisabled,
    "IsUserAccountLocked": Status.UserAccountLocked,
    "IsLastBadLogin": Status.LastBadLogin,
    "IsLastGraceLogon": Status.LastGraceLogon,
    "IsPasswordExpired": Status.PasswordExpired,
    "IsPasswordSecure": Status.PasswordDoesNotPassValidation,
    "IsUserAccountLockedOut": Status.PasswordIsLocked,
    "IsUserAccountWillBeLockedOut": Status.PasswordWillBeLocked,
    "MustChangePasswordAtNextLogon": Status.MustChangePasswordAtNextLogon,
    "IsMFAWaitingUserAction": Status.MFA_WaitingUserAction,
    "IsMFAAuthenticationRequired": Status.MFA_AuthenticationRequired,
    "IsMFATimeOut": Status.MFA_LinkTimeout,
    "HasUserAccountMissingEmail": Status.UserAccountMissingEmail,
    "HasUserAccountMissingMobilePhone": Status.UserAccountMissingMobilePhone,
    "IsMFAEnrollmentRequired": Status.MFA_EnrollmentRequired,
}
_NEGATED = {"IsPasswordSecure"}


def status_of(findings: Iterable[Finding]) -> Status:
    """The flags that the findings set."""
    status = Status(0)
    for finding in findings:
        status |= _STATUS_OF[finding]
    return status


@lru_cache(maxsize=1024)
def names(status: Status) -> str:
    """The set flags' names in ascending order of their bits, joined as .NET prints a flags enumeration."""
    return ", ".join(flag.name or "" for flag in Status if flag in status)


@lru_cache(maxsize=1024)
def booleans(status: Status) -> Mapping[str, bool]:
    """All 22, in the order of the wire."""
    found = {name: bool(status & flags) != (name in _NEGATED) for name, flags in _BOOLEANS.items()}
    return MappingProxyType(found)
