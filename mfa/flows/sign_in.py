"""Signing in: the password step, and the one place where a sign-in is completed.

Only this module makes a `CompletedSignIn`, and without one there are no tokens.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from django.db import transaction

from identity import rows
from identity.flows import accounts, audit, passwords, tokens
from identity.models import AuditEvent, Client, Session, User
from identity.outcomes import AccountState, CompletedSignIn, PasswordRefusal, PasswordState, PasswordVerdict
from identity.rows import Step
from mfa.flows import answers, people, policy, remembered_devices, requests
from mfa.flows.answers import SignInAnswer, refused
from mfa.models import AuthenticationRequest, Authenticator
from mfa.models.authentication_request import PassedBy, Purpose, RequestState
from mfa.models.policy import Mode
from mfa.outcomes import Finding, Match, Origin
from mfa.verifiers.totp import TimeStepMatch

_FINDING_OF_STATE = {
    AccountState.NOT_APPROVED: Finding.NOT_APPROVED,
    AccountState.DISABLED: Finding.DISABLED,
    AccountState.LOCKED_BY_ADMINISTRATOR: Finding.LOCKED_BY_ADMINISTRATOR,
    AccountState.NOT_YET_AVAILABLE: Finding.NOT_YET_AVAILABLE,
    AccountState.EXPIRED: Finding.EXPIRED,
    AccountState.NOT_AUTHORIZED: Finding.NOT_AUTHORIZED,
}
_FINDING_OF_PASSWORD = {
    PasswordState.MUST_CHANGE: Finding.MUST_CHANGE_PASSWORD,
    PasswordState.TOO_WEAK: Finding.PASSWORD_TOO_WEAK,
    PasswordState.EXPIRED: Finding.PASSWORD_EXPIRED,
    PasswordState.LAST_GRACE_LOGIN: Finding.LAST_GRACE_LOGIN,
}


@dataclass(frozen=True, slots=True)
class PasswordStep:
    """What a client sends in the first step."""

    client: Client
    username: str
    password: str = field(repr=False)
    scopes: tuple[str, ...]
    origin: Origin
    remembered_device_token: str = field(default="", repr=False)
    invitation_code: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class _Known:
    """What a right password lets us look up. Every way on from here sets the counts of wrong ones to nothing."""

    step: PasswordStep
    verdict: PasswordVerdict
    user: User
    policy: policy.EffectivePolicy
    authenticators: list[Authenticator]
    findings: frozenset[Finding]
    device_token: str | None = field(default=None, repr=False)
    """The next token of the remembered device that stands for the second factor."""


def password_step(step: PasswordStep, now: datetime) -> SignInAnswer:
    """Check the password and say what the account's state is: the table of the contract's section 2.1, row by row."""
    device = remembered_devices.find(step.remembered_device_token, step.username, step.client, now)
    source = f"device:{device.pk}" if device else step.origin.address
    installation = step.client.installation
    verdict = passwords.check(step.username, step.password, source, installation, now, client=step.client)
    if verdict.user_pk is None:
        return _wrong_password(step, verdict, now)
    with passwords.deciding(verdict), transaction.atomic():
        held = people.lock_with_authenticators(verdict.user_pk)
        if held is None or held[0].password != verdict.encoded:  # Changed while the old one was being compared.
            return refused(Finding.PASSWORD_WRONG, name=step.username)
        user, authenticators = held
        states = accounts.states(user, step.client, now)
        if states:
            passwords.count_right(verdict)
            return _closed(step, user, states)
        strong_enough = not passwords.problems(step.password, user, installation)
        password_states = accounts.password_states(user, installation, now, strong_enough=strong_enough)
        known = _Known(
            step=step,
            verdict=verdict,
            user=user,
            policy=policy.effective(user, step.client),
            authenticators=authenticators,
            findings=frozenset(_FINDING_OF_PASSWORD[state] for state in password_states),
        )
        if PasswordState.MUST_CHANGE in password_states:
            return _must_change(known, now)
        if device is not None and known.policy.remember_days:
            # What `find` saw may be over by now: the account's lock was waited for, and the token may be spent.
            known = replace(known, device_token=remembered_devices.rotate(device, now))
        return _second_factor(known, now)


def _second_factor(known: _Known, now: datetime) -> SignInAnswer:
    """Rows (3) of the table: what the policy asks of somebody whose password is right."""
    if known.policy.mode == Mode.OFF or known.device_token is not None:
        return _without_factor(known, now, offered=None)
    if known.authenticators:
        offered = answers.offer(known.policy, known.authenticators)
        return _due(known, Finding.FACTOR_REQUIRED, offered, now)
    missing = answers.missing_destinations(known.user, known.policy)
    known = replace(known, findings=known.findings | missing)
    invited = remembered_devices.invitation_is_good(known.user, known.step.invitation_code, now)
    offered = answers.offer(known.policy, []) if invited or not known.policy.needs_invitation else None
    if known.policy.mode == Mode.OPTIONAL:
        return _without_factor(known, now, offered=offered, invited=invited)
    if known.user.mfa_grace_used < known.policy.grace_logins:
        graced = replace(known, findings=known.findings | {Finding.MFA_GRACE_LOGIN})
        answer = _without_factor(graced, now, offered=offered, invited=invited)
        if answer.tokens is not None:
            return answer
    return _due(known, Finding.ENROLMENT_REQUIRED, offered, now, invited=invited)


def _due(
    known: _Known,
    finding: Finding,
    offered: answers.EnrolmentOffer | None,
    now: datetime,
    *,
    purpose: Purpose = Purpose.SIGN_IN,
    invited: bool = False,
) -> SignInAnswer:
    """Open a request: a factor, an enrolment or a change of password is due."""
    findings = known.findings | {Finding.FAILURE, finding}
    request_id = _open_counted(known, sorted(findings), str(finding), now, purpose=purpose, invited=invited)
    return SignInAnswer(
        findings=findings,
        name=known.step.username,
        password_was_right=True,
        request_id=request_id,
        offer=offered,
        available=answers.available(known.authenticators),
    )


def _without_factor(
    known: _Known, now: datetime, *, offered: answers.EnrolmentOffer | None, invited: bool = False
) -> SignInAnswer:
    """Tokens on the password alone; with a request beside them where something may be enrolled."""
    passwords.count_right(known.verdict)
    request_id, request_ref = None, ""
    findings = known.findings | {Finding.SUCCESS}
    if offered is not None:
        request_id, request = _open(known, sorted(findings), now, state=RequestState.COMPLETED, invited=invited)
        request_ref = request.ref
    proof = Proof(amr=("pwd",), acr="1", method="None")
    completed = _complete(
        known.user, known.step.client, known.step.scopes, findings, proof, known.step.origin, request_ref, now
    )
    if isinstance(completed, frozenset):
        return SignInAnswer(completed, name=known.step.username, password_was_right=True)
    _record(known, request_ref, reason="remembered_device" if known.device_token else "")
    return SignInAnswer(
        findings=findings,
        name=known.step.username,
        password_was_right=True,
        request_id=request_id,
        offer=offered,
        tokens=tokens.issue(completed, now),
        remembered_device_token=known.device_token,
    )


@dataclass(frozen=True, slots=True)
class Proof:
    """What this sign-in proved (RFC 8176), and the contract's word for how."""

    amr: tuple[str, ...]
    acr: str
    method: str


