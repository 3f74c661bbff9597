"""The audit trail: append-only, one event for each attempt, refusal, enrolment, token and administrative act.

Seals, written in the background, are what tells afterwards whether somebody with the database in his hands changed it.
"""

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


class AuditSeal(models.Model):
    """One link of a chain over the trail: a keyed digest over a block of events and over the link before.

    A block is every event whose id lies above the link before's `last_id` and not above its own. A link that sweeps
    instead (`swept_number` is set) says that the links up to that one and their events are deleted for their age.
    """

    number = models.BigIntegerField(primary_key=True)
    sealed_at = models.DateTimeField(db_index=True)
    last_id = models.BigIntegerField()
    events = models.BinaryField(help_text="each event's id (8 bytes) and digest (16 bytes)")
    swept_number = models.BigIntegerField(null=True, db_index=True)
    swept_id = models.BigIntegerField(null=True, help_text="the `last_id` of that link")
    swept_mac = models.CharField(max_length=64, blank=True)
    previous = models.CharField(max_length=64, blank=True, help_text="the link before's `mac`")
    mac = models.CharField(max_length=64)

    class Meta:
        ordering = ["number"]

    def __str__(self) -> str:
        return f"seal {self.number}"
