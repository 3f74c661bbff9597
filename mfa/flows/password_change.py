"""A person changes the own password: with the old one, and with a second factor where there is one."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from django.db import transaction

from identity.flows import accounts, audit, passwords
from identity.models import Client, Session, User
from identity.outcomes import PasswordRefusal
from mfa.flows import requests, reset
from mfa.models import AuthenticationRequest
from mfa.models.authentication_request import PassedBy, Purpose, RequestState
from mfa.outcomes import Origin

_FRESH = timedelta(seconds=600)


class ChangeRefusal(StrEnum):
    WRONG_PASSWORD = "wrong_password"
    LOCKED_OUT = "locked_out"
    ACCOUNT_CLOSED = "account_closed"
    FACTOR_DUE = "factor_due"
    NOT_ACCEPTABLE = "not_acceptable"


@dataclass(frozen=True, slots=True)
class Change:
    """What the caller sends."""

    client: Client
    username: str
    password: str = field(repr=False)
    new_password: str = field(repr=False)
    request_id: str = field(repr=False)
    origin: Origin
    session: Session | None = None
    """The caller's browser session, which stands for a request when its second factor is fresh."""


@dataclass(frozen=True, slots=True)
class ChangeOutcome:
    """`refusal` None: the password is changed. `problems` are sentences for the person who chose the new one."""

    refusal: ChangeRefusal | None = None
    problems: tuple[str, ...] = ()


def change(asked: Change, now: datetime) -> ChangeOutcome:
    """Change it, or say why not. The sign-in's own lockout covers the old password (ATTACKS A58)."""
    installation = asked.client.installation
    verdict = passwords.check(asked.username, asked.password, asked.origin.address, installation, now)
    if verdict.user_pk is None:
        locked = verdict.refusal == PasswordRefusal.LOCKED_OUT
        audit.record(
            "password.change_refused",
            outcome="refused",
            reason="locked_out" if locked else "wrong_password",
            user=verdict.account,
            client=asked.client,
            address=asked.origin.address,
        )
        return ChangeOutcome(ChangeRefusal.LOCKED_OUT if locked else ChangeRefusal.WRONG_PASSWORD)
    passwords.count_right(verdict)
    user = User.objects.get(pk=verdict.user_pk)
    if user.password != verdict.encoded:  # Changed while the old one was being compared.
        return _refused(asked, user, ChangeRefusal.WRONG_PASSWORD)
    if accounts.states(user, asked.client, now):
        return _refused(asked, user, ChangeRefusal.ACCOUNT_CLOSED)
    request = _passed_request(asked, user, now)
    shown = request is not None or _is_fresh(asked.session, user, now)
    if not shown and user.authenticators.exists():
        return _refused(asked, user, ChangeRefusal.FACTOR_DUE)
    found = passwords.problems(asked.new_password, user, installation)
    if not found and passwords.was_used_before(asked.new_password, user, installation):
        found = ["It was this account's password before."]
    if found:
        return _refused(asked, user, ChangeRefusal.NOT_ACCEPTABLE, tuple(found))
    return _change(asked, user, request, now)


def _change(asked: Change, user: User, request: AuthenticationRequest | None, now: datetime) -> ChangeOutcome:
    with transaction.atomic():
        locked = accounts.lock_row(user.pk)
        # The hashes took their time, and the lock was waited for: all that was judged above is judged again.
        if locked.password != user.password:
            return _refused(asked, user, ChangeRefusal.WRONG_PASSWORD)
        if accounts.states(locked, asked.client, now):
            return _refused(asked, user, ChangeRefusal.ACCOUNT_CLOSED)
        shown = _spend(request, now) if request is not None else _is_fresh(asked.session, user, now)
        if not shown and (request is not None or locked.authenticators.exists()):
            return _refused(asked, user, ChangeRefusal.FACTOR_DUE)
        passwords.set_password(locked, asked.new_password, asked.client.installation, now)
        reset.after_password_change(locked, asked.origin, now)
    return ChangeOutcome()


def _passed_request(asked: Change, user: User, now: datetime) -> AuthenticationRequest | None:
    """The caller's request whose code step has passed: a 513 one, or one that gave tokens and is not over."""
    found = requests.find(asked.request_id, client=asked.client) if asked.request_id else None
    if found is None or found.user_id != user.pk or found.expires_at <= now or found.purpose == Purpose.ENROLMENT:
        return None
    passed = found.state in (RequestState.PASSED, RequestState.COMPLETED) and found.passed_by == PassedBy.CODE
    return found if passed else None


def _is_fresh(session: Session | None, user: User, now: datetime) -> bool:
    """Whether the caller's own browser session has shown a second factor within ten minutes (ATTACKS A36)."""
    if session is None or session.user_id != user.pk or session.acr != "2" or now - session.auth_time > _FRESH:
        return False
    return Session.objects.filter(pk=session.pk, ended_at__isnull=True).exists()


def _spend(request: AuthenticationRequest, now: datetime) -> bool:
    """A request serves one change."""
    return (
        AuthenticationRequest.objects.filter(pk=request.pk, state=request.state).update(
            state=RequestState.CANCELLED, ended_at=now, end_reason="password changed"
        )
        == 1
    )


def _refused(asked: Change, user: User, refusal: ChangeRefusal, problems: tuple[str, ...] = ()) -> ChangeOutcome:
    audit.record(
        "password.change_refused",
        outcome="refused",
        reason=str(refusal),
        user=user,
        client=asked.client,
        address=asked.origin.address,
    )
    return ChangeOutcome(refusal, problems)
