"""A forgotten password: a code to the account's own verified e-mail address, and a new password for the code.

A reset never lowers assurance (ATTACKS A33). It signs nobody in and takes no factor away; and where the e-mail address
is itself an authenticator of the account, nothing is sent to it that resets the other factor: whoever reads that
mailbox would hold both. Such an account is told to ask an administrator.
"""

import secrets
from datetime import datetime, timedelta
from enum import StrEnum

import structlog
from django.db import DatabaseError, InterfaceError, transaction

from identity import secret_store
from identity.flows import accounts, audit, passwords
from identity.models import Client, Installation, User
from identity.primitives import login_names
from mfa.delivery import budget, messages
from mfa.flows import deliveries, reset
from mfa.models import PasswordReset
from mfa.models.authenticator import Kind
from mfa.outcomes import Origin

log = structlog.get_logger("stepward.delivery")

LIFETIME = timedelta(minutes=30)
# Of the wishes for one account in the running lifetime, so many are answered with a message.
_ANSWERED_AT_ONCE = 3
_CODE_BYTES = 20


class ResetRefusal(StrEnum):
    CODE_NOT_GOOD = "code_not_good"
    ACCOUNT_CLOSED = "account_closed"


def ask(typed_name: str, client: Client, origin: Origin, now: datetime) -> None:
    """Note the wish. The same statements and the same answer whether the name exists or not (ATTACKS A53)."""
    user = User.objects.filter(username_key=login_names.normalise(typed_name)).first()
    with transaction.atomic():
        PasswordReset.objects.create(
            user=user, asked_at=now, expires_at=now + LIFETIME, address=origin.address, language=origin.language[:8]
        )
        audit.record("password.reset_asked", user=user, client=client, address=origin.address)


def send_due(now: datetime) -> int:
    """The sweep's part: send what the noted wishes ask for; how many wishes were handled."""
    due = list(PasswordReset.objects.filter(handled_at__isnull=True).select_related("user").order_by("asked_at")[:100])
    for wish in due:
        with transaction.atomic():
            if PasswordReset.objects.filter(pk=wish.pk, handled_at__isnull=True).update(handled_at=now):
                _handle_once(wish, now)
    return len(due)


def confirm(
    code: str, new_password: str, client: Client, origin: Origin, now: datetime
) -> ResetRefusal | list[str] | None:
    """Set the new password; None when it is set, else why not, or what is wrong with the new one.

    A code whose new password is not acceptable may be tried again: only success spends it.
    """
    found = _find(code, now)
    if found is None or found.user is None:
        return ResetRefusal.CODE_NOT_GOOD
    installation = Installation.current()
    problems = passwords.problems(new_password, found.user, installation)
    if not problems and passwords.was_used_before(new_password, found.user, installation):
        problems = ["It was this account's password before."]
    if problems:
        return problems
    with transaction.atomic():
        user = accounts.lock_row(found.user.pk)
        if accounts.states(user, None, now) or not _may_be_reset(user):
            return ResetRefusal.ACCOUNT_CLOSED
        if not PasswordReset.objects.filter(pk=found.pk, spent_at__isnull=True).update(spent_at=now):
            return ResetRefusal.CODE_NOT_GOOD
        PasswordReset.objects.filter(user=user, spent_at__isnull=True).update(spent_at=now)
        passwords.set_password(user, new_password, installation, now)
        reset.after_password_change(user, origin, now)
        audit.record("password.reset", user=user, client=client, address=origin.address)
    return None


def _handle_once(wish: PasswordReset, now: datetime) -> None:
    """Whatever keeps one wish from being answered, such as a damaged data key, keeps no other one waiting."""
    try:
        with transaction.atomic():
            _handle(wish, now)
    except (DatabaseError, InterfaceError):  # Nothing has happened then, and the next sweep tries again.
        raise
    except Exception as error:  # noqa: BLE001  The next try would end the same, and stand before all others.
        subject = str(wish.user.subject) if wish.user else ""
        log.error("password reset not sent", user=subject, reason=type(error).__name__)


def _handle(wish: PasswordReset, now: datetime) -> None:
    user = wish.user
    if user is None or accounts.states(user, None, now) or not user.email or user.email_verified_at is None:
        return
    recent = PasswordReset.objects.filter(
        user=user, asked_at__gt=now - LIFETIME, asked_at__lte=wish.asked_at, pk__lte=wish.pk
    ).count()
    if recent > _ANSWERED_AT_ONCE or not budget.spend_for_code(user.pk, user.email, now):
        return
    facts = {"username": user.username, "address": wish.address, "at": now.isoformat(), "minutes": 30}
    template = "password_reset_not_possible"
    if _may_be_reset(user):
        code = secrets.token_urlsafe(_CODE_BYTES)
        PasswordReset.objects.filter(pk=wish.pk).update(digest=secret_store.digest("password-reset", code))
        facts["code"] = code
        template = "password_reset"
    deliveries.enqueue(
        user,
        template=template,
        kind=Kind.EMAIL,
        destination=user.email,
        facts=facts,
        language=messages.supported(user.language, wish.language),
        now=now,
        not_after=wish.expires_at,
    )


def _may_be_reset(user: User) -> bool:
    """Whether the e-mail address is something else than the account's own second factor."""
    return not user.authenticators.filter(kind=Kind.EMAIL, destination__iexact=user.email).exists()


def _find(code: str, now: datetime) -> PasswordReset | None:
    if not code:
        return None
    return (
        PasswordReset.objects.select_related("user")
        .filter(digest=secret_store.digest("password-reset", code), spent_at__isnull=True, expires_at__gt=now)
        .first()
    )
