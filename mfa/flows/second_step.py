"""The second-factor step: the same call again with the id of the request (the contract's section 2.2)."""

import time
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum

from django.db import transaction
from django.utils import timezone

from identity.flows import audit
from identity.models import Client
from identity.primitives import lockout_schedule, login_names
from mfa.delivery.lease import give_back_connection
from mfa.flows import admission, answers, challenge, notices, policy, recovery, requests, sign_in, tries
from mfa.flows.answers import SignInAnswer, refused
from mfa.flows.sign_in import Proof
from mfa.models import AuthenticationRequest, Authenticator, Challenge, RecoveryCodeSet
from mfa.models.authentication_request import Purpose, RequestState
from mfa.models.authenticator import Kind
from mfa.models.challenge import ChallengeMode, ChallengeState
from mfa.outcomes import Finding, HandOver, Match, Origin
from mfa.primitives import totp as codes
from mfa.verifiers import approved_link, delivered_code, recovery_code, totp


class Action(IntEnum):
    """`MFAAction`; 0 is our own: ask how things stand."""

    POLL = 0
    SEND_OTP = 1
    SEND_LINK = 2
    AUTHENTICATE_OTP = 3
    CANCEL_OTP = 4
    CANCEL_LINK = 5


@dataclass(frozen=True, slots=True)
class SecondStep:
    """What a client sends in the second step. `action` None: redeem. `hold` is how long the call may be held, in s."""

    client: Client
    request_id: str = field(repr=False)
    username: str
    action: Action | None
    factor_id: str
    code: str = field(repr=False)
    origin: Origin
    remember: bool = False
    hold: float = 0.0


def second_step(step: SecondStep, now: datetime) -> SignInAnswer:
    """Send, poll, check, cancel or redeem; an id that does not live is answered the same whatever ails it."""
    if step.action == Action.AUTHENTICATE_OTP:
        return _code(step, now)
    request = requests.find(step.request_id, client=step.client)
    if request is None or not requests.is_live(request, now) or request.purpose == Purpose.ENROLMENT:
        return _dead(step)
    if step.username and login_names.normalise(step.username) != request.user.username_key:
        return _dead(step)
    if step.action in (Action.CANCEL_OTP, Action.CANCEL_LINK):
        return _cancel(request, step, now)
    if step.action in (Action.SEND_OTP, Action.SEND_LINK):
        return _send(request, step, now)
    return _redeem(request, step, now)


def _dead(step: SecondStep) -> SignInAnswer:
    """Unknown, foreign, expired and spent ids: all alike."""
    return refused(Finding.CANCELLED, name=step.username)


def _cancel(request: AuthenticationRequest, step: SecondStep, now: datetime) -> SignInAnswer:
    with transaction.atomic():
        if requests.cancel(request, "cancelled", now):
            audit.record(
                "sign_in.cancelled",
                user=request.user,
                client=step.client,
                address=step.origin.address,
                request_ref=request.ref,
            )
    return refused(Finding.CANCELLED, name=request.typed_name, password_was_right=True)


def _redeem(request: AuthenticationRequest, step: SecondStep, now: datetime) -> SignInAnswer:
    """Tokens when a factor has passed; the state of a link when one is out; else the password step's answer again."""
    if request.state == RequestState.PASSED and request.purpose == Purpose.SIGN_IN:
        proof = Proof(tuple(request.amr.split()), "2", request.method)
        return sign_in.complete_request(request, proof, None, step.origin, now, remember=step.remember) or _dead(step)
    if step.action == Action.POLL and request.state == RequestState.OPEN:
        link = _link_of(request)
        if link is not None:
            return _await_link(request, link, step, now)
    return _again(request, step)


def _send(request: AuthenticationRequest, step: SecondStep, now: datetime) -> SignInAnswer:
    mode = ChallengeMode.OTP if step.action == Action.SEND_OTP else ChallengeMode.LINK
    authenticator = _named(_authenticators(request), step.factor_id)
    if request.state != RequestState.OPEN or authenticator is None or authenticator.kind == Kind.APP:
        return _with(request, step, Finding.SENDING_FAILED)
    if mode == ChallengeMode.OTP:
        handed_over = challenge.send_code(request, authenticator, step.origin, now)
        return _with(request, step, _after(handed_over))
    handed_over, link = challenge.send_link(request, authenticator, step.origin, now)
    if handed_over == HandOver.FAILED or link is None:
        return _with(request, step, Finding.SENDING_FAILED)
    return _await_link(request, link, step, now)


def _after(handed_over: HandOver) -> Finding:
    return Finding.SENDING_FAILED if handed_over == HandOver.FAILED else Finding.WAITING


