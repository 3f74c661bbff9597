"""The installation's own rules about passwords and lockout: one row, made by the first migration."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models


class Installation(models.Model):
    """`lockout`, `password` and `unique_emails` of the provisioning file (the contract's section 6)."""

    unique_emails = models.BooleanField(default=False)
    lockout_attempts = models.PositiveIntegerField(
        default=5, validators=[MinValueValidator(1), MaxValueValidator(100)], help_text="wrong passwords in the window"
    )
    lockout_window = models.PositiveIntegerField(default=900, help_text="seconds in which wrong passwords add up")
    lockout_unlock_after = models.PositiveIntegerField(default=900, help_text="seconds a lock lasts")
    password_minimum_length = models.PositiveIntegerField(default=12)
    password_history = models.PositiveIntegerField(default=5, help_text="how many old passwords may not come back")
    password_expires_days = models.PositiveIntegerField(default=0, help_text="0: never")
    password_grace_logins = models.PositiveIntegerField(default=0, help_text="sign-ins after a password has expired")

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="installation_is_one_row")]

    def __str__(self) -> str:
        return "Installation"

    @classmethod
    def current(cls) -> "Installation":
        return cls.objects.get_or_create(pk=1)[0]
