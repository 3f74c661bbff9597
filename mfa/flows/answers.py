"""What a sign-in step answers, and the factors and transports it names."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field

from identity.models import Session, User
from identity.outcomes import IssuedTokens
from identity.primitives import masking
from mfa import conf
from mfa.flows.policy import EffectivePolicy
from mfa.models import Authenticator
from mfa.models.authenticator import Kind
from mfa.models.challenge import ChallengeMode
from mfa.outcomes import AvailableFactor, Finding


@dataclass(frozen=True, slots=True)
class EnrolmentOffer:
    """The transports still to enrol, and where a person is sent to do so ("" : the hosted page)."""

    kinds: tuple[Kind, ...]
    url: str


@dataclass(frozen=True, slots=True)
class SignInAnswer:
    """One answer of a sign-in step. When the sign-in is complete there are `tokens`, or, in a browser, a `session`."""

    findings: frozenset[Finding]
    name: str = ""
    password_was_right: bool = False
    method: str = "None"
    request_id: str | None = None
    offer: EnrolmentOffer | None = None
    available: tuple[AvailableFactor, ...] = field(default=())
    tokens: IssuedTokens | None = None
    session: Session | None = None
    remembered_device_token: str | None = None


def refused(*findings: Finding, name: str = "", password_was_right: bool = False) -> SignInAnswer:
    """An answer that names no request."""
    return SignInAnswer(frozenset({Finding.FAILURE, *findings}), name=name, password_was_right=password_was_right)


def offer(policy: EffectivePolicy, authenticators: Iterable[Authenticator]) -> EnrolmentOffer | None:
    """What may still be enrolled; None when nothing is left."""
    enrolled = {authenticator.kind for authenticator in authenticators}
    kinds = tuple(kind for kind in policy.kinds if kind not in enrolled)
    return EnrolmentOffer(kinds, policy.enrolment_url) if kinds else None


def available(authenticators: Iterable[Authenticator]) -> tuple[AvailableFactor, ...]:
    """Each way to pass the second factor: the default authenticator first, then the oldest."""
    ordered = sorted(authenticators, key=lambda each: (not each.is_default, each.confirmed_at, each.pk))
    return tuple(_factor(authenticator, mode) for authenticator in ordered for mode in _modes(authenticator))


def factor_id(authenticator: Authenticator, mode: ChallengeMode) -> uuid.UUID:
    """The `MFAAvailableId` of an authenticator in one mode: always the same, and no other row's.

    For codes it is the authenticator's own key, so that a code is counted against it without another look.
    """
    return authenticator.pk if mode == ChallengeMode.OTP else uuid.uuid5(authenticator.pk, mode.label)


def authenticator_of(factor: str) -> uuid.UUID | None:
    """The key that a `MFAAvailableId` for codes holds; None for what is no GUID."""
    try:
        found = uuid.UUID(factor)
    except ValueError:
        return None
    return found if str(found) == factor else None


def missing_destinations(user: User, policy: EffectivePolicy) -> set[Finding]:
    """What the account lacks, where every transport that is allowed needs something it lacks."""
    lacking = {
        Kind.EMAIL: Finding.EMAIL_MISSING if not user.email else None,
        Kind.SMS: Finding.MOBILE_MISSING if not user.mobile_phone else None,
    }
    found = [lacking.get(kind) for kind in policy.kinds]
    return {finding for finding in found if finding} if found and all(found) else set()


def display(authenticator: Authenticator) -> str:
    """How a person recognises the authenticator: a masked address or number, or the app's own label."""
    if authenticator.kind == Kind.EMAIL:
        return masking.mask_email(authenticator.destination)
    if authenticator.kind == Kind.SMS:
        import phonenumbers  # Few people's numbers are ever shown.

        country = phonenumbers.parse(authenticator.destination).country_code
        return masking.mask_phone(authenticator.destination, str(country))
    return authenticator.label


def _modes(authenticator: Authenticator) -> tuple[ChallengeMode, ...]:
    return (ChallengeMode.OTP,) if authenticator.kind == Kind.APP else (ChallengeMode.LINK, ChallengeMode.OTP)


def _factor(authenticator: Authenticator, mode: ChallengeMode) -> AvailableFactor:
    lifetime = conf.link_lifetime() if mode == ChallengeMode.LINK else conf.otp_lifetime()
    return AvailableFactor(
        id=factor_id(authenticator, mode),
        authenticator_id=authenticator.pk,
        kind=authenticator.kind,
        mode=mode,
        display=display(authenticator),
        lifetime=int(lifetime.total_seconds()),
    )