def complete_request(
    request: AuthenticationRequest, proof: Proof, match: Match | None, origin: Origin, now: datetime, *, remember: bool
) -> SignInAnswer | None:
    """Spend the code and the request, and give tokens: all of it or nothing. None: somebody else was first.

    Lock, disablement, roles and the password's state are looked at again here, under a lock on the account.
    """
    answer = _complete_unchanged(request, proof, match, origin, now) if match is not None and not remember else None
    if answer is not None:
        return answer
    with transaction.atomic():
        user = accounts.lock_row_for_sign_in(request.user_id, now)
        findings = _kept_findings(request)
        assert request.client is not None  # noqa: S101  A request without a client serves no sign-in.
        # The request first, as everywhere: of two that need both rows none waits for the other.
        if not requests.complete(
            request, now, amr=" ".join(proof.amr), method=proof.method, by_code=match is not None
        ) or (match is not None and not match.spend(now)):
            transaction.set_rollback(True)
            return None
        completed = _complete(user, request.client, tuple(request.scopes), findings, proof, origin, request.ref, now)
        if isinstance(completed, frozenset):
            accounts.take_back_sign_in(user, request.user.last_login)
            requests.end_all(request.user, "account closed", now)
            return SignInAnswer(completed, name=request.typed_name, password_was_right=True)
        prepared = _prepare(completed, now, _completed_event(request, match, proof, origin))
        tokens.write(completed, prepared, now)
        device = remembered_devices.remember(request.user, request.client, origin, now) if remember else None
        return _given(request, findings, proof, prepared, device)


