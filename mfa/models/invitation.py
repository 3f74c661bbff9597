"""An administrator's invitation to enrol the first authenticator, where the policy asks for one."""

from django.conf import settings
from django.db import models


class Invitation(models.Model):
    """A one-time code; kept as a keyed digest, spent by a conditional update."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="invitations")
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    expires_at = models.DateTimeField(db_index=True)
    spent_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"invitation of {self.created_at:%Y-%m-%d}"
