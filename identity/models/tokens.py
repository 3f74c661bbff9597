"""django-oauth-toolkit's tables, each tied to the session it belongs to. Tokens are kept as digests only."""

from django.db import models
from oauth2_provider.models import AbstractAccessToken, AbstractGrant, AbstractIDToken, AbstractRefreshToken

from identity.models.sessions import Session


class AccessToken(AbstractAccessToken):
    session = models.ForeignKey(Session, null=True, on_delete=models.CASCADE, related_name="access_tokens")
    jti = models.CharField(max_length=36, blank=True)

    class Meta:
        indexes = [models.Index(fields=["expires"], name="access_token_expires")]


class RefreshToken(AbstractRefreshToken):
    session = models.ForeignKey(Session, null=True, on_delete=models.CASCADE, related_name="refresh_tokens")
    scope = models.TextField(blank=True)
    expires = models.DateTimeField()

    class Meta:
        unique_together = ("token_checksum", "revoked")
        indexes = [
            models.Index(fields=["token_family"], name="refresh_token_family"),
            models.Index(fields=["expires"], name="refresh_token_expires"),
        ]


class Grant(AbstractGrant):
    """An authorization code, as the digest of what the client presents. Spent, it is kept to notice a second use."""

    spent_at = models.DateTimeField(null=True)
    session = models.ForeignKey(Session, null=True, on_delete=models.CASCADE, related_name="grants")

    class Meta:
        indexes = [models.Index(fields=["expires"], name="grant_expires")]


class IDToken(AbstractIDToken):
    """The library asks for this table; ID tokens are signed and not kept."""