def _complete_unchanged(
    request: AuthenticationRequest, proof: Proof, match: Match, origin: Origin, now: datetime
) -> SignInAnswer | None:
    """The same in one statement, for the many whose account is as this step has just read it.

    The statement looks again at everything that was decided by: account, request and code. None: one of them has
    changed, or something else than tokens is due. Nothing has happened then, and locks must decide.
    """
    user, client, findings = request.user, request.client, _kept_findings(request)
    if client is None or not isinstance(match, TimeStepMatch) or findings != {Finding.SUCCESS}:
        return None
    of_password = accounts.password_states(user, client.installation, now, strong_enough=True)
    if PasswordState.MUST_CHANGE in of_password or accounts.states(user, client, now):
        return None
    unchanged = accounts.unchanged_at_sign_in(user, now)
    last_login, user.last_login = user.last_login, now
    completed = _signed_in(user, client, tuple(request.scopes), proof, origin, request.ref, now)
    prepared = _prepare(completed, now, _completed_event(request, match, proof, origin))
    completing = requests.completing(request, now, amr=" ".join(proof.amr), method=proof.method, by_code=True)
    try:
        with rows.by_itself():
            rows.together(unchanged, completing, match.spending(now), *prepared.steps())
    except rows.Overtaken:
        user.last_login = last_login
        return None
    prepared.tell()
    return _given(request, findings, proof, prepared)


def _kept_findings(request: AuthenticationRequest) -> frozenset[Finding]:
    return frozenset(Finding(name) for name in request.findings) & _KEPT | {Finding.SUCCESS}


def _completed_event(request: AuthenticationRequest, match: Match | None, proof: Proof, origin: Origin) -> AuditEvent:
    return audit.event_of(
        "sign_in.completed",
        authenticator=match.authenticator if match else "",
        user=request.user,
        client=request.client,
        address=origin.address,
        request_ref=request.ref,
        detail={"amr": list(proof.amr)},
    )


def _prepare(completed: CompletedSignIn, now: datetime, *events: AuditEvent) -> tokens.Prepared:
    """Tokens for a client; for the installation's own pages a session alone, which no bearer can carry away."""
    if completed.client.is_own_pages:
        return tokens.prepare_session(completed, now, along_with=events)
    return tokens.prepare(completed, now, along_with=events)


def _given(
    request: AuthenticationRequest,
    findings: frozenset[Finding],
    proof: Proof,
    prepared: tokens.Prepared,
    device: str | None = None,
) -> SignInAnswer:
    return SignInAnswer(
        findings=findings,
        name=request.typed_name,
        password_was_right=True,
        method=proof.method,
        remembered_device_token=device,
        tokens=prepared.tokens,
        session=None if prepared.tokens else prepared.session,
    )


