"""What the installation, a client or a group asks of a second factor; the strictest of all that apply wins."""

from django.core.validators import MaxValueValidator
from django.db import models


class Mode(models.TextChoices):
    OFF = "off"
    OPTIONAL = "optional"
    REQUIRED = "required"


class FirstEnrolment(models.TextChoices):
    PASSWORD = "password", "the password is enough"
    INVITATION = "invitation", "an administrator's invitation is needed"


def every_transport() -> list[str]:
    return ["MicrosoftAuthenticator", "Email", "SMS"]


class MfaPolicy(models.Model):
    """The `mfa` block of the provisioning file. Exactly one of installation, client and group is set."""

    installation = models.OneToOneField(
        "identity.Installation", null=True, blank=True, on_delete=models.CASCADE, related_name="mfa_policy"
    )
    client = models.OneToOneField(
        "identity.Client", null=True, blank=True, on_delete=models.CASCADE, related_name="mfa_policy"
    )
    group = models.OneToOneField(
        "identity.Group", null=True, blank=True, on_delete=models.CASCADE, related_name="mfa_policy"
    )
    mode = models.CharField(max_length=16, choices=Mode.choices, default=Mode.REQUIRED)
    transports = models.JSONField(default=every_transport)
    grace_logins = models.PositiveIntegerField(default=0)
    remember_days = models.PositiveIntegerField(default=0, validators=[MaxValueValidator(365)])
    first_enrolment = models.CharField(max_length=16, choices=FirstEnrolment.choices, default=FirstEnrolment.PASSWORD)
    enrolment_url = models.URLField(blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="mfa_policy_has_one_subject",
                condition=(
                    models.Q(installation__isnull=False, client__isnull=True, group__isnull=True)
                    | models.Q(installation__isnull=True, client__isnull=False, group__isnull=True)
                    | models.Q(installation__isnull=True, client__isnull=True, group__isnull=False)
                ),
            )
        ]
        verbose_name = "MFA policy"
        verbose_name_plural = "MFA policies"

    def __str__(self) -> str:
        return f"MFA policy of {self.client or self.group or 'the installation'}"
