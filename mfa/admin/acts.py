"""Acts on an account, each with a reason that the audit trail keeps: what each does, and who may."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django import forms

from identity.flows import accounts
from identity.models import User
from identity.web.rights import Right
from mfa.flows import administration, bootstrap, reset
from mfa.outcomes import Origin


@dataclass(frozen=True, slots=True)
class Deed:
    """An act that is carried out: on whom, by whom, why, from where, when."""

    user: User
    actor: User
    reason: str
    origin: Origin
    now: datetime


@dataclass(frozen=True, slots=True)
class Act:
    """`carry_out` returns what to show once, and nowhere again: an invitation's code, or nothing."""

    title: str
    right: Right
    consequence: str
    done: str
    carry_out: Callable[[Deed], str]


SHORTEST_REASON, LONGEST_REASON = 4, 200


def fault_of_reason(reason: str) -> str:
    return "" if any(character.isalnum() for character in reason) else "Say why, in words."


class ReasonForm(forms.Form):
    reason = forms.CharField(
        min_length=SHORTEST_REASON,
        max_length=LONGEST_REASON,
        label="Reason",
        help_text="kept in the audit trail: who asked, how you know it was them, the ticket",
        widget=forms.TextInput(attrs={"class": "vTextField", "autocomplete": "off", "autofocus": True}),
    )

    def clean_reason(self) -> str:
        reason: str = self.cleaned_data["reason"]
        if fault := fault_of_reason(reason):
            raise forms.ValidationError(fault)
        return reason


def _unlock(deed: Deed) -> str:
    accounts.unlock(deed.user, actor=deed.actor, reason=deed.reason, address=deed.origin.address, now=deed.now)
    return ""


def _lock(deed: Deed) -> str:
    reset.lock_account(deed.user, actor=deed.actor, reason=deed.reason, origin=deed.origin, now=deed.now)
    return ""


def _reset(deed: Deed) -> str:
    reset.reset_mfa(deed.user, actor=deed.actor, reason=deed.reason, origin=deed.origin, now=deed.now)
    return ""


def _sign_out(deed: Deed) -> str:
    administration.sign_out(deed.user, actor=deed.actor, reason=deed.reason, address=deed.origin.address, now=deed.now)
    return ""


def _invite(deed: Deed) -> str:
    return administration.invite(
        deed.user, actor=deed.actor, reason=deed.reason, address=deed.origin.address, now=deed.now
    )


def _password_link(deed: Deed) -> str:
    return bootstrap.make_password_link(
        deed.user, actor=deed.actor, reason=deed.reason, address=deed.origin.address, now=deed.now
    )


ACTS: dict[str, Act] = {
    "unlock": Act(
        "Unlock",
        Right.UNLOCK,
        "Ends the lock of an administrator and every lock by wrong passwords. Password and authenticators stay as they "
        "are.",
        "The account is unlocked.",
        _unlock,
    ),
    "reset-mfa": Act(
        "Reset MFA",
        Right.RESET_MFA,
        "Removes every authenticator, the recovery codes and the remembered devices, and ends every session. At the "
        "next sign-in the person enrols anew: whoever knows the password can. The person is told.",
        "The second factor is reset.",
        _reset,
    ),
    "sign-out": Act(
        "End sessions",
        Right.RESET_MFA,
        "Ends every session, token, remembered device and open sign-in of the account.",
        "Every session is ended.",
        _sign_out,
    ),
    "lock": Act(
        "Lock",
        Right.MANAGE_PEOPLE,
        "Nobody signs in to the account until it is unlocked; its sessions end.",
        "The account is locked.",
        _lock,
    ),
    "password-link": Act(
        "Password link",
        Right.MANAGE_PEOPLE,
        "Makes a link, shown once, good for a day and one use, with which the person chooses a password. The password "
        "there is goes on working until then. A second factor stays due; where the first one needs an invitation, the "
        "link is one.",
        "The link is made.",
        _password_link,
    ),
    "invite": Act(
        "Invite to enrol",
        Right.MANAGE_PEOPLE,
        "Makes an invitation code, shown once, good for three days. Where the policy asks for one, the first "
        "authenticator is enrolled with it. Codes made before are over.",
        "The invitation is made.",
        _invite,
    ),
}
