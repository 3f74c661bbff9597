"""Authentication requests: opened by a right password, found by their id, spent once, ended by what overtakes them."""

import hashlib
import os
import re
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from django.db.models import QuerySet

from identity import rows
from identity.models import Client, User
from identity.oauth import client_rows
from identity.rows import Rows, Step
from mfa import conf
from mfa.models import AuthenticationRequest, DataKey
from mfa.models.authentication_request import PassedBy, Purpose, RequestState
from mfa.outcomes import Finding, Origin

# A sixth open request ends the oldest (the contract's section 2.2).
OPEN_AT_ONCE = 5
_REQUEST, _USER, _KEY = Rows(AuthenticationRequest, "r"), Rows(User, "u"), Rows(DataKey, "k")
TRIES_OF_A_REQUEST = 5
_LIVE = "state IN ('open', 'passed') AND expires_at > %(now)s"
_OTHERS = f"""(SELECT count(*) FROM mfa_authenticationrequest r
WHERE r.user_id = %(owner)s AND r.digest <> %(own_digest)s AND r.{_LIVE})"""  # noqa: S608
_SPEND = "UPDATE mfa_authenticationrequest SET state = 'completed', ended_at = %(now)s, end_reason = 'tokens given', "
_OF_SIGN_IN = f"amr = %(amr)s, method = %(method)s WHERE id = %(request)s AND purpose = 'sign_in' AND {_LIVE}"
_COMPLETE = _SPEND + _OF_SIGN_IN
_COMPLETE_BY_CODE = f"{_SPEND}passed_by = 'code', passed_at = %(now)s, {_OF_SIGN_IN}"
_FORM = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)


def new_id() -> str:
    """128 bits straight from the operating system, printed as a GUID, no version bits (ASVS 5.0 11.5.1)."""
    return str(uuid.UUID(bytes=os.urandom(16)))


def digest_of(request_id: str) -> bytes:
    """What stands for the id in the database."""
    return hashlib.sha256(request_id.encode()).digest()


def find(request_id: str, *, client: Client | None = None) -> AuthenticationRequest | None:
    """The request of this id, matched exactly, with its user, data key and client; of `client` alone when given."""
    if not has_the_form(request_id):
        return None
    row = rows.one(finding(), {"digest": digest_of(request_id)})
    return read(row, client) if row else None


@cache
def finding(columns: str = "", joins: str = "") -> str:
    """The statement of `find`, for whoever reads more with it: columns before those of `read`, and their joins."""
    return (
        f"SELECT {columns}{_REQUEST.columns}, {_USER.columns}, {_KEY.columns}, c.client_id, {client_rows.REVISION} "  # noqa: S608
        "FROM mfa_authenticationrequest r JOIN identity_user u ON u.id = r.user_id "
        "LEFT JOIN mfa_datakey k ON k.user_id = u.id "
        f"LEFT JOIN identity_client c ON c.id = r.client_id {joins} WHERE r.digest = %(digest)s"
    )


def read(row: Sequence[Any], client: Client | None = None, start: int = 0) -> AuthenticationRequest | None:
    """The request that `finding` found, with user, data key and client; None where it is not of `client`."""
    request = _REQUEST.read(row, start)
    if request is None or (client is not None and request.client_id != client.pk):
        return None
    place = start + _REQUEST.width
    user = _USER.read(row, place)
    assert user is not None  # noqa: S101  A request goes with its user.
    request.user = user
    place += _USER.width
    User._meta.get_field("data_key").set_cached_value(user, _KEY.read(row, place))
    request.client = client or client_rows.of(request.client_id, *row[place + _KEY.width :])
    return request


def has_the_form(request_id: str) -> bool:
    """Whether it could be an id at all: what is none reaches no statement."""
    return _FORM.fullmatch(request_id) is not None


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
    along: Callable[[AuthenticationRequest], Sequence[Step]] | None = None,
) -> tuple[str, AuthenticationRequest]:
    """Open a request and end the oldest beyond five; returns its id as well.

    `along` says what else is to be written in the same statement; it is given the request, which has no key yet.
    Inside the caller's transaction, under its lock on the account: of two that open at once each sees the other's.
    """
    request_id = new_id()
    request = rows.new(
        AuthenticationRequest,
        digest=digest_of(request_id),
        user_id=user.pk,
        client_id=client.pk if client else None,
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
    request.user, request.client = user, client
    others_of = {"owner": user.pk, "own_digest": request.digest, "now": rows.instant(now)}
    request.pk, others = rows.together(
        rows.insertion(request, returning=("id", _OTHERS), also=others_of), *(along(request) if along else ())
    )[:2]
    if others >= OPEN_AT_ONCE:
        live = list(AuthenticationRequest.objects.open_for(user.pk, now).values_list("pk", flat=True))
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


def complete(request: AuthenticationRequest, now: datetime, *, amr: str, method: str, by_code: bool) -> bool:
    """Spend the request: tokens are given once, to whoever's update comes first."""
    step = completing(request, now, amr=amr, method=method, by_code=by_code)
    return rows.changed(step.statement, step.parameters) == 1


def completing(request: AuthenticationRequest, now: datetime, *, amr: str, method: str, by_code: bool) -> Step:
    """The same as a step of `rows.together`."""
    given = {"request": request.pk, "now": rows.instant(now), "amr": amr, "method": method}
    return Step(_COMPLETE_BY_CODE if by_code else _COMPLETE, given, decides=True)


def is_live(request: AuthenticationRequest, now: datetime) -> bool:
    return request.state in (RequestState.OPEN, RequestState.PASSED) and request.expires_at > now
