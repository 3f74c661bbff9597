"""Wrong passwords, counted per (name, network), for names that exist and names that do not."""

from django.db import models


class PasswordTries(models.Model):
    """One count. The key is a keyed digest: a password typed into the name field is not kept readable.

    Instants are milliseconds since 1970, so that one statement of plain SQL means the same on both databases. The count
    "in a row" over all networks has no window: its `window_started` is 0.
    """

    key = models.CharField(max_length=64, primary_key=True)
    failures = models.IntegerField()
    window_started = models.BigIntegerField()
    locked_until = models.BigIntegerField(default=0)
    told_of = models.BigIntegerField(default=0, db_default=0, help_text="the lock that the owner was told of")
    admitted = models.BooleanField()
    updated = models.BigIntegerField()
    user = models.ForeignKey("identity.User", null=True, on_delete=models.CASCADE, related_name="password_tries")

    class Meta:
        # Most rows live for the time of one hash and never hold a lock.
        indexes = [
            models.Index(fields=["locked_until"], condition=models.Q(locked_until__gt=0), name="password_tries_locked"),
            # The sweep's. A row is in one of the first two; a sign-in writes rows of the first alone.
            models.Index(fields=["updated"], condition=models.Q(window_started__gt=0), name="password_tries_network"),
            models.Index(fields=["updated"], condition=models.Q(window_started=0), name="password_tries_in_a_row"),
            models.Index(
                fields=["updated"],
                condition=models.Q(window_started=0, user__isnull=True),
                name="password_tries_of_nobody",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.failures} tries"
