"""The audit trail in the words of the person it is about."""

from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from identity.models import AuditEvent

_DONE: Final[dict[str, Any]] = {
    "sign_in.completed": _("Signed in"),
    "sign_in.cancelled": _("Sign-in cancelled"),
    "sign_in.password_accepted": _("Right password given"),
    "sign_in.factor_passed": _("Second factor passed"),
    "sign_in.refused": _("Sign-in refused"),
    "sign_in.password_refused": _("Wrong password given"),
    "sign_in.code_refused": _("Wrong code given"),
    "challenge.sent": _("Code or link sent"),
    "challenge.approved": _("Sign-in approved by link"),
    "challenge.refused": _("Sign-in refused by link"),
    "enrolment.allowed": _("Began to add a device"),
    "enrolment.begun": _("Device setup begun"),
    "enrolment.confirmed": _("Device added"),
    "enrolment.cancelled": _("Device setup cancelled"),
    "enrolment.code_refused": _("Wrong code while setting up a device"),
    "authenticator.added": _("Device added"),
    "authenticator.renamed": _("Device renamed"),
    "authenticator.made_default": _("Default device changed"),
    "authenticator.removed": _("Device removed"),
    "recovery_codes.made": _("Recovery codes made"),
    "recovery_codes.replaced": _("Recovery codes replaced"),
    "device.remembered": _("Browser or program remembered"),
    "device.forgotten": _("Remembered device forgotten"),
    "session.ended": _("Session ended"),
    "session.all_ended": _("All sessions ended by an administrator"),
    "token.issued": _("Access given to an application"),
    "token.refreshed": _("Access renewed by an application"),
    "token.refused": _("Access refused to an application"),
    "token.revoked": _("Access given up by an application"),
    "authorization.granted": _("Passed on to an application"),
    "authorization.refused": _("Not passed on to an application"),
    "password.set": _("First password set"),
    "password.changed": _("Password changed"),
    "password.change_refused": _("Password not changed"),
    "password.reset_asked": _("A new password was asked for"),
    "password.reset": _("Forgotten password replaced"),
    "mfa.reset": _("Second factors reset by an administrator"),
    "account.locked": _("Account locked by an administrator"),
    "account.unlocked": _("Account unlocked by an administrator"),
    "account.invited": _("Invited by an administrator"),
    "invitation.made": _("Invited to set up a second factor"),
    "administrator.invited": _("Invited as an administrator"),
    "user.created": _("Account made"),
    "user.changed": _("Account changed by an administrator"),
}
_NOT_DONE: Final[dict[str, Any]] = {
    "authenticator.removed": _("Device not removed"),
    "challenge.sent": _("Code or link not sent"),
    "token.refreshed": _("Access not renewed"),
}


def of(event: AuditEvent) -> Any:
    """A sentence for the event; the event's own name where none was written yet."""
    if event.outcome != "success" and event.event in _NOT_DONE:
        return _NOT_DONE[event.event]
    return _DONE.get(event.event, event.event)
