"""A user's data key: everything of theirs that is secret is sealed under it."""

from django.conf import settings
from django.db import models


class DataKey(models.Model):
    """32 bytes, themselves sealed under MFA_SECRET_KEYS. Deleting the row makes all that it sealed unreadable."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, primary_key=True, on_delete=models.CASCADE, related_name="data_key"
    )
    sealed = models.BinaryField()
    sealed_under = models.CharField(max_length=32, db_index=True, help_text="the kid, for key rotation")
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"data key of {self.user_id}"
