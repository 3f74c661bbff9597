"""Argon2id with the parameters of the settings (OWASP Password Storage: m=19456 KiB, t=2, p=1).

Django's own default takes 100 MiB a hash, which a burst of sign-ins cannot afford.
"""

from django.conf import settings
from django.contrib.auth.hashers import Argon2PasswordHasher


class Argon2Hasher(Argon2PasswordHasher):
    """Django's Argon2 hasher with `settings.PASSWORD_ARGON2`: `memory_cost` in KiB, `time_cost`, `parallelism`."""

    def __init__(self) -> None:
        self.memory_cost = settings.PASSWORD_ARGON2["memory_cost"]
        self.time_cost = settings.PASSWORD_ARGON2["time_cost"]
        self.parallelism = settings.PASSWORD_ARGON2["parallelism"]
