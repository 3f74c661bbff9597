"""Keys that the installation makes for itself and keeps sealed under MFA_SECRET_KEYS."""

from django.db import models


class KeyPurpose(models.TextChoices):
    SIGNING = "signing", "signs tokens"
    DIGEST = "digest", "keys the digests of short secrets"


class SealedKey(models.Model):
    """One key. `slot` is unique, so that of two processes which make the first key only one keeps its own."""

    slot = models.CharField(max_length=64, unique=True)
    purpose = models.CharField(max_length=16, choices=KeyPurpose.choices)
    kid = models.CharField(max_length=64, unique=True)
    public_jwk = models.JSONField(null=True)
    sealed = models.BinaryField()
    created_at = models.DateTimeField()
    signs_from = models.DateTimeField(help_text="published at once, used for signing from here on")
    published_until = models.DateTimeField(null=True, help_text="tokens it signed are over by then")

    class Meta:
        indexes = [models.Index(fields=["purpose", "signs_from"], name="sealed_key_purpose")]

    def __str__(self) -> str:
        return f"{self.purpose} {self.kid}"
