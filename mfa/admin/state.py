"""A person's MFA state, for lists and filters: every part of it one condition that the database decides."""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from identity.models import Client, Group, PasswordTries, User
from identity.models.client import OWN_PAGES
from mfa.flows.policy import EffectivePolicy, combine
from mfa.models.authenticator import Authenticator, Enrolment, EnrolmentState
from mfa.models.policy import MfaPolicy, Mode


def with_state(users: QuerySet[User], now: datetime) -> QuerySet[User]:
    """Each user with `is_required`, `is_enrolled`, `is_pending` and `is_locked`, in the one statement of the list."""
    return users.annotate(
        is_required=required(),
        is_enrolled=Exists(Authenticator.objects.filter(user=OuterRef("pk"), disabled_at__isnull=True)),
        is_pending=Exists(
            Enrolment.objects.filter(user=OuterRef("pk"), state=EnrolmentState.PENDING, expires_at__gt=now)
        ),
        is_locked=Exists(locks(now)) | Q(locked_by_administrator_at__isnull=False),
    )


def required() -> Q:
    """Whether the installation or a group of the person's requires a second factor; clients may require it besides."""
    installation = MfaPolicy.objects.filter(installation__isnull=False)
    of_groups = MfaPolicy.objects.filter(group__in=memberships())
    return Q(
        Exists(installation.filter(mode=Mode.REQUIRED))
        | Exists(of_groups.filter(mode=Mode.REQUIRED))
        # Where nobody has said anything, a second factor is required.
        | (~Exists(installation) & ~Exists(of_groups))
    )


def memberships() -> QuerySet[Group]:
    return Group.objects.filter(members=OuterRef(OuterRef("pk"))).values("pk")  # type: ignore[return-value]


def locks(now: datetime) -> QuerySet[PasswordTries]:
    """Lockouts by wrong passwords that last."""
    return PasswordTries.objects.filter(user=OuterRef("pk"), locked_until__gt=int(now.timestamp() * 1000))


def at_a_glance(now: datetime) -> dict[str, int]:
    """How many people there are, are enrolled, should be and are not, are locked; in one statement."""
    return with_state(User.objects.all(), now).aggregate(
        people=Count("pk"),
        enrolled=Count("pk", filter=Q(is_enrolled=True)),
        missing=Count("pk", filter=Q(is_enrolled=False, is_required=True)),
        locked=Count("pk", filter=Q(is_locked=True)),
    )


def explain(user: User, policies: Iterable[MfaPolicy] | None = None) -> list[tuple[str, EffectivePolicy]]:
    """The policy in force on the server's own pages and at each client in which the person has a role, by name."""
    known = list(policies if policies is not None else MfaPolicy.objects.select_related("client", "group"))
    mine = set(user.groups.values_list("pk", flat=True))
    everywhere = [row for row in known if row.installation_id or row.group_id in mine]
    found = [("Sign-in to this server's own pages", combine(everywhere))]
    clients = Client.objects.exclude(client_id=OWN_PAGES)
    if not user.all_clients and not user.groups.filter(all_clients=True).exists():
        clients = clients.filter(Q(role_holders=user) | Q(member_groups__members=user)).distinct()
    for client in clients.order_by("name", "client_id")[:25]:
        found.append((str(client), combine([*everywhere, *(row for row in known if row.client_id == client.pk)])))
    return found
