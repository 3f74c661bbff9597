"""Enrolment: begin, confirm, cancel (the contract's section 3). The request's id is the credential."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from django.db import IntegrityError, transaction

from identity import rows
from identity.flows import accounts, audit
from identity.models import AuditEvent, User
from identity.rows import Rows, Step
from mfa import secret_store
from mfa.flows import challenge, notices, own_sessions, people, policy, recovery, remembered_devices, requests, tries
from mfa.models import AuthenticationRequest, Authenticator, Enrolment
from mfa.models.authentication_request import PassedBy, Purpose, RequestState
from mfa.models.authenticator import EnrolmentState, Kind
from mfa.models.invitation import Invitation, InvitationPurpose
from mfa.outcomes import EnrolmentRefusal, HandOver, Origin
from mfa.primitives import destinations, totp
from mfa.verifiers import delivered_code
from mfa.verifiers import totp as totp_verifier

# How often one request may begin anew, and how many authenticators of one kind an account may hold.
BEGINNINGS_OF_A_REQUEST = 10
AUTHENTICATORS_OF_A_KIND = 5
LABELS = {Kind.APP: "Authenticator app", Kind.EMAIL: "E-mail", Kind.SMS: "Text message"}

_ENROLMENT, _COUNTED = Rows(Enrolment, "e"), Rows(Enrolment, "mfa_enrolment")
_BEGINNINGS = f"{_ENROLMENT.columns}, a.id, a.kind"
_OF_REQUEST = "LEFT JOIN mfa_enrolment e ON e.request_id = r.id LEFT JOIN mfa_authenticator a ON a.user_id = r.user_id"
_LATEST_FIRST = "ORDER BY e.begun_at DESC"
_BEGUN_AND_HELD = f"""
SELECT {_BEGINNINGS} FROM mfa_authenticationrequest r {_OF_REQUEST}
WHERE r.id = %(request)s {_LATEST_FIRST}"""  # noqa: S608  Nothing in these comes from outside.


def _admitting(request: str) -> str:
    """The statement that counts a try against the pending enrolment of `request`, and returns it."""
    return f"""
UPDATE mfa_enrolment SET failures = failures + 1
WHERE request_id = {request} AND kind = %(kind)s AND state = 'pending' AND expires_at > %(now)s
  AND failures < {tries.TRIES_OF_AN_ENROLMENT} RETURNING {_COUNTED.columns}"""  # noqa: S608


_ADMIT = _admitting("%(request)s")
# What `_found` refuses is not among these.
_GOOD_REQUEST = """(SELECT id FROM mfa_authenticationrequest WHERE digest = %(digest)s
  AND purpose <> 'password_change' AND state <> 'cancelled' AND expires_at > %(now)s)"""
_FIND_AND_ADMIT = f"""
WITH counted AS ({_admitting(_GOOD_REQUEST)})
{requests.finding(f"{_ENROLMENT.columns}, ", "LEFT JOIN counted e ON true")}"""
_WHAT_HOLDS_NOW = """
SELECT r.state, r.enrolment_confirmed_at IS NOT NULL, r.passed_by, a.kind, a.destination,
  EXISTS (SELECT 1 FROM mfa_recoverycodeset s WHERE s.user_id = r.user_id),
  EXISTS (SELECT 1 FROM mfa_remembereddevice d WHERE d.user_id = r.user_id AND d.revoked_at IS NULL)
    OR EXISTS (SELECT 1 FROM mfa_invitation i
      WHERE i.user_id = r.user_id AND i.purpose = 'enrolment' AND i.spent_at IS NULL)
FROM mfa_authenticationrequest r LEFT JOIN mfa_authenticator a ON a.user_id = r.user_id
WHERE r.id = %(request)s ORDER BY a.created_at"""
_WIN = """
UPDATE mfa_enrolment SET state = 'confirmed', sealed_secret = NULL, code_digest = '', authenticator_id = %(key)s
WHERE id = %(enrolment)s AND state = 'pending'"""
_WAITS = "state = 'open' AND purpose = 'sign_in'"
_PASS = f"""
UPDATE mfa_authenticationrequest SET enrolment_confirmed_at = %(now)s, recovery_codes_due = %(due)s,
  passed_by = CASE WHEN {_WAITS} THEN 'enrolment' ELSE passed_by END,
  passed_at = CASE WHEN {_WAITS} THEN %(now)s ELSE passed_at END,
  amr = CASE WHEN {_WAITS} THEN %(amr)s ELSE amr END,
  method = CASE WHEN {_WAITS} THEN 'OTP' ELSE method END,
  state = CASE WHEN {_WAITS} THEN 'passed' ELSE state END
