"""Browser sign-in for a client: an authorization code for who is signed in, and tokens for the code."""

from datetime import datetime

from django.db import transaction

from identity.flows import accounts, audit, tokens
from identity.flows.tokens import OAuthAnswer
from identity.models import Client, Grant, Session
from identity.oauth import authorization
from identity.oauth.authorization import Asked, Refused
from mfa.flows import policy, sign_in
from mfa.models.policy import Mode
from mfa.outcomes import Origin


def needs_sign_in(asked: Asked, session: Session | None, now: datetime) -> bool:
    """Whether the person must sign in (again) before a code may be given (OpenID Connect Core, 3.1.2.1)."""
    if session is None or "login" in asked.prompts:
        return True
    if asked.max_age is not None and (now - session.auth_time).total_seconds() > asked.max_age:
        return True
    # A client that a second factor guards is not entered through a session that has none (ATTACKS A29, A34).
    required = policy.effective(session.user, asked.client).mode == Mode.REQUIRED
    return (required or "2" in asked.acr_values) and session.acr != "2"


def grant(asked: Asked, session: Session, origin: Origin, now: datetime) -> str | Refused:
    """The address that brings the client its code; refused when the account has no business there."""
    if accounts.states(session.user, asked.client, now):
        audit.record(
            "authorization.refused",
            outcome="refused",
            reason="account",
            user=session.user,
            client=asked.client,
            address=origin.address,
        )
        return authorization.back(asked.redirect_uri, asked.state, "access_denied")
    with transaction.atomic():
        location = authorization.grant_code(asked, session, now)
        audit.record("authorization.granted", user=session.user, client=asked.client, address=origin.address)
    return location


def exchange(client: Client, parameters: dict[str, str], origin: Origin, now: datetime) -> OAuthAnswer:
    """Tokens for a code: once, for its own client, address and verifier. A second use ends what the first one gave."""
    found = authorization.find_grant(parameters.get("code", ""))
    if found is None:
        return _refused(None, client, "unknown_code", origin)
    if found.spent_at is not None or found.application_id != client.pk:
        with transaction.atomic():
            return _leaked(found, client, origin, now)
    if found.expires <= now or not authorization.is_redeemable(client, parameters, found):
        return _refused(found, client, "code_not_redeemable", origin)
    with transaction.atomic():
        return _give(found, client, origin, now)


def _give(found: Grant, client: Client, origin: Origin, now: datetime) -> OAuthAnswer:
    session = found.session
    if session is None or not _spend(found, now):
        return _leaked(found, client, origin, now)
    completed = sign_in.from_browser(session, client, tuple(found.scope.split()), origin, now)
    if completed is None:
        return _refused(found, client, "account", origin)
    issued = tokens.issue(completed, now, nonce=found.nonce)
    Grant.objects.filter(pk=found.pk).update(session_id=issued.session_id)
    document = {
        "access_token": issued.access_token,
        "token_type": "Bearer",
        "expires_in": issued.expires_in,
        "scope": issued.scope,
    }
    document |= {"refresh_token": issued.refresh_token} if issued.refresh_token else {}
    document |= {"id_token": issued.id_token} if issued.id_token else {}
    return OAuthAnswer(200, document)


def _spend(found: Grant, now: datetime) -> bool:
    """Whether this use is the first one; of several at once the others wait for it, and see what it gave."""
    return Grant.objects.filter(pk=found.pk, spent_at__isnull=True).update(spent_at=now) == 1


def _leaked(found: Grant, client: Client, origin: Origin, now: datetime) -> OAuthAnswer:
    """Somebody else holds the code too, or has used it first: what it gave is over (RFC 6749, 4.1.2; ATTACKS A46)."""
    if not _spend(found, now):
        given = Session.objects.filter(grants=found).first()
        if given is not None:
            tokens.end_session(given, "code used twice", now)
    return _refused(found, client, "code_leaked", origin)


def _refused(found: Grant | None, client: Client, reason: str, origin: Origin) -> OAuthAnswer:
    audit.record(
        "token.refused",
        outcome="refused",
        reason=reason,
        user=found.user if found else None,
        client=client,
        address=origin.address,
    )
    return OAuthAnswer(400, {"error": "invalid_grant"})
