"""The `RequestId` of the contract: what a passed password step opens, and what the second factor closes."""

from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from django.conf import settings
from django.db import models

if TYPE_CHECKING:
    from mfa.models.authenticator import Enrolment, Kind


class RequestState(models.TextChoices):
    OPEN = "open", "the password was right; a factor is due"
    PASSED = "passed", "a factor was passed or confirmed; tokens are due"
    COMPLETED = "completed", "tokens were given"
    CANCELLED = "cancelled", "refused, cancelled, superseded or overtaken by a change of the account"


class Purpose(models.TextChoices):
    SIGN_IN = "sign_in"
    PASSWORD_CHANGE = "password_change", "serves a change of password alone"
    ENROLMENT = "enrolment", "serves an enrolment alone"


class PassedBy(models.TextChoices):
    NOTHING = ""
    CODE = "code", "a code or link of a confirmed authenticator"
    ENROLMENT = "enrolment", "the confirmation of a first authenticator"


class AuthenticationRequestManager(models.Manager["AuthenticationRequest"]):
    def open_for(self, user_pk: int, now: datetime) -> models.QuerySet["AuthenticationRequest"]:
        """Requests of the user that are neither over nor past their lifetime, oldest first."""
        return self.filter(
            user_id=user_pk, state__in=[RequestState.OPEN, RequestState.PASSED], expires_at__gt=now
        ).order_by("created_at", "pk")


class AuthenticationRequest(models.Model):
    """Only the SHA-256 of the id is written to the database: who reads the table holds no request."""

    digest = models.BinaryField(max_length=32, unique=True)
    user = models.ForeignKey(  # `request_of_user_by_end` serves it.
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="authentication_requests", db_index=False
    )
    client = models.ForeignKey(  # Clients are never deleted.
        "identity.Client", null=True, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    purpose = models.CharField(max_length=16, choices=Purpose.choices, default=Purpose.SIGN_IN)
    state = models.CharField(max_length=16, choices=RequestState.choices, default=RequestState.OPEN)
    typed_name = models.CharField(max_length=64)
    scopes = models.JSONField(default=list)
    findings = models.JSONField(default=list, help_text="what the password step found beside the factor that is due")
    invited = models.BooleanField(default=False, help_text="a needed invitation was shown")
    address = models.CharField(max_length=64, blank=True)
    user_agent = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)
    failures = models.PositiveSmallIntegerField(default=0)
    passed_by = models.CharField(max_length=16, choices=PassedBy.choices, default=PassedBy.NOTHING, blank=True)
    passed_at = models.DateTimeField(null=True)
    amr = models.CharField(max_length=64, blank=True, help_text="RFC 8176: what was proved, once passed")
    method = models.CharField(max_length=8, default="None", help_text="the contract's AuthenticationMethod")
    enrolment_confirmed_at = models.DateTimeField(null=True)
    recovery_codes_due = models.BooleanField(default=False)
    ended_at = models.DateTimeField(null=True)
    end_reason = models.CharField(max_length=32, blank=True)

    objects: ClassVar[AuthenticationRequestManager] = AuthenticationRequestManager()

    # No column: what the request had begun and the kinds that its user held, where they were read along with it.
    beginnings: "tuple[list[Enrolment], list[Kind]] | None" = None
    # Likewise a try that was counted as the request was read: of which kind, and the enrolment where one took it.
    admitted: "tuple[Kind, Enrolment | None] | None" = None

    class Meta:
        # Nothing that changes during a sign-in is in an index, so that PostgreSQL rewrites the row alone (HOT).
        indexes = [models.Index(fields=["user", "expires_at"], name="request_of_user_by_end")]

    def __str__(self) -> str:
        return f"authentication request of {self.created_at:%Y-%m-%d %H:%M:%S} ({self.state})"

    @property
    def ref(self) -> str:
        """What the audit trail and the logs call it: it joins lines, and opens nothing."""
        return bytes(self.digest).hex()[:16]
