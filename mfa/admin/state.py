"""A person's MFA state, for lists and filters: every part of it one condition that the database decides."""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import BooleanField, Count, Exists, ExpressionWrapper, Max, Min, OuterRef, Q, QuerySet

from identity.models import Client, PasswordTries, User
from identity.models.client import OWN_PAGES
from identity.primitives import login_names
from mfa.flows.policy import EffectivePolicy, combine, for_own_pages
from mfa.models.authenticator import Authenticator, Enrolment, EnrolmentState
from mfa.models.policy import MfaPolicy, Mode

# With more people than this an installation is large: numbers at a glance are a sample's, lists are sorted by name.
COUNTED = 20_000
SAMPLE = 4_000


def with_state(users: QuerySet[User], now: datetime) -> QuerySet[User]:
    """Each user with `is_required`, `is_enrolled`, `is_pending` and `is_locked`, in the one statement of a page."""
    return users.annotate(
        is_required=ExpressionWrapper(required(), BooleanField()),
        is_enrolled=enrolled(),
        is_pending=Exists(_pending(now).filter(user=OuterRef("pk"))),
        is_locked=Exists(_locks(now).filter(user=OuterRef("pk"))) | Q(locked_by_administrator_at__isnull=False),
    )


def required() -> Q:
    """Whether the installation or a group of the person's requires a second factor; clients may require it besides.

    Policies are few and people many: who has set what is read first, so that the database looks at memberships alone.
    """
    said = MfaPolicy.objects.filter(client__isnull=True).values_list("group_id", "mode")
    modes: dict[int, str] = {group: mode for group, mode in said if group}
    installation = next((mode for group, mode in said if not group), None)
    if installation == Mode.REQUIRED:
        return Q(pk__isnull=False)
    asked = _member_of([group for group, mode in modes.items() if mode == Mode.REQUIRED])
    # Where nobody has said anything, a second factor is required.
    return asked if installation is not None else asked | ~_member_of(list(modes))


def enrolled() -> Exists:
    """Whether an authenticator can pass a sign-in."""
    return Exists(Authenticator.objects.filter(user=OuterRef("pk"), disabled_at__isnull=True))


def pending(now: datetime) -> Q:
    """Whose enrolment waits for its code. There are few: the database begins with them."""
    return Q(pk__in=_pending(now).values("user"))


def locked(now: datetime) -> Q:
    """Who may not try: by wrong passwords or an administrator's word."""
    by_administrator = User.objects.filter(locked_by_administrator_at__isnull=False)
    return Q(pk__in=_locks(now).filter(user__isnull=False).values("user").union(by_administrator.values("pk")))


def starting_with(typed: str) -> Q:
    """Whose name, address or number starts with what was typed."""
    text = typed.strip()
    return (
        Q(username_key__startswith=login_names.normalise(text))
        | Q(email__istartswith=text)
        | Q(mobile_phone__startswith=text)
    )


def signed_in(when: str, now: datetime) -> Q | None:
    """Who signed in last in the last 1, 7 or 30 days, longer ago (`older`), or `never`; None for every other word."""
    if when == "never":
        return Q(last_login__isnull=True)
    if when == "older":
        return Q(last_login__lt=now - timedelta(days=30))
    return Q(last_login__gte=now - timedelta(days=int(when))) if when in ("1", "7", "30") else None


@dataclass(frozen=True, slots=True)
class Glance:
    """How many people there are, are enrolled, should be and are not, are locked."""

    people: int
    enrolled: int
    missing: int
    locked: int
    is_estimate: bool = False


def is_large() -> bool:
    return User.objects.order_by("pk").values("pk")[COUNTED : COUNTED + 1].exists()


def at_a_glance(now: datetime) -> Glance:
    """Counted one by one in a small installation; in a large one what a random sample says of enrolments."""
    people = User.objects.aggregate(count=Count("pk"), first=Min("pk"), last=Max("pk"))
    count, is_locked = people["count"], User.objects.filter(locked(now)).count()
    if count <= COUNTED:
        held, missing = _enrolments(User.objects.all())
        return Glance(count, held, missing, is_locked)
    keys = random.sample(range(people["first"], people["last"] + 1), SAMPLE)
    sample = User.objects.filter(pk__in=keys)
    share = count / max(1, sample.count())
    held, missing = (round(number * share, -2) for number in _enrolments(sample))
    return Glance(count, int(held), int(missing), is_locked, is_estimate=True)


def _enrolments(users: QuerySet[User]) -> tuple[int, int]:
    found = users.annotate(is_enrolled=enrolled(), is_required=ExpressionWrapper(required(), BooleanField())).aggregate(
        enrolled=Count("pk", filter=Q(is_enrolled=True)),
        missing=Count("pk", filter=Q(is_enrolled=False, is_required=True)),
    )
    return found["enrolled"], found["missing"]


def _member_of(groups: list[int]) -> Q:
    memberships = User.groups.through.objects.filter(user=OuterRef("pk"), group__in=groups)
    return Q(Exists(memberships))


def _pending(now: datetime) -> QuerySet[Enrolment]:
    return Enrolment.objects.filter(state=EnrolmentState.PENDING, expires_at__gt=now)


def _locks(now: datetime) -> QuerySet[PasswordTries]:
    return PasswordTries.objects.filter(locked_until__gt=int(now.timestamp() * 1000))


def explain(user: User, policies: Iterable[MfaPolicy] | None = None) -> list[tuple[str, EffectivePolicy]]:
    """The policy in force on the server's own pages and at each client in which the person has a role, by name."""
    known = list(policies if policies is not None else MfaPolicy.objects.select_related("client", "group"))
    mine = set(user.groups.values_list("pk", flat=True))
    everywhere = [row for row in known if row.installation_id or row.group_id in mine]
    own = [row for row in known if row.client is not None and row.client.is_own_pages]
    found = [("Sign-in to this server's own pages", for_own_pages(combine([*everywhere, *own])))]
    clients = Client.objects.exclude(client_id=OWN_PAGES)
    if not user.all_clients and not user.groups.filter(all_clients=True).exists():
        clients = clients.filter(Q(role_holders=user) | Q(member_groups__members=user)).distinct()
    for client in clients.order_by("name", "client_id")[:25]:
        found.append((str(client), combine([*everywhere, *(row for row in known if row.client_id == client.pk)])))
    return found
