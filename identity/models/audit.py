"""The audit trail: append-only, one event for each attempt, refusal, enrolment, token and administrative act."""

from django.db import models


class AuditEvent(models.Model):
    """Who, what, which authenticator, which client, from where, in which request, when, and why it was refused.

    `request_ref` is the start of the request id's SHA-256: it joins the events of one ceremony and opens nothing.
    """

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    event = models.CharField(max_length=64)
    outcome = models.CharField(max_length=16)
    reason = models.CharField(max_length=64, blank=True)
    # Plain values beside no foreign key: the trail outlives what it speaks of, and is never changed by a delete.
    user_id = models.BigIntegerField(null=True)
    subject = models.UUIDField(null=True)
    actor_subject = models.UUIDField(null=True)
    actor_name = models.CharField(max_length=64, blank=True)
    username = models.CharField(max_length=64, blank=True)
    client_id = models.CharField(max_length=255, blank=True)
    authenticator = models.CharField(max_length=36, blank=True)
    address = models.CharField(max_length=64, blank=True)
    request_ref = models.CharField(max_length=16, blank=True)
    trace_id = models.CharField(max_length=36, blank=True)
    detail = models.JSONField(default=dict)

    class Meta:
        indexes = [
            models.Index(fields=["user_id", "-id"], name="audit_of_user"),
            models.Index(fields=["event", "-id"], name="audit_of_kind"),
        ]
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.event} ({self.outcome})"
