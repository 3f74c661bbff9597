"""One-time codes and links that an administrator, or the installation itself, hands over."""

from datetime import datetime
from typing import ClassVar

from django.conf import settings
from django.db import models

from identity.models import User


class InvitationPurpose(models.TextChoices):
    ENROLMENT = "enrolment", "to enrol the first authenticator, where the policy asks for an invitation"
    PASSWORD = "password", "to choose a password by a link"


class InvitationManager(models.Manager["Invitation"]):
    def spend_all(self, user: User, purpose: InvitationPurpose, now: datetime) -> int:
        """The account's unspent ones of this purpose open nothing any more; how many there were."""
        return self.filter(user=user, purpose=purpose, spent_at__isnull=True).update(spent_at=now)


class Invitation(models.Model):
    """A one-time code; kept as a keyed digest, spent by a conditional update."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="invitations")
    purpose = models.CharField(
        max_length=16,
        choices=InvitationPurpose.choices,
        default=InvitationPurpose.ENROLMENT,
        db_default=InvitationPurpose.ENROLMENT,
    )
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    expires_at = models.DateTimeField(db_index=True)
    spent_at = models.DateTimeField(null=True)

    objects: ClassVar[InvitationManager] = InvitationManager()

    def __str__(self) -> str:
        return f"invitation of {self.created_at:%Y-%m-%d}"
