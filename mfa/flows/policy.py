"""Which policy is in force for a person at a client: the strictest of all that apply, and which one asked for what."""

from dataclasses import dataclass, field, replace
from functools import reduce

from identity.models import Client, Installation, User
from mfa.models import MfaPolicy
from mfa.models.authenticator import Kind
from mfa.models.policy import FirstEnrolment, Mode

_STRICTNESS = {Mode.OFF: 0, Mode.OPTIONAL: 1, Mode.REQUIRED: 2}
KIND_OF_TRANSPORT = {kind.label: kind for kind in Kind}


@dataclass(frozen=True, slots=True)
class EffectivePolicy:
    """What is asked. `reasons` names, for each rule, the policy that made it as strict as it is."""

    mode: Mode
    kinds: tuple[Kind, ...]
    grace_logins: int
    remember_days: int
    first_enrolment: FirstEnrolment
    enrolment_url: str
    reasons: dict[str, str] = field(default_factory=dict)

    @property
    def needs_invitation(self) -> bool:
        return self.first_enrolment == FirstEnrolment.INVITATION


# Where nobody has said anything, a second factor is required.
UNSAID = EffectivePolicy(Mode.REQUIRED, tuple(Kind), 0, 0, FirstEnrolment.PASSWORD, "", {"mode": "nobody's policy"})


def effective(user: User, client: Client | None) -> EffectivePolicy:
    """The policy for `user` at `client`; what the installation and groups alone ask for when `client` is None."""
    if client is not None and client.some_group_has_a_policy is False:
        return _of_everybody(client)
    applying = [policy for policy in _of_client(client) if policy is not None]
    applying += MfaPolicy.objects.filter(group__members=user).select_related("group")
    found = combine(applying)
    return for_own_pages(found) if client is not None and client.is_own_pages else found


def _of_everybody(client: Client) -> EffectivePolicy:
    """Where no group has a policy: the same for each person, as long as this instance of the client is good."""
    kept: EffectivePolicy | None = getattr(client, "_policy_of_everybody", None)
    if kept is None:
        found = combine([policy for policy in _of_client(client) if policy is not None])
        kept = for_own_pages(found) if client.is_own_pages else found
        client._policy_of_everybody = kept  # type: ignore[attr-defined]
    return kept


def for_own_pages(found: EffectivePolicy) -> EffectivePolicy:
    """What guards the second factors themselves is never entered without one, whatever the policies leave out."""
    forced = dict.fromkeys(("mode", "grace_logins", "remember_days"), "the installation's own pages")
    return replace(found, mode=Mode.REQUIRED, grace_logins=0, remember_days=0, reasons={**found.reasons, **forced})


def combine(policies: list[MfaPolicy]) -> EffectivePolicy:
    """The strictest of each rule: the highest mode, the transports all allow, the fewest grace logins and days."""
    if not policies:
        return UNSAID
    modes = max(policies, key=lambda policy: _STRICTNESS[Mode(policy.mode)])
    grace = min(policies, key=lambda policy: policy.grace_logins)
    days = min(policies, key=lambda policy: policy.remember_days)
    first = max(policies, key=lambda policy: policy.first_enrolment == FirstEnrolment.INVITATION)
    kinds = reduce(set.__and__, (_kinds(policy) for policy in policies))
    address = next((policy for policy in sorted(policies, key=_nearness) if policy.enrolment_url), None)
    return EffectivePolicy(
        mode=Mode(modes.mode),
        kinds=tuple(sorted(kinds)),
        grace_logins=grace.grace_logins,
        remember_days=days.remember_days,
        first_enrolment=FirstEnrolment(first.first_enrolment),
        enrolment_url=address.enrolment_url if address else "",
        reasons={
            "mode": str(modes),
            "transports": ", ".join(str(policy) for policy in policies if _kinds(policy) != set(Kind)),
            "grace_logins": str(grace),
            "remember_days": str(days),
            "first_enrolment": str(first),
        },
    )


def _of_client(client: Client | None) -> tuple[MfaPolicy | None, MfaPolicy | None]:
    if client is None:
        return getattr(Installation.current(), "mfa_policy", None), None
    return getattr(client.installation, "mfa_policy", None), getattr(client, "mfa_policy", None)


def _kinds(policy: MfaPolicy) -> set[Kind]:
    """The transports it allows. One that is off may name none: it says nothing about those who must enrol elsewhere."""
    if policy.mode == Mode.OFF and not policy.transports:
        return set(Kind)
    return {KIND_OF_TRANSPORT[name] for name in policy.transports}


def _nearness(policy: MfaPolicy) -> int:
    return 0 if policy.client_id else 1 if policy.group_id else 2
