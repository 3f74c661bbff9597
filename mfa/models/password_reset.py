"""A wish to have a forgotten password reset, for a name that exists or one that does not."""

from django.conf import settings
from django.db import models


class PasswordReset(models.Model):
    """`user` is empty for an unknown name: asking writes one row either way, and the sweep sends what is to be sent."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="password_resets"
    )
    digest = models.CharField(max_length=64, blank=True, help_text="keyed digest of the code, once it was sent")
    asked_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)
    address = models.CharField(max_length=64, blank=True)
    language = models.CharField(max_length=8, blank=True)
    handled_at = models.DateTimeField(null=True)
    spent_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["asked_at"], condition=models.Q(handled_at__isnull=True), name="reset_waiting"),
            models.Index(fields=["digest"], name="reset_digest"),
        ]

    def __str__(self) -> str:
        return f"password reset asked for at {self.asked_at:%Y-%m-%d %H:%M}"