WHERE id = %(request)s"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Information:
    """What `GetEnrollmentInformation` tells."""

    request: AuthenticationRequest
    kinds: tuple[Kind, ...]
    secret: bytes | None


def find(request_id: str, now: datetime) -> AuthenticationRequest | EnrolmentRefusal:
    """The request that an id names for an enrolment. Unknown and malformed ids, and those of a change of password,
    are alike; ids that were good once are told to be over.
    """
    return _found(requests.find(request_id), now)


def find_to_begin(request_id: str, now: datetime) -> AuthenticationRequest | EnrolmentRefusal:
    """As `find`; what `begin_app` asks next is read along with it."""
    if not requests.has_the_form(request_id):
        return EnrolmentRefusal.NO_SUCH_REQUEST
    statement = f"{requests.finding(f'{_BEGINNINGS}, ', _OF_REQUEST)} {_LATEST_FIRST}"
    read = rows.every(statement, {"digest": requests.digest_of(request_id)})
    request = requests.read(read[0], start=_ENROLMENT.width + 2) if read else None
    if request is not None:
        request.beginnings = _of_rows(read, request)
    return _found(request, now)


def find_to_confirm(request_id: str, kind: Kind, now: datetime) -> AuthenticationRequest | EnrolmentRefusal:
    """As `find`, for whoever hands a submitted code to `confirm` next: on PostgreSQL its try is counted by then.

    One statement does both, which commits by itself. Where the request is refused nothing is counted.
    """
    if rows.vendor() != "postgresql":
        return find(request_id, now)
    if not requests.has_the_form(request_id):
        return EnrolmentRefusal.NO_SUCH_REQUEST
    given = {"digest": requests.digest_of(request_id), "kind": int(kind), "now": rows.instant(now)}
    row = rows.one(_FIND_AND_ADMIT, given)
    request = requests.read(row, start=_ENROLMENT.width) if row else None
    if row is not None and request is not None:
        request.admitted = (kind, _ENROLMENT.read(row))
    return _found(request, now)


def _found(request: AuthenticationRequest | None, now: datetime) -> AuthenticationRequest | EnrolmentRefusal:
    if request is None or request.purpose == Purpose.PASSWORD_CHANGE:
        return EnrolmentRefusal.NO_SUCH_REQUEST
    if request.state == RequestState.CANCELLED or request.expires_at <= now:
        return EnrolmentRefusal.REQUEST_OVER
    return request


def why_not(request: AuthenticationRequest, kind: Kind) -> EnrolmentRefusal | None:
    """Why the request may not enrol this kind, for a page that shows the ways; None when it may. Nothing is begun."""
    return _not_now(request, kind)


def begin_app(request: AuthenticationRequest, origin: Origin, now: datetime) -> Enrolment | EnrolmentRefusal:
    """The pending app enrolment of the request; begun at the first call, the same at every further one."""
    begun = _begin_app(request, origin, now)
    return _recorded(begun, request, Kind.APP, origin)


def _begin_app(request: AuthenticationRequest, origin: Origin, now: datetime) -> Enrolment | EnrolmentRefusal:
    begun, held = _begun_and_held(request)
    refusal = _not_now(request, Kind.APP, held)
    if refusal is not None:
        return refusal
    pending = next((each for each in begun if _is_pending(each, Kind.APP)), None)
    if pending is not None and pending.expires_at > now:
        return pending
    if len(begun) >= BEGINNINGS_OF_A_REQUEST:
        return EnrolmentRefusal.ENDED
    for _ in range(2):
        try:
            with transaction.atomic() if pending is not None else rows.by_itself():
                if pending is not None:
                    _end(pending, EnrolmentState.CANCELLED)
                return _write(request, Kind.APP, "", origin, now)
        except IntegrityError:
            # Another call was first: with an enrolment of this request, whose key is shown, or with the account's
            # data key, which serves this one too.
            secret_store.forget_data_key(request.user)
        first = _pending(request, Kind.APP, now)
        if first is not None:
            return first
    return EnrolmentRefusal.ENDED


