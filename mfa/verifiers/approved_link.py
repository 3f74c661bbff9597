"""A link that its owner approved: the proof of possession that `amr` calls `mca` (RFC 8176)."""

from dataclasses import dataclass
from datetime import datetime

from mfa.models import Challenge
from mfa.models.challenge import ChallengeState


@dataclass(frozen=True, slots=True)
class ApprovedLink:
    """Spent by the first of the clients that wait for it; a second one gets nothing."""

    link: Challenge
    amr: str = "mca"

    @property
    def authenticator(self) -> str:
        return str(self.link.authenticator_id)

    def spend(self, now: datetime) -> bool:
        won = Challenge.objects.filter(pk=self.link.pk, state=ChallengeState.APPROVED).update(
            state=ChallengeState.ANSWERED, answered_at=now
        )
        return won == 1
