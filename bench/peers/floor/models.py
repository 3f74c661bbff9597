"""One table with as many columns as the least that a second factor needs."""

from django.db import models


class Holder(models.Model):
    name = models.CharField(max_length=64, unique=True)
    secret = models.BinaryField()
    last_time_step = models.BigIntegerField(default=-1)

    def __str__(self) -> str:
        return self.name
