"""Challenges by delivered code or link: opened, answered, approved, refused, waited for.

A request has at most one open challenge. Opening another supersedes it and calls back its message if that still waits.
"""

import secrets
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from identity import secret_store as installation_keys
from identity.flows import audit
from identity.models import User
from mfa import conf
from mfa.delivery import budget, messages, outbox
from mfa.delivery.lease import give_back_connection
from mfa.flows import deliveries
from mfa.models.authentication_request import AuthenticationRequest, RequestState
from mfa.models.authenticator import Authenticator, Enrolment, EnrolmentState
from mfa.models.challenge import Challenge, ChallengeMode, ChallengeState
from mfa.models.delivery import Delivery
from mfa.outcomes import HandOver, Origin
from mfa.verifiers import delivered_code

_LOOK_EVERY: Final = 0.4
"""Seconds between looks for a click, so that one on any process is answered well within the second."""


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A challenge about to be opened: its mode, what is kept of its secret, and what its message says."""

    mode: ChallengeMode
    template: str
    digest: str
    lifetime: timedelta
    facts: Mapping[str, Any]


def send_code(request: AuthenticationRequest, authenticator: Authenticator, origin: Origin, now: datetime) -> HandOver:
    """Send a new code to the authenticator's destination and wait up to 3 s for its hand-over.

    FAILED where the gateway refused by then, the sending budget is spent, wrong codes have disabled the authenticator,
    or the request is over. Call it outside a transaction. One challenge's code is good for `OTP_LIFETIME`.
    """
    challenge_id = uuid.uuid4()
    code = delivered_code.new_code()
    prepared = _Prepared(
        ChallengeMode.OTP,
        "sign_in_code",
        delivered_code.digest(challenge_id, code),
        conf.otp_lifetime(),
        {"code": code},
    )
    challenge = _open(challenge_id, request, authenticator, origin, now, prepared)
    return deliveries.wait(challenge.pk) if challenge else HandOver.FAILED


def send_link(
    request: AuthenticationRequest, authenticator: Authenticator, origin: Origin, now: datetime
) -> tuple[HandOver, Challenge | None]:
    """Send a link whose page asks for a click; the challenge to wait for, or None where none was opened.

    The link's token has 256 bits; only its keyed digest is kept. It is good for `LINK_LIFETIME`.
    """
    token = secrets.token_urlsafe(32)
    url = f"{conf.public_url()}/mfa/approve/{token}"
    prepared = _Prepared(ChallengeMode.LINK, "sign_in_link", _link_digest(token), conf.link_lifetime(), {"url": url})
    challenge = _open(uuid.uuid4(), request, authenticator, origin, now, prepared)
    return (deliveries.wait(challenge.pk), challenge) if challenge else (HandOver.FAILED, None)


def send_enrolment_code(enrolment: Enrolment, origin: Origin, now: datetime) -> HandOver:
    """Send the code that confirms the enrolment's destination; an earlier one stops being good.

    `enrolment.destination` and `kind` say where; outcomes as for `send_code`.
    """
    delivery = _put_enrolment_code(enrolment, origin, now)
    return deliveries.wait(delivery.pk) if delivery else HandOver.FAILED


def cancel(request: AuthenticationRequest, now: datetime) -> None:
    """Supersede the request's open challenge, if any: its code or link stops being good, its holders stop waiting."""
    for challenge in Challenge.objects.filter(request=request, state=ChallengeState.OPEN):
        if _decide(challenge.pk, ChallengeState.SUPERSEDED, now):
            outbox.cancel(challenge.pk, now)


def link_of(token: str, now: datetime) -> Challenge | None:
    """The open challenge behind a link, for the page that asks; looking decides nothing, as mail scanners look too.

    `request` (its `client`, `address`, `created_at`, `user`) and `authenticator` are loaded with it.
    """
    return (
        Challenge.objects.filter(
            digest=_link_digest(token),
            mode=ChallengeMode.LINK,
            state=ChallengeState.OPEN,
            expires_at__gt=now,
            request__state=RequestState.OPEN,
            request__expires_at__gt=now,
        )
        .select_related("request__client", "request__user", "authenticator")
        .first()
    )


def approve(token: str, origin: Origin, now: datetime) -> bool:
    """The click on "yes, it was me"; False when the link was used, ran out, or its request is over.

    Nor does it approve anything once wrong codes have disabled the authenticator that it was sent to. The challenge
    alone is marked. The flow that waits for it passes the request.
    """
    return _decide_link(token, ChallengeState.APPROVED, origin, now)


def refuse(token: str, origin: Origin, now: datetime) -> bool:
    """The click on "no, it was not me"; likewise once."""
    return _decide_link(token, ChallengeState.REFUSED, origin, now)


def wait_for_link(challenge: Challenge, *, until: float) -> ChallengeState:
    """The challenge's state as soon as it is decided, at the latest at `until`, on the scale of `time.monotonic()`.

    OPEN means that nobody has clicked: either `until` has come or the link has run out (`challenge.expires_at`).
    SUPERSEDED means that a click can change nothing any more, because another challenge or the end of the request was
    first. Neither a transaction nor a connection is held between looks.
    """
    while True:
        state = _state_of(challenge)
        left = min(until - time.monotonic(), (challenge.expires_at - timezone.now()).total_seconds())
        if state != ChallengeState.OPEN or left <= 0:
            return state
        give_back_connection()
        time.sleep(min(left, _LOOK_EVERY))