# What a password step found that still holds when its second factor has passed.
_KEPT = frozenset({Finding.PASSWORD_EXPIRED, Finding.LAST_GRACE_LOGIN})


def _complete(
    user: User,
    client: Client,
    scopes: tuple[str, ...],
    findings: frozenset[Finding],
    proof: Proof,
    origin: Origin,
    request_ref: str,
    now: datetime,
) -> CompletedSignIn | frozenset[Finding]:
    """The proof that tokens ask for; or what has closed the account since the password step. Spends grace.

    The caller holds the lock on `user`.
    """
    states = accounts.states(user, client, now)
    if states:
        audit.record(
            "sign_in.refused",
            outcome="refused",
            reason=_joined(states),
            user=user,
            client=client,
            address=origin.address,
            request_ref=request_ref,
        )
        return frozenset({Finding.FAILURE, *(_FINDING_OF_STATE[state] for state in states)})
    # What a request was opened under may be used up by now: five of them must not share one grace login.
    password = accounts.password_states(user, client.installation, now, strong_enough=True)
    if PasswordState.MUST_CHANGE in password:
        return frozenset({Finding.FAILURE, *(_FINDING_OF_PASSWORD[state] for state in password)})
    if Finding.PASSWORD_EXPIRED in findings:
        user.password_grace_used += 1
    if Finding.MFA_GRACE_LOGIN in findings:
        if user.mfa_grace_used >= policy.effective(user, client).grace_logins:
            return frozenset({Finding.FAILURE, Finding.ENROLMENT_REQUIRED})
        user.mfa_grace_used += 1
    if findings & {Finding.PASSWORD_EXPIRED, Finding.MFA_GRACE_LOGIN}:
        user.save(update_fields=["password_grace_used", "mfa_grace_used"])
    return _signed_in(user, client, scopes, proof, origin, request_ref, now)


def _signed_in(
    user: User,
    client: Client,
    scopes: tuple[str, ...],
    proof: Proof,
    origin: Origin,
    request_ref: str,
    now: datetime,
) -> CompletedSignIn:
    return CompletedSignIn(
        user=user,
        client=client,
        scopes=scopes,
        amr=proof.amr,
        acr=proof.acr,
        auth_time=now,
        address=origin.address,
        user_agent=origin.user_agent,
        request_ref=request_ref,
    )


def _wrong_password(step: PasswordStep, verdict: PasswordVerdict, now: datetime) -> SignInAnswer:
    locked_out = verdict.refusal == PasswordRefusal.LOCKED_OUT
    with transaction.atomic():
        if verdict.account is not None and verdict.account_locked_now:
            accounts.lock_row(verdict.account.pk)
            requests.end_all(verdict.account, "locked out", now)
        audit.record(
            "sign_in.password_refused",
            outcome="refused",
            reason="locked_out" if locked_out else "wrong_password",
            user=verdict.account,
            client=step.client,
            address=step.origin.address,
        )
    if locked_out:
        return refused(Finding.LOCKED_OUT, name=step.username)
    last = [Finding.LAST_TRY] if verdict.one_try_left else []
    return refused(Finding.PASSWORD_WRONG, *last, name=step.username)


def _closed(step: PasswordStep, user: User, states: frozenset[AccountState]) -> SignInAnswer:
    audit.record(
        "sign_in.refused",
        outcome="refused",
        reason=_joined(states),
        user=user,
        client=step.client,
        address=step.origin.address,
    )
    return refused(*(_FINDING_OF_STATE[state] for state in states), name=step.username, password_was_right=True)


