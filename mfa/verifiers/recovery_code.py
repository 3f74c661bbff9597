"""Recovery codes: looked up by keyed digest, right once, good only while their set is in force."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import F

from identity import secret_store as installation_keys
from identity.models import User
from mfa.models.recovery_code import RecoveryCode
from mfa.primitives.recovery_codes import canonical

__all__ = ["RecoveryCodeMatch", "canonical", "digest", "find"]


@dataclass(frozen=True, slots=True)
class RecoveryCodeMatch:
    """An unspent code of the user's set was submitted."""

    code_pk: int
    amr: str = "otp"
    authenticator: str = ""

    def spend(self, now: datetime) -> bool:
        """Spend the code; False when another request was first, or the set was replaced meanwhile."""
        return bool(RecoveryCode.objects.filter(pk=self.code_pk, spent_at__isnull=True).update(spent_at=now))


def digest(user: User, code: str) -> str:
    """What is kept of a code, given in its canonical form: different for each user, so that no two rows compare."""
    return installation_keys.digest("recovery-code", f"{user.subject}:{code}")


def find(user: User, submitted: object, now: datetime) -> RecoveryCodeMatch | None:
    """The match of `submitted` with an unspent code of the user's set in force, or None. Codes do not age."""
    code = canonical(submitted)
    if code is None:
        return None
    row = RecoveryCode.objects.filter(
        set_id=user.pk, generation=F("set__generation"), digest=digest(user, code), spent_at__isnull=True
    ).first()
    return RecoveryCodeMatch(row.pk) if row else None
