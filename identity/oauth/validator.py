"""What django-oauth-toolkit asks us: who the client is, what it may, and how tokens are kept.

Its persistence is replaced where it cost statements that buy nothing here: rotation is one conditional update,
which also decides between two uses of one refresh token, and ending a family is ending its session.
"""

import hashlib
import re
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from oauthlib.common import Request
from oauthlib.oauth2.rfc6749 import errors

from identity import conf, rows
from identity.models import AccessToken, Client, RefreshToken, Session, User
from identity.oauth import claims
from identity.oauth.scopes import granted
from identity.primitives.imports import on_first_use

with on_first_use("requests", "urllib3"):  # 5 MB for asking other servers, which nobody does here.
    from oauth2_provider.oauth2_validators import OAuth2Validator

_ON_LOOPBACK = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]))(?::[0-9]{1,5})?((?:[/?].*)?)")


def checksum(token: str) -> str:
    """Only this is ever written to the database."""
    return hashlib.sha256(token.encode()).hexdigest()


def find_refresh_token(token: str) -> RefreshToken | None:
    """The refresh token with its session and user, live or not."""
    return RefreshToken.objects.select_related("session", "user").filter(token_checksum=checksum(token)).first()


def refresh_row(token: str, session: Session, scope: str, now: datetime, *, user: User, client: Client) -> RefreshToken:
    """What is kept of a refresh token: its digest, in the family of its session. Yet to be written."""
    return rows.new(
        RefreshToken,
        user_id=user.pk,
        application_id=client.pk,
        session_id=session.pk,
        token="",
        token_checksum=checksum(token),
        token_family=session.pk,
        scope=scope,
        expires=now + timedelta(seconds=conf.refresh_token_lifetime()),
        created=now,
        updated=now,
    )


def _without_port(redirect_uri: str) -> str:
    """Of an address on loopback all but the port, which a native application takes as it comes; any other as it is."""
    found = _ON_LOOPBACK.fullmatch(redirect_uri)
    return f"{found[1]}{found[2]}" if found else redirect_uri


