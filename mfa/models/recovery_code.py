"""Recovery codes: look-up secrets (NIST SP 800-63B-4, 3.1.2), ten in a set, each spent once."""

from django.conf import settings
from django.db import models


class RecoveryCodeSet(models.Model):
    """A user's set in force. It has a count of wrong tries of its own."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, primary_key=True, on_delete=models.CASCADE, related_name="recovery_codes"
    )
    generation = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField()
    failures = models.PositiveIntegerField(default=0)
    rest_until = models.DateTimeField(null=True)
    disabled_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"recovery codes, set {self.generation}"


class RecoveryCode(models.Model):
    """One code, as a keyed digest."""

    set = models.ForeignKey(RecoveryCodeSet, on_delete=models.CASCADE, related_name="codes")
    generation = models.PositiveIntegerField()
    digest = models.CharField(max_length=64)
    spent_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["set", "digest"], name="recovery_code_once_in_a_set")]

    def __str__(self) -> str:
        return "recovery code, spent" if self.spent_at else "recovery code"
