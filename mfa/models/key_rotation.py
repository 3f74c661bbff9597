"""A change of the key that seals data keys: who began it and why, how far it is, when it ended."""

from django.db import models


class RotationState(models.TextChoices):
    RUNNING = "running"
    FINISHED = "finished"
    SUPERSEDED = "superseded", "another key came first before it ended"


class KeyRotation(models.Model):
    """One rotation; at most one runs. Whoever works on it holds a lease, which a killed worker lets run out."""

    under = models.CharField(max_length=32, help_text="the kid that everything is sealed under")
    state = models.CharField(max_length=16, choices=RotationState.choices, default=RotationState.RUNNING)
    begun_at = models.DateTimeField()
    begun_by = models.CharField(max_length=64, blank=True, help_text="an owner's name; empty: manage.py")
    reason = models.CharField(max_length=200, blank=True)
    total = models.PositiveBigIntegerField(help_text="data keys to be sealed anew, when it began")
    resealed = models.PositiveBigIntegerField(default=0)
    leased_until = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["state"], condition=models.Q(state="running"), name="one_rotation_runs_at_a_time"
            )
        ]

    def __str__(self) -> str:
        return f"rotation to {self.under} ({self.state})"
