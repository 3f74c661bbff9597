"""Who was shredded: the list that goes with the data keys, so that no older backup opens an account again."""

from django.db import models


class Shredding(models.Model):
    """No foreign key: the list outlives the account."""

    subject = models.UUIDField(primary_key=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.subject} at {self.at:%Y-%m-%d %H:%M}"