def _put_enrolment_code(enrolment: Enrolment, origin: Origin, now: datetime) -> Delivery | None:
    with suppress(outbox.CannotSeal), transaction.atomic():
        held = (
            Enrolment.objects.select_for_update(of=("self",))
            .select_related("user", "request__client")
            .get(pk=enrolment.pk)
        )
        if held.state != EnrolmentState.PENDING or held.expires_at <= now or not held.destination:
            return None
        if not _within_budget(held.user, held.destination, held.request, origin, now):
            return None
        outbox.call_back(held.user, "enrolment_code", held.destination, now)
        code = delivered_code.new_code()
        held.code_digest = delivered_code.enrolment_digest(held.pk, code)
        held.code_expires_at = now + conf.otp_lifetime()
        held.save(update_fields=["code_digest", "code_expires_at"])
        delivery = deliveries.enqueue(
            held.user,
            template="enrolment_code",
            kind=held.kind,
            destination=held.destination,
            facts={"code": code, **_told(held.request, held.user, origin, now, conf.otp_lifetime())},
            language=messages.supported(held.user.language, origin.language),
            now=now,
            not_after=held.code_expires_at,
        )
        enrolment.code_digest, enrolment.code_expires_at = held.code_digest, held.code_expires_at
        return delivery
    return None


def _open(
    challenge_id: UUID,
    request: AuthenticationRequest,
    authenticator: Authenticator,
    origin: Origin,
    now: datetime,
    prepared: _Prepared,
) -> Challenge | None:
    with suppress(outbox.CannotSeal), transaction.atomic():
        held = (
            AuthenticationRequest.objects.select_for_update(of=("self",))
            .select_related("client", "user")
            .get(pk=request.pk)
        )
        usable = Authenticator.objects.filter(pk=authenticator.pk, user_id=held.user_id, disabled_at__isnull=True)
        if held.state != RequestState.OPEN or held.expires_at <= now or not usable.exists():
            return None
        if not _within_budget(held.user, authenticator.destination, held, origin, now):
            return None
        cancel(held, now)
        challenge = Challenge.objects.create(
            id=challenge_id,
            request=held,
            authenticator=authenticator,
            mode=prepared.mode,
            digest=prepared.digest,
            created_at=now,
            expires_at=now + prepared.lifetime,
        )
        deliveries.enqueue(
            held.user,
            template=prepared.template,
            kind=authenticator.kind,
            destination=authenticator.destination,
            facts={**prepared.facts, **_told(held, held.user, origin, now, prepared.lifetime)},
            language=messages.supported(held.user.language, origin.language),
            now=now,
            not_after=challenge.expires_at,
            delivery_id=challenge.pk,
        )
        audit.record(
            "challenge.sent",
            user=held.user,
            client=held.client,
            authenticator=authenticator.pk,
            address=origin.address,
            request_ref=held.ref,
            detail={"mode": prepared.mode.label},
        )
        return challenge
    return None


def _within_budget(user: User, destination: str, request: AuthenticationRequest, origin: Origin, now: datetime) -> bool:
    if budget.spend_for_code(user.pk, destination, now):
        return True
    audit.record(
        "challenge.sent",
        outcome="refused",
        reason="sending_budget_spent",
        user=user,
        client=request.client,
        address=origin.address,
        request_ref=request.ref,
    )
    return False


def _decide_link(token: str, state: ChallengeState, origin: Origin, now: datetime) -> bool:
    challenge = link_of(token, now)
    if challenge is None or (state == ChallengeState.APPROVED and challenge.authenticator.disabled_at is not None):
        return False
    request = challenge.request
    with transaction.atomic():
        if not _decide(challenge.pk, state, now):
            return False
        audit.record(
            f"challenge.{state.value}",
            user=request.user,
            client=request.client,
            authenticator=challenge.authenticator_id,
            address=origin.address,
            request_ref=request.ref,
        )
    return True


def _decide(challenge_id: UUID, state: ChallengeState, now: datetime) -> bool:
    """Of two who decide at once, the database lets one. No other table is asked in this update: under READ COMMITTED
    PostgreSQL checks the conditions again on the row alone, not on a join."""
    open_one = Challenge.objects.filter(pk=challenge_id, state=ChallengeState.OPEN)
    if state != ChallengeState.SUPERSEDED:
        open_one = open_one.filter(expires_at__gt=now)
    return bool(open_one.update(state=state, answered_at=now))


def _state_of(challenge: Challenge) -> ChallengeState:
    found = Challenge.objects.filter(pk=challenge.pk).values_list("state", "request__state").first()
    if found is None or (found[0] == ChallengeState.OPEN and found[1] != RequestState.OPEN):
        return ChallengeState.SUPERSEDED
    return ChallengeState(found[0])


def _told(
    request: AuthenticationRequest, user: User, origin: Origin, now: datetime, lifetime: timedelta
) -> dict[str, Any]:
    return {
        "username": user.username,
        "application": request.client.name if request.client else "",
        "address": origin.address,
        "at": now.isoformat(),
        "seconds": int(lifetime.total_seconds()),
    }


def _link_digest(token: str) -> str:
    return installation_keys.digest("approval-link", token)