def _must_change(known: _Known, now: datetime) -> SignInAnswer:
    """513. With a confirmed factor a request is opened as well: the change will ask for that factor."""
    if known.authenticators:
        return _due(known, Finding.MUST_CHANGE_PASSWORD, None, now, purpose=Purpose.PASSWORD_CHANGE)
    passwords.count_right(known.verdict)
    _record(known, "", reason="must_change_password")
    findings = known.findings | {Finding.FAILURE, Finding.MUST_CHANGE_PASSWORD}
    return SignInAnswer(findings, name=known.step.username, password_was_right=True)


def _open(
    known: _Known,
    findings: list[Finding],
    now: datetime,
    *,
    purpose: Purpose = Purpose.SIGN_IN,
    state: RequestState = RequestState.OPEN,
    invited: bool = False,
    along: Callable[[AuthenticationRequest], Sequence[Step]] | None = None,
) -> tuple[str, AuthenticationRequest]:
    return requests.open_request(
        known.user,
        known.step.client,
        typed_name=known.step.username,
        scopes=list(known.step.scopes),
        findings=findings,
        origin=known.step.origin,
        now=now,
        purpose=purpose,
        state=state,
        invited=invited,
        along=along,
    )


def _open_counted(
    known: _Known, findings: list[Finding], reason: str, now: datetime, *, purpose: Purpose, invited: bool
) -> str:
    """The id of a new request; in the same statement the counts are set to nothing and the event is written."""
    events: list[AuditEvent] = []

    def along(request: AuthenticationRequest) -> list[Step]:
        events.append(_accepted(known, request.ref, reason))
        return [passwords.counting_right(known.verdict), audit.step(*events)]

    request_id, _ = _open(known, findings, now, purpose=purpose, invited=invited, along=along)
    audit.tell(*events)
    return request_id


def _record(known: _Known, request_ref: str, *, reason: str) -> None:
    audit.write(_accepted(known, request_ref, reason))


def _accepted(known: _Known, request_ref: str, reason: str) -> AuditEvent:
    """The password was right; `reason` says what is still due."""
    return audit.event_of(
        "sign_in.password_accepted",
        reason=reason,
        user=known.user,
        client=known.step.client,
        address=known.step.origin.address,
        request_ref=request_ref,
    )


def _joined(states: frozenset[AccountState]) -> str:
    return " ".join(sorted(states))[:64]


def pass_for_password_change(request: AuthenticationRequest, match: Match, now: datetime) -> bool:
    """The second factor of a 513 request: once it has passed, the id serves the change of password alone."""
    with transaction.atomic():
        accounts.lock_row(request.user_id)
        live = AuthenticationRequest.objects.filter(pk=request.pk, state=RequestState.OPEN, expires_at__gt=now)
        passed = live.update(
            state=RequestState.PASSED,
            passed_by=PassedBy.CODE,
            passed_at=now,
            amr=f"pwd {match.amr} mfa",
            method="Link" if match.amr == "mca" else "OTP",
        )
        if not passed or not match.spend(now):
            transaction.set_rollback(True)
            return False
        audit.record(
            "sign_in.factor_passed",
            user=request.user,
            client=request.client,
            authenticator=match.authenticator,
            request_ref=request.ref,
        )
        request.refresh_from_db(fields=["state", "method"])
        return True


def from_browser(
    session: Session, client: Client, scopes: tuple[str, ...], origin: Origin, now: datetime
) -> CompletedSignIn | None:
    """The sign-in of a browser session, for one more client; None when session or account is closed by now.

    `auth_time`, `amr` and `acr` stay those of the moment when the person signed in.
    """
    user = accounts.lock_row(session.user_id)
    # Whoever held the lock until now may have ended it (ATTACKS A60).
    still_open = Session.objects.filter(pk=session.pk, ended_at__isnull=True).exists()
    if not still_open or accounts.states(user, client, now):
        return None
    return CompletedSignIn(
        user=user,
        client=client,
        scopes=scopes,
        amr=tuple(session.amr.split()),
        acr=session.acr,
        auth_time=session.auth_time,
        address=origin.address,
        user_agent=origin.user_agent,
        request_ref="",
    )
