"""A session: what one completed sign-in allows, until it ends. Its tokens are one refresh family."""

import uuid

from django.db import models


class Session(models.Model):
    """`id` is the `sid` claim. Once `ended_at` is set, none of its tokens is good any more."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(  # `session_of_user` serves it.
        "identity.User", on_delete=models.CASCADE, related_name="sessions", db_index=False
    )
    client = models.ForeignKey(  # Clients are never deleted.
        "identity.Client", null=True, on_delete=models.CASCADE, related_name="sessions", db_index=False
    )
    auth_time = models.DateTimeField()
    amr = models.CharField(max_length=64, help_text="space separated, RFC 8176")
    acr = models.CharField(max_length=8)
    address = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=200, blank=True)
    last_used_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    end_reason = models.CharField(max_length=32, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["user", "ended_at"], name="session_of_user"),
            models.Index(fields=["last_used_at"], name="session_last_used"),
        ]

    def __str__(self) -> str:
        return f"session of {self.auth_time:%Y-%m-%d %H:%M}"