def begin_delivered(
    request: AuthenticationRequest, kind: Kind, typed_destination: str, origin: Origin, now: datetime
) -> Enrolment | EnrolmentRefusal:
    """Begin with an address or a number, and send it a code. A further call begins anew: one code is good at a time."""
    begun = _begin_delivered(request, kind, typed_destination, origin, now)
    return _recorded(begun, request, kind, origin)


def _begin_delivered(
    request: AuthenticationRequest, kind: Kind, typed_destination: str, origin: Origin, now: datetime
) -> Enrolment | EnrolmentRefusal:
    destination = _canonical(kind, typed_destination)
    if destination is None:
        return EnrolmentRefusal.DESTINATION_MALFORMED
    with transaction.atomic():
        user = accounts.lock_row(request.user_id)
        if _is_not_own(user, kind, destination):
            return _not_now(request, kind) or EnrolmentRefusal.DESTINATION_NOT_OWN
        Enrolment.objects.filter(request=request, kind=kind, state=EnrolmentState.PENDING).update(
            state=EnrolmentState.CANCELLED, code_digest=""
        )
        begun = _begin(request, kind, destination, origin, now)
    if isinstance(begun, EnrolmentRefusal):
        return begun
    if challenge.send_enrolment_code(begun, origin, now) == HandOver.FAILED:
        return EnrolmentRefusal.NOT_HANDED_OVER
    return begun


def information(request: AuthenticationRequest, now: datetime) -> Information:
    """Whose enrolment it is, until when, what may be enrolled, and the key while an app enrolment is pending."""
    asked = policy.effective(request.user, request.client)
    enrolled = set(request.user.authenticators.values_list("kind", flat=True))
    pending = _pending(request, Kind.APP, now) if _not_now(request, Kind.APP) is None else None
    return Information(
        request=request,
        kinds=tuple(kind for kind in asked.kinds if kind not in enrolled),
        secret=totp_verifier.enrolment_secret(pending) if pending else None,
    )


def confirm(
    request: AuthenticationRequest, kind: Kind, submitted: str, origin: Origin, now: datetime
) -> Authenticator | EnrolmentRefusal:
    """Confirm the pending enrolment with a code: counted first, compared then, spent with the confirmation."""
    confirmed = _confirm_counted(request, kind, submitted, origin, now)
    return _recorded(confirmed, request, kind, origin)


def _confirm_counted(
    request: AuthenticationRequest, kind: Kind, submitted: str, origin: Origin, now: datetime
) -> Authenticator | EnrolmentRefusal:
    enrolment = _admit(request, kind, now)
    if enrolment is None:
        return _why_no_try(request, kind)
    step = _confirming_step(enrolment, submitted, now)
    if step is None:
        if enrolment.failures >= tries.TRIES_OF_AN_ENROLMENT:
            _end(enrolment, EnrolmentState.ENDED)
        return _not_now(request, kind) or EnrolmentRefusal.WRONG_CODE
    try:
        with transaction.atomic():
            return _confirm(request, enrolment, step, origin, now)
    except rows.Overtaken:
        return EnrolmentRefusal.ALREADY_CONFIRMED


def _admit(request: AuthenticationRequest, kind: Kind, now: datetime) -> Enrolment | None:
    """Count a try against the pending enrolment and return it, `failures` with this try; None: it takes none.

    One that `find_to_confirm` has counted is taken, once.
    """
    admitted, request.admitted = request.admitted, None
    if admitted is not None and admitted[0] == kind:
        enrolment = admitted[1]
    else:
        row = rows.one(_ADMIT, {"request": request.pk, "kind": int(kind), "now": rows.instant(now)})
        enrolment = _COUNTED.read(row) if row else None
    if enrolment is not None:
        enrolment.user = request.user
    return enrolment


def _why_no_try(request: AuthenticationRequest, kind: Kind) -> EnrolmentRefusal:
    """What the latest enrolment of the kind has come to. A clock that was set back decides nothing."""
    begun = [each for each in _begun_and_held(request)[0] if each.kind == kind]
    if not begun:
        return _not_now(request, kind) or EnrolmentRefusal.NOT_BEGUN
    latest = next((each for each in begun if _is_pending(each, kind)), begun[0])
    return EnrolmentRefusal.ALREADY_CONFIRMED if latest.state == EnrolmentState.CONFIRMED else EnrolmentRefusal.ENDED


