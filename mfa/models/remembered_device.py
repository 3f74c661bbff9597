"""A device on which the second factor was passed and need not be for some days."""

from django.conf import settings
from django.db import models


class RememberedDevice(models.Model):
    """Bound to user and client; its token rotates at each use and is kept as a keyed digest."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="remembered_devices")
    client = models.ForeignKey("identity.Client", on_delete=models.CASCADE, related_name="+")
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField()
    last_used_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)
    revoked_at = models.DateTimeField(null=True)
    user_agent = models.CharField(max_length=200, blank=True)
    address = models.CharField(max_length=64, blank=True)

    def __str__(self) -> str:
        return f"device remembered on {self.created_at:%Y-%m-%d}"
