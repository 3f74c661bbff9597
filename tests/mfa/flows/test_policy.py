"""Of all policies that apply the strictest wins, rule by rule, in whatever order they are read."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.flows import clients
from identity.models import Group, Installation
from mfa.flows import administration, policy
from mfa.models import MfaPolicy
from mfa.models.authenticator import Kind
from mfa.models.policy import FirstEnrolment, Mode
from tests.factories import make_client, make_user, sign_in_client


def _labels(each: MfaPolicy) -> set[str]:
    """What it allows; where it is off and names none it says nothing."""
    return set(each.transports) or {kind.label for kind in Kind}


STRICTNESS = [Mode.OFF, Mode.OPTIONAL, Mode.REQUIRED]
policies = st.lists(
    st.builds(
        MfaPolicy,
        mode=st.sampled_from(STRICTNESS),
        transports=st.sets(st.sampled_from([kind.label for kind in Kind])).map(sorted),
        grace_logins=st.integers(0, 5),
        remember_days=st.integers(0, 90),
        first_enrolment=st.sampled_from(FirstEnrolment),
    ).filter(lambda each: not administration.fault_of_transports(each.mode, each.transports)),
    min_size=1,
    max_size=5,
)


@given(applying=policies)
def test_each_rule_is_as_strict_as_the_strictest_policy_asks(applying: list[MfaPolicy]) -> None:
    found = policy.combine(applying)
    assert found.mode == max((Mode(each.mode) for each in applying), key=STRICTNESS.index)
    assert {kind.label for kind in found.kinds} == set.intersection(*(_labels(each) for each in applying))
    for each in applying:
        assert found.grace_logins <= each.grace_logins
        assert found.remember_days <= each.remember_days
    assert found.needs_invitation == any(each.first_enrolment == FirstEnrolment.INVITATION for each in applying)


@given(applying=policies, seed=st.integers())
def test_the_order_in_which_policies_are_read_changes_nothing(applying: list[MfaPolicy], seed: int) -> None:
    shuffled = applying.copy()
    random.Random(seed).shuffle(shuffled)
    one, other = policy.combine(applying), policy.combine(shuffled)
    assert (one.mode, one.kinds, one.grace_logins, one.remember_days, one.first_enrolment) == (
        *(other.mode, other.kinds, other.grace_logins),
        *(other.remember_days, other.first_enrolment),
    )


def test_where_nobody_has_said_anything_a_second_factor_is_required() -> None:
    assert policy.combine([]).mode == Mode.REQUIRED
    assert set(policy.combine([]).kinds) == set(Kind)


@pytest.mark.django_db
@pytest.mark.parametrize("transports", [[], ["MicrosoftAuthenticator"]])
def test_who_asks_for_no_second_factor_leaves_everybody_a_way_to_enrol_one(transports: list[str]) -> None:
    """At a client that requires one, and on the pages that always do."""
    MfaPolicy.objects.create(installation=Installation.current(), mode=Mode.OFF, transports=transports)
    client = sign_in_client(make_user(), make_client(mfa={"mode": Mode.REQUIRED}))
    client.enrol_app(client.password_step().request_id)
    assert Kind.APP in policy.effective(make_user(), clients.own_pages()).kinds


@pytest.mark.django_db
def test_installation_client_and_every_group_of_the_person_apply() -> None:
    installation = Installation.current()
    MfaPolicy.objects.create(installation=installation, mode=Mode.OPTIONAL, remember_days=30)
    client = make_client(mfa={"mode": Mode.OFF, "remember_days": 60})
    user, other = make_user(), make_user()
    group = Group.objects.create(name="staff")
    MfaPolicy.objects.create(group=group, mode=Mode.REQUIRED, transports=["MicrosoftAuthenticator"], remember_days=7)
    user.groups.add(group)

    def effective(who: object) -> policy.EffectivePolicy:
        fresh = type(client).objects.select_related("installation__mfa_policy", "mfa_policy").get(pk=client.pk)
        return policy.effective(who, fresh)  # type: ignore[arg-type]

    assert (effective(user).mode, effective(user).kinds, effective(user).remember_days) == (
        Mode.REQUIRED,
        (Kind.APP,),
        7,
    )
    assert "staff" in effective(user).reasons["mode"]
    assert (effective(other).mode, effective(other).remember_days) == (Mode.OPTIONAL, 30)
    assert policy.effective(other, None).mode == Mode.OPTIONAL