def _await_link(request: AuthenticationRequest, link: Challenge, step: SecondStep, now: datetime) -> SignInAnswer:
    """Hold the call until the link is approved, refused or over, as long as the caller may be held."""
    state = ChallengeState(link.state)
    if state == ChallengeState.OPEN and step.hold > 0:
        give_back_connection()
        state = challenge.wait_for_link(link, until=time.monotonic() + step.hold)
        now = timezone.now()
        found = requests.find(step.request_id)  # With account and client as they are by now.
        if found is None or found.client is None or not found.client.is_active:
            return _dead(step)
        request = found
    if state == ChallengeState.REFUSED:
        return _cancel(request, step, now)
    if state == ChallengeState.OPEN and link.expires_at > now:
        return _with(request, step, Finding.WAITING)
    passed = _pass(request, _LinkMatch(link), step, now) if state == ChallengeState.APPROVED else None
    return passed or _link_is_over(step, now)


def _link_is_over(step: SecondStep, now: datetime) -> SignInAnswer:
    """The link passes nothing (any more): what has become of its request while this call waited for it?"""
    request = requests.find(step.request_id)
    if request is None or not requests.is_live(request, now):
        return _dead(step)
    if request.state == RequestState.PASSED:  # By another call with the same id, or by an enrolment.
        return _redeem(request, step, now)
    return _with(request, step, Finding.LINK_TIMED_OUT)


def _code(step: SecondStep, now: datetime) -> SignInAnswer:
    """A code: counted first, compared then, spent together with the request when it is right.

    A recovery code is taken under any factor, and has its own count.
    """
    look_up = recovery_code.canonical(step.code)
    app = answers.authenticator_of(step.factor_id) if look_up is None else None
    admitted = admission.admit(step.request_id, step.client, login_names.normalise(step.username), app, now)
    if admitted is None:
        return _dead(step)
    request, authenticators = admitted.request, admitted.authenticators
    match = _recovery_match(request, look_up, step, now) if look_up else _match(admitted, step, now)
    if match is not None:
        answer = _pass(request, match, step, now)
        if answer is not None:
            return answer
        _record_refused(request, step, "replayed")
    if request.failures >= requests.TRIES_OF_A_REQUEST:
        requests.cancel(request, "too many wrong codes", now)
        return refused(Finding.CANCELLED, Finding.CODE_WRONG, name=request.typed_name, password_was_right=True)
    return _with(request, step, Finding.CODE_WRONG, authenticators=authenticators)


def _pass(request: AuthenticationRequest, match: Match, step: SecondStep, now: datetime) -> SignInAnswer | None:
    if request.purpose == Purpose.PASSWORD_CHANGE:
        return _again(request, step) if sign_in.pass_for_password_change(request, match, now) else None
    proof = Proof(("pwd", match.amr, "mfa"), "2", "Link" if match.amr == "mca" else "OTP")
    return sign_in.complete_request(request, proof, match, step.origin, now, remember=step.remember)


@dataclass(frozen=True, slots=True)
class _LinkMatch(approved_link.ApprovedLink):
    """An approved link, unless wrong codes have disabled what it was sent to: links are not counted as codes are."""

    def spend(self, now: datetime) -> bool:
        usable = Authenticator.objects.filter(pk=self.link.authenticator_id, disabled_at__isnull=True)
        return usable.exists() and approved_link.ApprovedLink.spend(self, now)


@dataclass(frozen=True, slots=True)
class _CountedMatch:
    """A right code whose spending also sets the count of wrong tries to nothing."""

    match: Match
    counted: Authenticator | RecoveryCodeSet

    @property
    def amr(self) -> str:
        return self.match.amr

    @property
    def authenticator(self) -> str:
        return str(self.counted.pk) if isinstance(self.counted, Authenticator) else ""

    def spend(self, now: datetime) -> bool:
        if not self.match.spend(now):
            return False
        tries.forget(self.counted, now)
        return True


@dataclass(frozen=True, slots=True)
class _RecoveryMatch(_CountedMatch):
    """A right recovery code: its owner is told that it was used."""

    counted: RecoveryCodeSet
    origin: Origin

    def spend(self, now: datetime) -> bool:
        if not _CountedMatch.spend(self, now):
            return False
        recovery.tell_of_use(self.counted.user, self.origin, now)
        return True