def cancel(request: AuthenticationRequest, origin: Origin, now: datetime) -> bool:
    """End the request's pending enrolments, and not the request; whether there was one."""
    with transaction.atomic():
        ended = [
            enrolment
            for enrolment in request.enrolments.filter(state=EnrolmentState.PENDING)
            if _end(enrolment, EnrolmentState.CANCELLED)
        ]
        for enrolment in ended:
            _record(request, "enrolment.cancelled", origin, kind=Kind(enrolment.kind))
    return bool(ended)


def take_recovery_codes(request: AuthenticationRequest, origin: Origin, now: datetime) -> list[str] | EnrolmentRefusal:
    """The ten codes, once, after the request confirmed the account's first enrolment and until something ends it."""
    with transaction.atomic():
        accounts.lock_row(request.user_id)
        due = AuthenticationRequest.objects.filter(pk=request.pk, recovery_codes_due=True)
        if not due.exclude(state=RequestState.CANCELLED).update(recovery_codes_due=False):
            return EnrolmentRefusal.NONE_DUE
        return recovery.make_codes(request.user, now, origin)


def start_signed_in(user: User, session_id: UUID | str, origin: Origin, now: datetime) -> str | None:
    """A fresh id that serves only an enrolment, for who has just shown a second factor; None once that session is over.

    The caller has judged how fresh the session is; whether it goes on is looked at again under the lock.
    """
    with transaction.atomic():
        if not own_sessions.lock_while_on(user, session_id):
            return None
        request_id, request = requests.open_request(
            user,
            None,
            typed_name=user.username,
            scopes=[],
            findings=[],
            origin=origin,
            now=now,
            purpose=Purpose.ENROLMENT,
            passed_by=PassedBy.CODE,
        )
        audit.record("enrolment.allowed", user=user, address=origin.address, request_ref=request.ref)
    return request_id


def _not_now(request: AuthenticationRequest, kind: Kind, held: list[Kind] | None = None) -> EnrolmentRefusal | None:
    """Why the request may not enrol this kind; None when it may. `held` are the kinds that the account holds."""
    if request.enrolment_confirmed_at is not None:
        return EnrolmentRefusal.ALREADY_CONFIRMED
    asked = policy.effective(request.user, request.client)
    if kind not in asked.kinds:
        return EnrolmentRefusal.TRANSPORT_NOT_ALLOWED
    if held is None:
        held = [
            Kind(each) for each in Authenticator.objects.filter(user_id=request.user_id).values_list("kind", flat=True)
        ]
    # Knowing the password alone must never add a factor (ATTACKS A24, A25).
    if held and request.passed_by != PassedBy.CODE:
        return EnrolmentRefusal.FACTOR_DUE
    if not held and asked.needs_invitation and not request.invited and request.purpose != Purpose.ENROLMENT:
        return EnrolmentRefusal.INVITATION_MISSING
    if held.count(kind) >= AUTHENTICATORS_OF_A_KIND:
        return EnrolmentRefusal.TOO_MANY
    return None


def _begin(
    request: AuthenticationRequest, kind: Kind, destination: str, origin: Origin, now: datetime
) -> Enrolment | EnrolmentRefusal:
    refusal = _not_now(request, kind)
    if refusal is not None:
        return refusal
    if request.enrolments.count() >= BEGINNINGS_OF_A_REQUEST:
        return EnrolmentRefusal.ENDED
    Enrolment.objects.filter(request=request, kind=kind, state=EnrolmentState.PENDING).update(
        state=EnrolmentState.CANCELLED, sealed_secret=None
    )
    return _write(request, kind, destination, origin, now)


def _write(request: AuthenticationRequest, kind: Kind, destination: str, origin: Origin, now: datetime) -> Enrolment:
    enrolment = rows.new(
        Enrolment,
        user_id=request.user_id,
        request_id=request.pk,
        kind=kind,
        destination=destination,
        begun_at=now,
        expires_at=request.expires_at,
    )
    enrolment.user, enrolment.request = request.user, request
    steps: list[Step] = []
    if kind == Kind.APP:
        data_key = secret_store.first_data_key(request.user)
        enrolment.sealed_secret = secret_store.seal_for(
            request.user, totp.new_secret(), table="mfa_enrolment", row=str(enrolment.pk), purpose="totp"
        )
        steps = [rows.insertion(data_key)] if data_key else []
    event = _event(request, "enrolment.begun", origin, kind=kind)
    rows.together(*steps, rows.insertion(enrolment), audit.step(event))
    audit.tell(event)
    return enrolment


