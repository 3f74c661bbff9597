"""The outbox: a message is a row before anything is sent, and a worker that dies loses nothing."""

import uuid

from django.conf import settings
from django.db import models


class DeliveryState(models.TextChoices):
    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"
    EXPIRED = "expired", "not sent late: its code had run out"
    CANCELLED = "cancelled"


class Delivery(models.Model):
    """One message. What it says is sealed under the user's data key and wiped once it is over."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="deliveries")
    kind = models.PositiveSmallIntegerField(help_text="1 SMS, 2 e-mail")
    template = models.CharField(max_length=64)
    language = models.CharField(max_length=8, default="en")
    destination = models.CharField(max_length=254)
    sealed_context = models.BinaryField(null=True)
    state = models.CharField(max_length=16, choices=DeliveryState.choices, default=DeliveryState.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField()
    not_after = models.DateTimeField(null=True, help_text="a code that has run out is not sent")
    next_attempt_at = models.DateTimeField()
    leased_until = models.DateTimeField(null=True)
    lease = models.UUIDField(null=True)
    finished_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=64, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["next_attempt_at"], condition=models.Q(state="waiting"), name="delivery_waiting"),
            models.Index(fields=["finished_at"], name="delivery_finished"),
        ]
        verbose_name_plural = "deliveries"

    def __str__(self) -> str:
        return f"{self.template} ({self.state})"


class SendingBudget(models.Model):
    """How many messages one user, or one destination, was sent in the running window."""

    key = models.CharField(max_length=64, primary_key=True, help_text="keyed digest of the user or destination")
    sent = models.PositiveIntegerField()
    window_started = models.BigIntegerField(help_text="seconds since 1970", db_index=True)

    def __str__(self) -> str:
        return f"{self.sent} messages"
