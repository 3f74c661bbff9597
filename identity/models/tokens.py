"""django-oauth-toolkit's tables, each tied to the session it belongs to. Tokens are kept as digests only.

Its indexes on user, client and family are left out: here a session leads to its tokens, people and clients are never
deleted, and each index is written with every token.
"""

from django.conf import settings
from django.db import models
from oauth2_provider.models import AbstractAccessToken, AbstractGrant, AbstractIDToken, AbstractRefreshToken

from identity.models.sessions import Session


class AccessToken(AbstractAccessToken):
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    application = models.ForeignKey(
        "identity.Client", null=True, blank=True, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    session = models.ForeignKey(Session, null=True, on_delete=models.CASCADE, related_name="access_tokens")
    jti = models.CharField(max_length=36, blank=True)

    class Meta:
        indexes = [models.Index(fields=["expires"], name="access_token_expires")]


class RefreshToken(AbstractRefreshToken):
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False)
    application = models.ForeignKey("identity.Client", on_delete=models.CASCADE, related_name="+", db_index=False)
    session = models.ForeignKey(Session, null=True, on_delete=models.CASCADE, related_name="refresh_tokens")
    scope = models.TextField(blank=True)
    expires = models.DateTimeField()

    class Meta:
        # Without `revoked`, so that spending a token leaves every index as it is.
        constraints = [models.UniqueConstraint(fields=["token_checksum"], name="refresh_token_checksum")]
        indexes = [models.Index(fields=["expires"], name="refresh_token_expires")]


class Grant(AbstractGrant):
    """An authorization code, as the digest of what the client presents. Spent, it is kept to notice a second use."""

    spent_at = models.DateTimeField(null=True)
    session = models.ForeignKey(Session, null=True, on_delete=models.CASCADE, related_name="grants")

    class Meta:
        indexes = [models.Index(fields=["expires"], name="grant_expires")]


class IDToken(AbstractIDToken):
    """The library asks for this table; ID tokens are signed and not kept."""