def _confirming_step(enrolment: Enrolment, submitted: str, now: datetime) -> int | None:
    """The time step that the right code spends; -1 for the right delivered code, None for a wrong one."""
    code = totp.canonical_code(submitted)
    if code is None:
        return None
    if enrolment.kind == Kind.APP:
        return totp_verifier.confirming_time_step(enrolment, code, now)
    return -1 if delivered_code.matches_enrolment(enrolment, code, now) else None


def _confirm(
    request: AuthenticationRequest, enrolment: Enrolment, step: int, origin: Origin, now: datetime
) -> Authenticator | EnrolmentRefusal:
    """Under a lock on the account: what was true when the enrolment began is looked at again."""
    user, kind = _locked(request), Kind(enrolment.kind)
    if accounts.states(user, request.client, now):
        requests.end_all(user, "account closed", now)
        return EnrolmentRefusal.REQUEST_OVER
    found = rows.every(_WHAT_HOLDS_NOW, {"request": request.pk})
    request.state, confirmed, request.passed_by = found[0][:3]
    has_codes, has_more = found[0][5:]
    held = [(Kind(row[3]), row[4]) for row in found if row[3] is not None]
    if request.state == RequestState.CANCELLED:
        return EnrolmentRefusal.REQUEST_OVER
    if confirmed:
        return EnrolmentRefusal.ALREADY_CONFIRMED
    refusal = _not_now(request, kind, [each for each, _ in held]) or _not_there(user, enrolment)
    if refusal is not None:
        return refusal
    if enrolment.destination and (kind, enrolment.destination) in held:
        return EnrolmentRefusal.ALREADY_CONFIRMED
    secret = totp_verifier.enrolment_secret(enrolment) if kind == Kind.APP else None
    authenticator = _bound(user, kind, enrolment.destination, secret, step, now, is_first=not held)
    event = _event(request, "enrolment.confirmed", origin, kind=kind, authenticator=str(authenticator.pk))
    won = {"key": rows.key(authenticator.pk), "enrolment": rows.key(enrolment.pk)}
    rows.together(
        Step(_WIN, won, decides=True),
        rows.insertion(authenticator),
        _passing(request, kind, now, recovery_codes_due=not has_codes),
        audit.step(event),
    )
    audit.tell(event)
    if kind == Kind.EMAIL:
        User.objects.filter(pk=user.pk).update(email=enrolment.destination, email_verified_at=now)
    if kind == Kind.SMS:
        User.objects.filter(pk=user.pk).update(mobile_phone=enrolment.destination, mobile_verified_at=now)
    if has_more:
        remembered_devices.forget_all(user, now)
        Invitation.objects.spend_all(user, InvitationPurpose.ENROLMENT, now)
    reached = [(each, where) for each, where in [*held, (kind, enrolment.destination)] if where]
    notices.tell(user, "authenticator_added", origin, now, delivered=reached, label=authenticator.label)
    return authenticator


def _locked(request: AuthenticationRequest) -> User:
    found = people.lock_with_authenticators(request.user_id)
    if found is None:
        raise User.DoesNotExist
    return found[0]


def _bound(
    user: User, kind: Kind, destination: str, secret: bytes | None, step: int, now: datetime, *, is_first: bool
) -> Authenticator:
    """The authenticator to be. The step of the confirming code is spent with it (RFC 6238, 5.2)."""
    authenticator = rows.new(
        Authenticator,
        user_id=user.pk,
        kind=kind,
        label=LABELS[kind],
        destination=destination,
        created_at=now,
        confirmed_at=now,
        last_time_step=step,
        last_used_at=now,
        is_default=is_first,
    )
    authenticator.user = user
    if secret is not None:
        authenticator.sealed_secret = secret_store.seal_for(
            user, secret, table="mfa_authenticator", row=str(authenticator.pk), purpose="totp"
        )
    return authenticator


def _passing(request: AuthenticationRequest, kind: Kind, now: datetime, *, recovery_codes_due: bool) -> Step:
    """The confirmation passes the request that waited for it, and recovery codes are due after the first one."""
    amr = "pwd sms mfa" if kind == Kind.SMS else "pwd otp mfa"
    return Step(_PASS, {"now": rows.instant(now), "due": recovery_codes_due, "amr": amr, "request": request.pk})


