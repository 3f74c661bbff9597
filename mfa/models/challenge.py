"""A challenge: one request for proof by a delivered code or link, with an expiry."""

import uuid

from django.db import models


class ChallengeState(models.TextChoices):
    OPEN = "open"
    ANSWERED = "answered"
    APPROVED = "approved"
    REFUSED = "refused"
    SUPERSEDED = "superseded"


class ChallengeMode(models.IntegerChoices):
    LINK = 1, "Link"
    OTP = 2, "OTP"


class Challenge(models.Model):
    """Codes and link tokens are kept as keyed digests; a new challenge supersedes the open one of its request."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    request = models.ForeignKey("mfa.AuthenticationRequest", on_delete=models.CASCADE, related_name="challenges")
    authenticator = models.ForeignKey("mfa.Authenticator", on_delete=models.CASCADE, related_name="challenges")
    mode = models.PositiveSmallIntegerField(choices=ChallengeMode.choices)
    state = models.CharField(max_length=16, choices=ChallengeState.choices, default=ChallengeState.OPEN)
    digest = models.CharField(max_length=64, db_index=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["request"], condition=models.Q(state="open"), name="one_open_challenge_each_request"
            )
        ]

    def __str__(self) -> str:
        return f"{ChallengeMode(self.mode).label} challenge ({self.state})"
