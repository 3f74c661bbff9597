"""What a person holds (NIST SP 800-63B-4), and the ceremony by which it becomes theirs.

An enrolment and an authenticator are two tables, so that a half-finished enrolment cannot count for a
sign-in by mistake: no query on authenticators ever sees it.
"""

import uuid
from datetime import datetime

from django.conf import settings
from django.db import models


class Kind(models.IntegerChoices):
    """The transports of the contract's section 2.3, by their numbers there."""

    SMS = 1, "SMS"
    EMAIL = 2, "Email"
    APP = 4, "MicrosoftAuthenticator"


class Authenticator(models.Model):
    """A confirmed authenticator. `failures`, `rest_until` and `last_time_step` are what guessing and replay meet."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(  # `authenticator_of_user` serves it.
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="authenticators", db_index=False
    )
    kind = models.PositiveSmallIntegerField(choices=Kind.choices)
    label = models.CharField(max_length=64, blank=True)
    is_default = models.BooleanField(default=False)
    sealed_secret = models.BinaryField(null=True, help_text="the TOTP secret; only mfa.secret_store opens it")
    destination = models.CharField(max_length=254, blank=True, help_text="the address or number of a delivered code")
    created_at = models.DateTimeField()
    confirmed_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)
    last_time_step = models.BigIntegerField(default=-1, help_text="RFC 6238, 5.2: a code is accepted once")
    drift = models.SmallIntegerField(default=0, help_text="time steps by which the phone's clock is late or early")
    failures = models.PositiveIntegerField(default=0, help_text="wrong codes in a row")
    rest_until = models.DateTimeField(null=True)
    disabled_at = models.DateTimeField(null=True)
    provisioned = models.BooleanField(
        default=False, db_default=False, help_text="made by a file, not confirmed by its person"
    )

    class Meta:
        # Who is enrolled is answered from the index alone; nothing that a code step writes is in one.
        indexes = [models.Index(fields=["user", "disabled_at"], name="authenticator_of_user")]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "kind", "destination"],
                condition=~models.Q(destination=""),
                name="one_authenticator_each_destination",
            ),
            models.CheckConstraint(
                name="app_has_a_secret_others_a_destination",
                condition=(
                    models.Q(kind=4, sealed_secret__isnull=False, destination="")
                    | (models.Q(sealed_secret__isnull=True) & ~models.Q(kind=4) & ~models.Q(destination=""))
                ),
            ),
        ]

    def __str__(self) -> str:
        return self.label or Kind(self.kind).label

    def is_resting(self, now: datetime) -> bool:
        return self.rest_until is not None and self.rest_until > now


class EnrolmentState(models.TextChoices):
    PENDING = "pending"
    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"
    ENDED = "ended", "ended by wrong codes"


class Enrolment(models.Model):
    """One try to bind an authenticator, opened by an authentication request. Its secret goes when it ends."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="enrolments")
    request = models.ForeignKey("mfa.AuthenticationRequest", on_delete=models.CASCADE, related_name="enrolments")
    kind = models.PositiveSmallIntegerField(choices=Kind.choices)
    state = models.CharField(max_length=16, choices=EnrolmentState.choices, default=EnrolmentState.PENDING)
    sealed_secret = models.BinaryField(null=True)
    destination = models.CharField(max_length=254, blank=True)
    code_digest = models.CharField(max_length=64, blank=True, help_text="keyed digest of the code that was sent")
    code_expires_at = models.DateTimeField(null=True)
    failures = models.PositiveSmallIntegerField(default=0)
    begun_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)
    authenticator = models.OneToOneField(Authenticator, null=True, on_delete=models.SET_NULL, related_name="enrolment")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["request", "kind"],
                condition=models.Q(state="pending"),
                name="one_pending_enrolment_each_kind",
            )
        ]

    def __str__(self) -> str:
        return f"{Kind(self.kind).label} enrolment ({self.state})"
