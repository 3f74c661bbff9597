"""The installation's own rules about passwords and lockout: one row, made by the first migration."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

# The least and the most of each: what the panel, the REST calls and a provisioning file take alike. Of days that lie
# past the calendar's end no expiry could be told, and a length past every password's would let nobody in again.
BOUNDS = {
    "lockout_attempts": (1, 100),
    "lockout_window": (1, 366 * 86400),
    "lockout_unlock_after": (1, 366 * 86400),
    "password_minimum_length": (1, 128),
    "password_history": (0, 100),
    "password_expires_days": (0, 36_500),
    "password_grace_logins": (0, 10_000),
}


def _bounded(name: str, default: int, help_text: str = "") -> "models.PositiveIntegerField[int, int]":
    least, most = BOUNDS[name]
    validators = [MinValueValidator(least), MaxValueValidator(most)]
    return models.PositiveIntegerField(default=default, validators=validators, help_text=help_text)


class Installation(models.Model):
    """`lockout`, `password` and `unique_emails` of the provisioning file (the contract's section 6)."""

    unique_emails = models.BooleanField(default=False)
    lockout_attempts = _bounded("lockout_attempts", 5, "wrong passwords in the window")
    lockout_window = _bounded("lockout_window", 900, "seconds in which wrong passwords add up")
    lockout_unlock_after = _bounded("lockout_unlock_after", 900, "seconds a lock lasts")
    password_minimum_length = _bounded("password_minimum_length", 12)
    password_history = _bounded("password_history", 5, "how many old passwords may not come back")
    password_expires_days = _bounded("password_expires_days", 0, "0: never")
    password_grace_logins = _bounded("password_grace_logins", 0, "sign-ins after a password has expired")

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="installation_is_one_row")]

    def __str__(self) -> str:
        return "Installation"

    @classmethod
    def current(cls) -> "Installation":
        return cls.objects.get_or_create(pk=1)[0]
