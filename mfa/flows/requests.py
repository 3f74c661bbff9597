"""Authentication requests: opened by a right password, found by their id, spent once, ended by what overtakes them."""

import hashlib
import os
import re
import uuid
from datetime import datetime

from django.db.models import QuerySet

from identity.models import Client, User
from mfa import conf
from mfa.models import AuthenticationRequest
from mfa.models.authentication_request import PassedBy, Purpose, RequestState
from mfa.outcomes import Finding, Origin

# A sixth open request ends the oldest (the contract's section 2.2).
OPEN_AT_ONCE = 5
_FORM = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)


def new_id() -> str:
    """128 bits straight from the operating system, printed as a GUID, no version bits (ASVS 5.0 11.5.1)."""
    return str(uuid.UUID(bytes=os.urandom(16)))


def digest_of(request_id: str) -> bytes:
    """What stands for the id in the database."""
    return hashlib.sha256(request_id.encode()).digest()


def find(request_id: str, *, client: Client | None = None) -> AuthenticationRequest | None:
    """The request of this id, matched exactly, with its user, data key and client; of `client` alone when given."""
    if not _FORM.fullmatch(request_id):
        return None
    found = AuthenticationRequest.objects.select_related(
        "user",
        "user__data_key",
        "client",
        "client__installation",
        "client__installation__mfa_policy",
        "client__mfa_policy",
    ).filter(digest=digest_of(request_id))
    if client is not None:
        found = found.filter(client_id=client.pk)
    return found.first()


def open_request(
    user: User,
    client: Client | None,
    *,
    typed_name: str,
    scopes: list[str],
    findings: list[Finding],
    origin: Origin,
    now: datetime,
    purpose: Purpose = Purpose.SIGN_IN,
    state: RequestState = RequestState.OPEN,
    passed_by: PassedBy = PassedBy.NOTHING,
    invited: bool = False,
) -> tuple[str, AuthenticationRequest]:
    """Open a request and end the oldest beyond five; returns its id as well.

    Inside the caller's transaction, under its lock on the account: of two that open at once each sees the other's.
    """
    request_id = new_id()
    request = AuthenticationRequest.objects.create(
        digest=digest_of(request_id),
        user=user,
        client=client,
        purpose=purpose,
        state=state,
        passed_by=passed_by,
        typed_name=typed_name,
        scopes=scopes,
        findings=[str(finding) for finding in findings],
        invited=invited,
        address=origin.address,
        user_agent=origin.user_agent[:200],
        created_at=now,
        expires_at=now + conf.request_lifetime(),
    )
    live = list(AuthenticationRequest.objects.open_for(user.pk, now).values_list("pk", flat=True))
    if len(live) > OPEN_AT_ONCE:
        end(AuthenticationRequest.objects.filter(pk__in=live[:-OPEN_AT_ONCE]), "superseded", now)
    return request_id, request


def end(requests: QuerySet[AuthenticationRequest], reason: str, now: datetime) -> int:
    """End those of the requests that are not over; how many."""
    return requests.filter(state__in=[RequestState.OPEN, RequestState.PASSED]).update(
        state=RequestState.CANCELLED, ended_at=now, end_reason=reason
    )


def end_all(user: User, reason: str, now: datetime) -> int:
    """End every request of the account, those that gave tokens and might still enrol a second device as well."""
    return (
        AuthenticationRequest.objects.filter(user=user)
        .exclude(state=RequestState.CANCELLED)
        .update(state=RequestState.CANCELLED, ended_at=now, end_reason=reason)
    )


def cancel(request: AuthenticationRequest, reason: str, now: datetime) -> bool:
    """End this request; False when it was over already."""
    return end(AuthenticationRequest.objects.filter(pk=request.pk), reason, now) == 1


def complete(request: AuthenticationRequest, now: datetime, **facts: object) -> bool:
    """Spend the request: tokens are given once, to whoever's update comes first."""
    return (
        AuthenticationRequest.objects.filter(
            pk=request.pk,
            purpose=Purpose.SIGN_IN,
            state__in=[RequestState.OPEN, RequestState.PASSED],
            expires_at__gt=now,
        ).update(state=RequestState.COMPLETED, ended_at=now, end_reason="tokens given", **facts)
        == 1
    )


def is_live(request: AuthenticationRequest, now: datetime) -> bool:
    return request.state in (RequestState.OPEN, RequestState.PASSED) and request.expires_at > now
