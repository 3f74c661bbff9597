"""Signing in to the installation's own pages: the same ceremony as a client's, led by pages instead of by a program."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction

from identity.flows import clients
from identity.models import User
from mfa.flows import answers, policy, remembered_devices, requests, second_step, sign_in
from mfa.flows.answers import SignInAnswer
from mfa.flows.second_step import Action, SecondStep
from mfa.flows.sign_in import PasswordStep
from mfa.models import AuthenticationRequest, Authenticator
from mfa.models.authentication_request import Purpose, RequestState
from mfa.models.authenticator import Kind
from mfa.models.challenge import Challenge, ChallengeMode, ChallengeState
from mfa.outcomes import Origin

_INVITATION_LIFETIME = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Choice:
    """One authenticator to choose from. `factor_id` is its `MFAAvailableId` for codes; it opens nothing by itself."""

    factor_id: str
    authenticator: Authenticator = field(repr=False)
    display: str

    @property
    def is_delivered(self) -> bool:
        return self.authenticator.kind != Kind.APP

    @property
    def kind(self) -> str:
        return Kind(self.authenticator.kind).name.lower()


@dataclass(frozen=True, slots=True)
class Pending:
    """A sign-in between its steps, as a page shows it."""

    request: AuthenticationRequest
    choices: tuple[Choice, ...]
    link: Challenge | None

    @property
    def is_passed(self) -> bool:
        return self.request.state == RequestState.PASSED

    @property
    def is_password_change(self) -> bool:
        return self.request.purpose == Purpose.PASSWORD_CHANGE


def begin(username: str, password: str, invitation: str, origin: Origin, now: datetime) -> SignInAnswer:
    """The password step. Its limiter, its audit events and its answers are those of `/connect/token` (ATTACKS A58)."""
    step = PasswordStep(
        client=clients.own_pages(),
        username=username,
        password=password,
        scopes=(),
        origin=origin,
        invitation_code=invitation,
    )
    return sign_in.password_step(step, now)


def begin_after_bootstrap(user: User, password: str, origin: Origin, now: datetime) -> SignInAnswer:
    """The password step of who has just set a password by a link: the link stands for an invitation to enrol."""
    invitation = ""
    asked = policy.effective(user, clients.own_pages())
    if asked.needs_invitation and not user.authenticators.exists():
        with transaction.atomic():
            invitation = remembered_devices.invite(user, actor=None, now=now, lifetime=_INVITATION_LIFETIME)
    return begin(user.username, password, invitation, origin, now)


def pending(request_id: str, now: datetime) -> Pending | None:
    """The sign-in of this id while it lives and waits; looking changes nothing."""
    request = requests.find(request_id, client=clients.own_pages())
    if request is None or not requests.is_live(request, now) or request.purpose == Purpose.ENROLMENT:
        return None
    ordered = request.user.authenticators.order_by("-is_default", "confirmed_at", "pk")
    choices = tuple(
        Choice(str(answers.factor_id(each, ChallengeMode.OTP)), each, answers.display(each)) for each in ordered
    )
    link = request.challenges.filter(mode=ChallengeMode.LINK).order_by("-created_at").first()
    return Pending(request, choices, link)


def link_is_decided(waiting: Pending, now: datetime) -> bool:
    """Whether asking again would bring something new: the link was clicked, replaced, or has run out."""
    link = waiting.link
    return link is None or link.state != ChallengeState.OPEN or link.expires_at <= now


def go_on(
    request_id: str, action: Action | None, origin: Origin, now: datetime, *, factor_id: str = "", code: str = ""
) -> SignInAnswer:
    """Send, check, poll, cancel or redeem (`action` None). The answer holds a session when the sign-in is complete."""
    step = SecondStep(
        client=clients.own_pages(),
        request_id=request_id,
        username="",
        action=action,
        factor_id=factor_id,
        code=code,
        origin=origin,
    )
    return second_step.second_step(step, now)
