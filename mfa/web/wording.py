"""What the pages say of a refusal."""

from collections.abc import Iterable
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from mfa.flows.password_change import ChangeRefusal
from mfa.models.authenticator import Kind
from mfa.outcomes import EnrolmentRefusal, Finding

# In this order: the first that was found is said.
_OF_SIGN_IN: Final[dict[Finding, Any]] = {
    Finding.LOCKED_OUT: _("Too many wrong passwords. Wait some minutes before you try again."),
    Finding.LAST_TRY: _("The user name or the password is not right. One try is left."),
    Finding.PASSWORD_WRONG: _("The user name or the password is not right."),
    Finding.NOT_APPROVED: _("This account has not been approved yet."),
    Finding.DISABLED: _("This account is disabled."),
    Finding.LOCKED_BY_ADMINISTRATOR: _("This account was locked by an administrator."),
    Finding.NOT_YET_AVAILABLE: _("This account cannot be used yet."),
    Finding.EXPIRED: _("This account has expired."),
    Finding.CODE_WRONG: _("The code is not right. Wait for the next one and type that."),
    Finding.SENDING_FAILED: _("The message could not be sent. Try again in a while, or use another way."),
    Finding.LINK_TIMED_OUT: _("The link was not approved in time. Send another one, or use another way."),
}
_OF_ENROLMENT: Final[dict[EnrolmentRefusal, Any]] = {
    EnrolmentRefusal.TRANSPORT_NOT_ALLOWED: _("The rules of your organisation do not allow this way."),
    EnrolmentRefusal.FACTOR_DUE: _("You have a second factor already. Sign in with it before you add another."),
    EnrolmentRefusal.INVITATION_MISSING: _("Ask your administrator for an invitation first."),
    EnrolmentRefusal.ALREADY_CONFIRMED: _("This was set up before."),
    EnrolmentRefusal.NOT_BEGUN: _("Begin by having a code sent to you."),
    EnrolmentRefusal.ENDED: _("Too many wrong codes, or too much time has passed. Begin again."),
    EnrolmentRefusal.WRONG_CODE: _("The code is not right. Wait for the next one and type that."),
    EnrolmentRefusal.DESTINATION_NOT_OWN: _("Your account has another address or number on record."),
    EnrolmentRefusal.DESTINATION_TAKEN: _("Another account has this address."),
    EnrolmentRefusal.DESTINATION_MALFORMED: _("This is not right. Look at it once more."),
    EnrolmentRefusal.NOT_HANDED_OVER: _("The code could not be sent. Try again in a while, or use another way."),
    EnrolmentRefusal.TOO_MANY: _("You have as many devices of this kind as you may."),
}
_OF_PASSWORD: Final[dict[ChangeRefusal, Any]] = {
    ChangeRefusal.WRONG_PASSWORD: _("Your present password is not right."),
    ChangeRefusal.LOCKED_OUT: _("Too many wrong passwords. Wait some minutes before you try again."),
    ChangeRefusal.ACCOUNT_CLOSED: _("This account may not sign in any more."),
    ChangeRefusal.FACTOR_DUE: _("Too much time has passed. Sign in again, then change the password."),
    ChangeRefusal.NOT_ACCEPTABLE: _("Choose another new password."),
}
KINDS: Final[dict[Kind, Any]] = {
    Kind.APP: _("Authenticator app"),
    Kind.EMAIL: _("E-mail"),
    Kind.SMS: _("Text message"),
}
_NO_MORE: Final = _("This is over. Sign in again.")


def of_sign_in(findings: Iterable[Finding]) -> Any:
    """The sentence for the weightiest of the findings."""
    found = set(findings)
    return next((text for finding, text in _OF_SIGN_IN.items() if finding in found), _NO_MORE)


def of_enrolment(refusal: EnrolmentRefusal) -> Any:
    return _OF_ENROLMENT.get(refusal, _NO_MORE)


def of_password(refusal: ChangeRefusal) -> Any:
    return _OF_PASSWORD[refusal]
