"""Tokens: given for a completed sign-in and nothing else, renewed, and ended."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F

from identity import conf, rows
from identity.flows import accounts, audit
from identity.models import AccessToken, AuditEvent, Client, RefreshToken, Session, User
from identity.oauth import claims, jwt, server
from identity.oauth.validator import checksum, find_refresh_token, refresh_row
from identity.outcomes import CompletedSignIn, IssuedTokens
from identity.rows import Step


@dataclass(frozen=True, slots=True)
class OAuthAnswer:
    """What an OAuth endpoint answers: a status and a document."""

    status: int
    document: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Bearer:
    """Whoever presents a good access token: the claims in it, and whose it is (None: a client's own)."""

    claims: dict[str, Any]
    user: User | None

    @property
    def scopes(self) -> list[str]:
        return str(self.claims["scope"]).split()


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a completed sign-in comes to: a session, tokens where a client asked, and what the trail says of it.

    None of it is written yet: `steps` do that, and `tell` is due after them.
    """

    session: Session
    events: tuple[AuditEvent, ...]
    tokens: IssuedTokens | None = None
    refresh: RefreshToken | None = field(default=None, repr=False)

    def steps(self) -> list[Step]:
        """In their order: a refresh token belongs to the session."""
        written = [self.session, self.refresh] if self.refresh else [self.session]
        return [*(rows.insertion(each) for each in written), audit.step(*self.events)]

    def tell(self) -> None:
        audit.tell(*self.events)


def prepare(
    completed: CompletedSignIn, now: datetime, *, nonce: str = "", along_with: tuple[AuditEvent, ...] = ()
) -> Prepared:
    """A session, its tokens and its audit event; `along_with` are events of the same fact."""
    session, scopes = _session(completed, now), list(completed.scopes)
    access, _ = claims.access_token(
        client=completed.client, scopes=scopes, session=session, user=completed.user, now=now
    )
    id_token = None
    if "openid" in scopes:
        id_token = claims.id_token(
            client=completed.client,
            scopes=scopes,
            session=session,
            user=completed.user,
            access=access,
            nonce=nonce,
            now=now,
        )
    refresh_token = server.new_refresh_token() if "offline_access" in scopes else None
    event = audit.event_of(
        "token.issued",
        user=completed.user,
        client=completed.client,
        address=completed.address,
        request_ref=completed.request_ref,
        detail={"amr": list(completed.amr), "acr": completed.acr, "session": str(session.pk)},
    )
    scope, refresh = " ".join(scopes), None
    if refresh_token:
        refresh = refresh_row(refresh_token, session, scope, now, user=completed.user, client=completed.client)
    return Prepared(
        session=session,
        events=(*along_with, event),
        refresh=refresh,
        tokens=IssuedTokens(
            access_token=access,
            expires_in=conf.access_token_lifetime(),
            scope=scope,
            refresh_token=refresh_token,
            id_token=id_token,
            session_id=str(session.pk),
        ),
    )


def prepare_session(completed: CompletedSignIn, now: datetime, *, along_with: tuple[AuditEvent, ...] = ()) -> Prepared:
    """A session alone, for the installation's own pages: no bearer can carry it away."""
    return Prepared(_session(completed, now), along_with)


def issue(
    completed: CompletedSignIn, now: datetime, *, nonce: str = "", along_with: tuple[AuditEvent, ...] = ()
) -> IssuedTokens:
    """Open a session and give its tokens; inside the caller's transaction, with its audit event."""
    prepared = prepare(completed, now, nonce=nonce, along_with=along_with)
    write(completed, prepared, now)
    assert prepared.tokens is not None  # noqa: S101  They were just made.
    return prepared.tokens


def write(completed: CompletedSignIn, prepared: Prepared, now: datetime) -> None:
    """Write what was prepared; inside the caller's transaction, under its lock on the account."""
    if completed.user.last_login != now:  # Else `accounts.lock_row_for_sign_in` has noted it.
        User.objects.filter(pk=completed.user.pk).update(last_login=now)
    rows.together(*prepared.steps())
    prepared.tell()


def _session(completed: CompletedSignIn, now: datetime) -> Session:
    return rows.new(
        Session,
        user_id=completed.user.pk,
        client_id=completed.client.pk,
        auth_time=completed.auth_time,
        amr=" ".join(completed.amr),
        acr=completed.acr,
        address=completed.address or None,
        user_agent=completed.user_agent[:200],
        last_used_at=now,
    )


def exchange(client: Client, parameters: dict[str, str], *, address: str, now: datetime) -> OAuthAnswer:
    """The grants that need no ceremony: `refresh_token` and `client_credentials` (RFC 6749, 6 and 4.4).

    A refresh token used twice, or by another client, ends its whole family (RFC 9700, 4.14.2).
    """
    token = parameters.get("refresh_token") if parameters["grant_type"] == "refresh_token" else None
    found = find_refresh_token(token) if token else None
    user = found.user if found else None
    if user is not None and accounts.states(user, client, now) and found is not None and found.application == client:
        audit.record("token.refused", outcome="refused", reason="account", user=user, client=client, address=address)
        return OAuthAnswer(400, {"error": "invalid_grant"})
    with transaction.atomic():
        done = server.exchange(client, parameters, found)
        if done.reused and done.session is not None:
            end_session(done.session, "refresh token reused", now)
            reason = "refresh_token_reused"
        else:
            reason = "" if done.status == 200 else str(done.document.get("error", ""))
        audit.record(
            "token.refreshed" if parameters["grant_type"] == "refresh_token" else "token.issued",
            outcome="success" if done.status == 200 else "refused",
            reason=reason,
            user=user,
            client=client,
            address=address,
        )
    return OAuthAnswer(done.status, done.document)


def bearer(token: str, now: datetime) -> Bearer | None:
    """Who presents this access token; None when it is not ours, is over, was revoked, or its session has ended."""
    found = jwt.read(token, typ="at+jwt", now=now)
    if found is None:
        return None
    if "sid" in found:
        return _of_session(found, now)
    kept = (
        AccessToken.objects.select_related("application")
        .filter(token_checksum=checksum(token), expires__gt=now)
        .first()
    )
    if kept is None or kept.application is None or not kept.application.is_active:
        return None
    return Bearer(found, None)


def _of_session(found: dict[str, Any], now: datetime) -> Bearer | None:
    """A person's token is good as long as its session is: the token itself is not kept."""
    session = _session_of(found)
    if session is None or session.ended_at is not None or session.client is None or not session.client.is_active:
        return None
    return None if accounts.states(session.user, None, now) else Bearer(found, session.user)


def _session_of(claims: dict[str, Any]) -> Session | None:
    sessions = Session.objects.select_related("user", "client")
    return sessions.filter(pk=claims["sid"], client__client_id=claims["client_id"]).first()


def refresh_is_live(token: str, client: Client, now: datetime) -> RefreshToken | None:
    """The client's own refresh token when it could be used now: what introspection asks (RFC 7662)."""
    found = find_refresh_token(token)
    if found is None or found.application_id != client.pk or found.revoked is not None or found.expires <= now:
        return None
    return found if found.session is not None and found.session.ended_at is None else None


def end_session(session: Session, reason: str, now: datetime) -> None:
    """End one family; its access tokens are refused here from now on."""
    Session.objects.filter(pk=session.pk, ended_at__isnull=True).update(ended_at=now, end_reason=reason[:32])


def end_sessions(user: User, reason: str, now: datetime) -> int:
    """End every session of the account, at clients and in browsers; how many there were."""
    User.objects.filter(pk=user.pk).update(session_epoch=F("session_epoch") + 1)
    return Session.objects.filter(user=user, ended_at__isnull=True).update(ended_at=now, end_reason=reason[:32])


def revoke(client: Client, token: str, now: datetime) -> None:
    """End the session of the client's own token (RFC 7009, 2.1); another client's is left alone."""
    digest = {"token_checksum": checksum(token), "application": client}
    refresh = RefreshToken.objects.select_related("session__user").filter(**digest).first()
    if refresh is not None:
        return _revoke(client, refresh.session, now)
    claims = jwt.read(token, typ="at+jwt", now=now)
    if claims is not None and claims["client_id"] == client.client_id and "sid" in claims:
        return _revoke(client, _session_of(claims), now)
    with transaction.atomic():
        if AccessToken.objects.filter(**digest).delete()[0]:
            audit.record("token.revoked", client=client)
    return None


def _revoke(client: Client, session: Session | None, now: datetime) -> None:
    if session is None:
        return
    with transaction.atomic():
        end_session(session, "revoked", now)
        audit.record("token.revoked", user=session.user, client=client)