def _match(admitted: admission.Admitted, step: SecondStep, now: datetime) -> Match | None:
    """The right code among what was submitted, counted before it is compared."""
    request, authenticators = admitted.request, admitted.authenticators
    authenticator = _named(authenticators, step.factor_id)
    submitted = codes.canonical_code(step.code)
    if authenticator is None:
        _record_refused(request, step, "unknown_factor")
        return None
    if authenticator.kind != Kind.APP and submitted and delivered_code.is_stale(request, authenticator, submitted, now):
        _record_refused(request, step, "code_over", authenticator)
        return None
    if not (tries.admit(authenticator, now) if admitted.counted is None else admitted.counted):
        _record_refused(request, step, "resting", authenticator)
        return None
    match, reason = _compare(request, authenticator, submitted, now)
    if match is None:
        _record_refused(request, step, reason, authenticator)
        _tell_of_wrong_codes(request, authenticator, step.origin, now)
    return match


def _compare(
    request: AuthenticationRequest, authenticator: Authenticator, submitted: str | None, now: datetime
) -> tuple[Match | None, str]:
    """The match of a counted code, or what the audit trail says of it."""
    if submitted is None:
        return None, "malformed"
    if authenticator.kind == Kind.APP:
        step = totp.find(authenticator, submitted, now)
        return step, "" if step else totp.why_not(authenticator, submitted, now)
    delivered = delivered_code.find(request, authenticator, submitted, now)
    return (_CountedMatch(delivered, authenticator), "") if delivered else (None, "wrong_code")


def _recovery_match(request: AuthenticationRequest, look_up: str, step: SecondStep, now: datetime) -> Match | None:
    codes_of_user = RecoveryCodeSet.objects.filter(user=request.user).first()
    if codes_of_user is None or not tries.admit(codes_of_user, now):
        _record_refused(request, step, "recovery_code_resting" if codes_of_user else "no_recovery_codes")
        return None
    found = recovery_code.find(request.user, look_up, now)
    if found is None:
        _record_refused(request, step, "wrong_recovery_code")
        return None
    return _RecoveryMatch(found, codes_of_user, step.origin)


def _named(authenticators: list[Authenticator], factor_id: str) -> Authenticator | None:
    """The one of this `MFAAvailableId`, in whichever mode."""
    for authenticator in authenticators:
        if factor_id in {str(answers.factor_id(authenticator, each)) for each in ChallengeMode}:
            return authenticator
    return None


def _authenticators(request: AuthenticationRequest) -> list[Authenticator]:
    found = list(request.user.authenticators.all())
    for authenticator in found:
        authenticator.user = request.user
    return found


def _link_of(request: AuthenticationRequest) -> Challenge | None:
    return request.challenges.filter(mode=ChallengeMode.LINK).order_by("-created_at").first()


def _again(request: AuthenticationRequest, step: SecondStep) -> SignInAnswer:
    """What the password step answered, nothing spent: a client that sent its user to `EnrollmentUrl` may poll."""
    findings = {Finding(name) for name in request.findings}
    authenticators = _authenticators(request)
    if Finding.ENROLMENT_REQUIRED in findings and authenticators:
        # Another request has enrolled one meanwhile.
        findings = findings - {Finding.ENROLMENT_REQUIRED} | {Finding.FACTOR_REQUIRED}
    return _with(request, step, *findings, authenticators=authenticators)


def _with(
    request: AuthenticationRequest,
    step: SecondStep,
    *findings: Finding,
    authenticators: list[Authenticator] | None = None,
) -> SignInAnswer:
    """An answer that repeats the request's id, what may be enrolled and what may be used."""
    if authenticators is None:
        authenticators = _authenticators(request)
    asked = policy.effective(request.user, request.client)
    may_enrol = request.purpose == Purpose.SIGN_IN and (request.invited or authenticators or not asked.needs_invitation)
    return SignInAnswer(
        findings=frozenset({Finding.FAILURE, *findings}),
        name=request.typed_name,
        password_was_right=True,
        method=request.method,
        request_id=step.request_id,
        offer=answers.offer(asked, authenticators) if may_enrol else None,
        available=answers.available(authenticators),
    )


def _tell_of_wrong_codes(request: AuthenticationRequest, counted: Authenticator, origin: Origin, now: datetime) -> None:
    """A right password followed by wrong codes is news for the owner: somebody may know the password (ATTACKS A12)."""
    disabled = lockout_schedule.is_disabled(counted.failures)
    if not disabled and not lockout_schedule.rest_seconds(counted.failures):
        return
    with transaction.atomic():
        if disabled:
            notices.tell(request.user, "authenticator_disabled", origin, now, label=str(counted))
        else:
            notices.tell(request.user, "wrong_codes", origin, now)


def _record_refused(
    request: AuthenticationRequest, step: SecondStep, reason: str, authenticator: Authenticator | None = None
) -> None:
    audit.record(
        "sign_in.code_refused",
        outcome="refused",
        reason=reason,
        user=request.user,
        client=step.client,
        authenticator=authenticator.pk if authenticator else "",
        address=step.origin.address,
        request_ref=request.ref,
    )
