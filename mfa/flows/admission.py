"""A submitted code's way in: counted against its request and its app, and everything read that it is compared with.

On PostgreSQL one statement does all of it, which commits by itself: nothing is compared before it has, and nothing
that fails later takes the counts back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from identity import rows
from identity.errors import OutdatedClient
from identity.models import Client, User
from identity.oauth import client_rows
from identity.primitives import lockout_schedule
from identity.rows import Rows
from mfa.flows import people, requests
from mfa.models import AuthenticationRequest, Authenticator, DataKey
from mfa.models.authenticator import Kind

_REQUEST, _RETURNED = Rows(AuthenticationRequest, "r"), Rows(AuthenticationRequest, "mfa_authenticationrequest")
_USER, _KEY, _AUTHENTICATOR = Rows(User, "u"), Rows(DataKey, "k"), Rows(Authenticator, "a")
_COUNT = f"""
UPDATE mfa_authenticationrequest SET failures = failures + 1
WHERE digest = %(digest)s AND client_id = %(client)s AND state = 'open' AND expires_at > %(now)s
  AND purpose <> 'enrolment' AND failures < {requests.TRIES_OF_A_REQUEST}"""  # noqa: S608  Nothing in these is given.
_OF_NAME = " AND user_id = (SELECT id FROM identity_user WHERE username_key = %(name)s)"
_IF_CURRENT = f" AND {client_rows.IF_CURRENT}"
_NEXT = "mfa_authenticator.failures + 1"


def _rests() -> str:
    """`lockout_schedule` as an expression: until when an app rests after its next wrong code."""
    cases, number = [], lockout_schedule.FREE_TRIES
    while (seconds := lockout_schedule.rest_seconds(number)) < lockout_schedule.LONGEST_REST_SECONDS:
        cases.append(f"WHEN {_NEXT} = {number} THEN %(now)s + INTERVAL '{seconds} seconds'")
        number += 1
    longest = f"%(now)s + INTERVAL '{lockout_schedule.LONGEST_REST_SECONDS} seconds'"
    return f"CASE WHEN {_NEXT} < {lockout_schedule.FREE_TRIES} THEN NULL {' '.join(cases)} ELSE {longest} END"


def _with_everything(count: str) -> str:
    return f"""
WITH r AS ({count} RETURNING *),
counted AS (
  UPDATE mfa_authenticator SET failures = {_NEXT}, rest_until = {_rests()},
    disabled_at = CASE WHEN {_NEXT} >= {lockout_schedule.DISABLED_AFTER} THEN %(now)s END
  FROM r
  WHERE mfa_authenticator.id = %(app)s AND mfa_authenticator.user_id = r.user_id
    AND mfa_authenticator.kind = {Kind.APP.value} AND mfa_authenticator.disabled_at IS NULL
    AND (mfa_authenticator.rest_until IS NULL OR mfa_authenticator.rest_until <= %(now)s)
  RETURNING mfa_authenticator.id, mfa_authenticator.failures)
SELECT {_REQUEST.columns}, {_USER.columns}, {_AUTHENTICATOR.columns}, {_KEY.columns}, counted.failures
FROM r JOIN identity_user u ON u.id = r.user_id
LEFT JOIN mfa_authenticator a ON a.user_id = u.id
LEFT JOIN counted ON counted.id = a.id
LEFT JOIN mfa_datakey k ON k.user_id = u.id
ORDER BY a.id"""  # noqa: S608


@cache
def _statement(vendor: str, *, of_name: bool, if_current: bool) -> str:
    count = f"{_COUNT}{_OF_NAME if of_name else ''}{_IF_CURRENT if if_current else ''}"
    return _with_everything(count) if vendor == "postgresql" else f"{count} RETURNING {_RETURNED.columns}"


@dataclass(frozen=True, slots=True)
class Admitted:
    """An admitted try: the request with its user and client, and what the person holds.

    `counted` says whether the app that was meant takes a try now; None where it is yet to be asked (`tries.admit`).
    """

    request: AuthenticationRequest
    authenticators: list[Authenticator]
    counted: bool | None


def admit(request_id: str, client: Client, name_key: str, app: UUID | None, now: datetime) -> Admitted | None:
    """Count a try against the client's open request of this id; None when it takes none (any more).

    `name_key` "" stands for whomever it belongs to. `app` is the authenticator that is meant, if an app could be: it is
    counted as well, unless it rests. Raises OutdatedClient, and counts nothing, where `client` has changed.
    """
    if not requests.has_the_form(request_id):
        return None
    given = {
        "digest": requests.digest_of(request_id),
        "client": client.pk,
        "name": name_key,
        "now": rows.instant(now),
        "rules_revision": client.rules_revision,
    }
    is_kept = client.rules_revision is not None
    statement = _statement(rows.vendor(), of_name=bool(name_key), if_current=is_kept)
    if rows.vendor() == "postgresql":
        admitted = _all_at_once(statement, given, client, app)
    else:
        admitted = _one_by_one(statement, given, client)
    if admitted is None and is_kept and not client_rows.is_current(client):
        raise OutdatedClient
    return admitted


def _all_at_once(statement: str, given: dict[str, Any], client: Client, app: UUID | None) -> Admitted | None:
    found = rows.every(statement, {**given, "app": app})
    request = _REQUEST.read(found[0]) if found else None
    if request is None:
        return None
    request.user, authenticators = people.read(found, _REQUEST.width)
    request.client = client
    return Admitted(request, authenticators, _was_counted(found, authenticators, app))


def _one_by_one(statement: str, given: dict[str, Any], client: Client) -> Admitted | None:
    row = rows.one(statement, given)
    request = _RETURNED.read(row) if row else None
    held = people.with_authenticators(request.user_id) if request else None
    if request is None or held is None:
        return None
    request.user, request.client = held[0], client
    return Admitted(request, held[1], None)


def _was_counted(found: Sequence[Sequence[Any]], authenticators: list[Authenticator], app: UUID | None) -> bool | None:
    for row, authenticator in zip(found, authenticators, strict=False):  # Somebody without any has a row as well.
        if authenticator.pk == app and authenticator.kind == Kind.APP:
            if row[-1] is None:
                return False
            authenticator.failures = row[-1]
            return True
    return None