class StepwardValidator(OAuth2Validator):
    """The library's validator with our clients, our keys and our sessions."""

    def authenticate_client(self, request: Request, *args: Any, **kwargs: Any) -> bool:
        """The view has authenticated the client already and passes it along; nobody else calls."""
        return isinstance(request.client, Client)

    def authenticate_client_id(self, client_id: str, request: Request, *args: Any, **kwargs: Any) -> bool:
        return isinstance(request.client, Client) and request.client.is_public

    def client_authentication_required(self, request: Request, *args: Any, **kwargs: Any) -> bool:
        return True

    def validate_grant_type(
        self, client_id: str, grant_type: str, client: Client, request: Request, *args: Any, **kwargs: Any
    ) -> bool:
        if grant_type == "client_credentials" and client.is_public:
            return False  # RFC 6749, 4.4: confidential clients only.
        return client.allows_grant_type(grant_type)

    def access_token(self, request: Request) -> str:
        """The access token itself; a session is opened for a new sign-in, and a refreshed one keeps its own."""
        now = timezone.now()
        session: Session | None = getattr(request, "session", None)
        token, request.jti = claims.access_token(
            client=request.client, scopes=list(request.scopes), session=session, user=request.user, now=now
        )
        return token

    def save_bearer_token(self, token: dict[str, Any], request: Request, *args: Any, **kwargs: Any) -> None:
        """Keep the digests. For a refresh the old token is spent first: only one of two callers gets past that."""
        now = timezone.now()
        session: Session | None = getattr(request, "session", None)
        old: RefreshToken | None = getattr(request, "refresh_token_instance", None)
        # A refresh that comes too late takes all of this back, and what is said of it stays: so it has a savepoint.
        with transaction.atomic(savepoint=old is not None):
            if old is not None and not self._spend(old, now):
                request.reused = True
                raise errors.InvalidGrantError(request=request)
            if old is not None and not self._is_going_on(session, now):
                raise errors.InvalidGrantError(request=request)
            if session is None:
                # A client's own token. A person's is not kept: its signature and its session say what it is worth.
                AccessToken.objects.create(
                    application=request.client,
                    token="",
                    token_checksum=checksum(token["access_token"]),
                    jti=request.jti,
                    expires=now + timedelta(seconds=token["expires_in"]),
                    scope=token["scope"],
                )
            elif "refresh_token" in token:
                scope = getattr(request, "family_scope", token["scope"])
                kept = refresh_row(
                    token["refresh_token"], session, scope, now, user=request.user, client=request.client
                )
                rows.insert(kept)

    def validate_refresh_token(
        self, refresh_token: str, client: Client, request: Request, *args: Any, **kwargs: Any
    ) -> bool:
        """Whether the token is live and this client's. One that was spent before ends its family (RFC 9700, 4.14)."""
        now = timezone.now()
        found: RefreshToken | None = request.found_refresh_token
        if found is None or found.session is None:
            return False
        request.session, request.user = found.session, found.user
        if found.application_id != client.pk or found.revoked is not None:
            # Another client's hands, or a second use: either way the token has leaked.
            request.reused = True
            return False
        if found.expires <= now or found.session.ended_at is not None:
            return False
        request.refresh_token_instance = found
        request.family_scope = found.scope
        return True

    def get_original_scopes(self, refresh_token: str, request: Request, *args: Any, **kwargs: Any) -> list[str]:
        return str(request.refresh_token_instance.scope).split()

    def is_within_original_scope(
        self, request_scopes: list[str], refresh_token: str, request: Request, *args: Any, **kwargs: Any
    ) -> bool:
        return set(request_scopes) <= set(request.refresh_token_instance.scope.split())

    def rotate_refresh_token(self, request: Request) -> bool:
        return True

    def get_default_scopes(self, client_id: str, request: Request, *args: Any, **kwargs: Any) -> list[str]:
        return granted(request.client, []) or []

    def validate_scopes(
        self, client_id: str, scopes: list[str], client: Client, request: Request, *args: Any, **kwargs: Any
    ) -> bool:
        return granted(client, scopes) is not None

    # The authorization code grant: `identity.oauth.authorization` passes the kept grant along as `found_grant`.

    def validate_client_id(self, client_id: str, request: Request, *args: Any, **kwargs: Any) -> bool:
        if "\x00" in client_id:  # PostgreSQL takes none in a text.
            return False
        request.client = Client.objects.filter(client_id=client_id, is_active=True).first()
        return request.client is not None

    def validate_redirect_uri(
        self, client_id: str, redirect_uri: str, request: Request, *args: Any, **kwargs: Any
    ) -> bool:
        """Exactly one of those registered (RFC 9700, 4.1.3); on loopback with any port (RFC 8252, 7.3)."""
        registered = request.client.redirect_uris.split()
        return _without_port(redirect_uri) in [_without_port(uri) for uri in registered]

    def validate_response_type(
        self, client_id: str, response_type: str, client: Client, request: Request, *args: Any, **kwargs: Any
    ) -> bool:
        return response_type == "code" and client.allows_grant_type("authorization_code")

    def is_pkce_required(self, client_id: str, request: Request) -> bool:
        return True

    def validate_code(
        self, client_id: str, code: str, client: Client, request: Request, *args: Any, **kwargs: Any
    ) -> bool:
        request.user, request.scopes = request.found_grant.user, request.found_grant.scope.split()
        return bool(request.found_grant.application_id == client.pk)

    def get_code_challenge(self, code: str, request: Request) -> str:
        return str(request.found_grant.code_challenge)

    def get_code_challenge_method(self, code: str, request: Request) -> str:
        return "S256"

    def confirm_redirect_uri(
        self, client_id: str, code: str, redirect_uri: str, client: Client, request: Request, *args: Any, **kwargs: Any
    ) -> bool:
        """What was asked with, port and all. Only where it was left out then it may be now (RFC 6749, 4.1.3)."""
        asked_with = request.found_grant.redirect_uri
        if not asked_with:
            return redirect_uri in client.redirect_uris.split()
        return bool(not request.using_default_redirect_uri and redirect_uri == asked_with)

    @staticmethod
    def _is_going_on(session: Session | None, now: Any) -> bool:
        """Note that the session is used; False when it ended while this refresh was under way."""
        if session is None:
            return False
        return Session.objects.filter(pk=session.pk, ended_at__isnull=True).update(last_used_at=now) == 1

    @staticmethod
    def _spend(old: RefreshToken, now: Any) -> bool:
        return RefreshToken.objects.filter(pk=old.pk, revoked__isnull=True).update(revoked=now) == 1