def _not_there(user: User, enrolment: Enrolment) -> EnrolmentRefusal | None:
    """Why the destination cannot become the account's; None when it can, and for an app."""
    kind = Kind(enrolment.kind)
    if kind == Kind.APP:
        return None
    if _is_not_own(user, kind, enrolment.destination):
        _end(enrolment, EnrolmentState.CANCELLED)
        return EnrolmentRefusal.DESTINATION_NOT_OWN
    if kind == Kind.EMAIL and _is_taken(user, enrolment.destination):
        return EnrolmentRefusal.DESTINATION_TAKEN
    return None


def _canonical(kind: Kind, destination: str) -> str | None:
    return (destinations.canonical_email if kind == Kind.EMAIL else destinations.canonical_phone)(destination)


def _is_not_own(user: User, kind: Kind, destination: str) -> bool:
    """Whether the account has another address or number: who stole a password must not enrol a mailbox of his own."""
    recorded = user.email if kind == Kind.EMAIL else user.mobile_phone
    return bool(recorded) and _canonical(kind, recorded) != destination


def _is_taken(user: User, email: str) -> bool:
    from identity.models import Installation

    if not Installation.current().unique_emails:
        return False
    return User.objects.filter(email__iexact=email).exclude(pk=user.pk).exists()


def _pending(request: AuthenticationRequest, kind: Kind, now: datetime) -> Enrolment | None:
    found = request.enrolments.filter(kind=kind, state=EnrolmentState.PENDING, expires_at__gt=now).first()
    if found is not None:
        found.user = request.user
    return found


def _is_pending(enrolment: Enrolment, kind: Kind) -> bool:
    return enrolment.kind == kind and enrolment.state == EnrolmentState.PENDING


def _begun_and_held(request: AuthenticationRequest) -> tuple[list[Enrolment], list[Kind]]:
    """What the request has begun, the latest first, and the kinds of the account's authenticators."""
    known, request.beginnings = request.beginnings, None
    return known or _of_rows(rows.every(_BEGUN_AND_HELD, {"request": request.pk}), request)


def _of_rows(found: Sequence[Sequence[Any]], request: AuthenticationRequest) -> tuple[list[Enrolment], list[Kind]]:
    """Of rows that begin with an enrolment, and a key and a kind."""
    begun = {each.pk: each for row in found if (each := _ENROLMENT.read(row)) is not None}
    for enrolment in begun.values():
        enrolment.user, enrolment.request = request.user, request
    key, kind = _ENROLMENT.width, _ENROLMENT.width + 1
    held = {row[key]: Kind(row[kind]) for row in found if row[key] is not None}
    return list(begun.values()), list(held.values())


def _end(enrolment: Enrolment, state: EnrolmentState) -> bool:
    return (
        Enrolment.objects.filter(pk=enrolment.pk, state=EnrolmentState.PENDING).update(
            state=state, sealed_secret=None, code_digest=""
        )
        == 1
    )


_Outcome = TypeVar("_Outcome", Enrolment, Authenticator)


def _recorded(
    outcome: _Outcome | EnrolmentRefusal, request: AuthenticationRequest, kind: Kind, origin: Origin
) -> _Outcome | EnrolmentRefusal:
    """The outcome itself; a refusal is in the audit trail then, with its reason."""
    if outcome == EnrolmentRefusal.WRONG_CODE:
        _record(request, "enrolment.code_refused", origin, outcome="refused", reason="wrong_code", kind=kind)
    elif isinstance(outcome, EnrolmentRefusal):
        _record(request, "enrolment.refused", origin, outcome="refused", reason=str(outcome), kind=kind)
    return outcome


def _record(request: AuthenticationRequest, event: str, origin: Origin, **facts: Any) -> None:
    audit.write(_event(request, event, origin, **facts))


def _event(
    request: AuthenticationRequest,
    event: str,
    origin: Origin,
    *,
    kind: Kind,
    outcome: str = "success",
    reason: str = "",
    authenticator: str = "",
) -> AuditEvent:
    return audit.event_of(
        event,
        outcome=outcome,
        reason=reason,
        user=request.user,
        client=request.client,
        authenticator=authenticator,
        address=origin.address,
        request_ref=request.ref,
        detail={"kind": kind.label},
    )
