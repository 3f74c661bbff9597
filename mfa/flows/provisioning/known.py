"""What the database holds of all that the file speaks of, read in a few statements however long the file is."""

from collections import defaultdict
from dataclasses import dataclass, field

from django.db.models import QuerySet

from identity.models import Client, Group, Installation, User
from mfa.flows.provisioning.declared import EVERY_CLIENT, Declared
from mfa.models.authenticator import Authenticator, Kind
from mfa.models.policy import MfaPolicy

_AT_ONCE = 500


@dataclass(slots=True)
class Known:
    """Rows by their names. What is created on the way is added, so that later entries find it."""

    installation: Installation
    clients: dict[str, Client] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    # By user: authenticators of delivered codes.
    authenticators: dict[int, list[Authenticator]] = field(default_factory=lambda: defaultdict(list))
    policies: dict[tuple[str, int], MfaPolicy] = field(default_factory=dict)
    user_groups: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    user_clients: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))


def look_up(declared: Declared, installation: Installation) -> Known:
    known = Known(installation)
    lists = [one.clients for one in declared.groups] + [one.clients for one in declared.users]
    named = {name for clients in lists for name in clients} - {EVERY_CLIENT}
    known.clients = {
        row.client_id: row
        for some in _slices([*{one.client_id for one in declared.clients} | named])
        for row in Client.objects.filter(client_id__in=some)
    }
    group_names = {one.name for one in declared.groups} | {name for one in declared.users for name in one.groups}
    known.groups = {
        row.name: row
        for some in _slices([*group_names])
        for row in Group.objects.filter(name__in=some).prefetch_related("clients")
    }
    known.policies = {subject_of(row): row for row in MfaPolicy.objects.all()}
    for some in _slices([one.key for one in declared.users]):
        _look_up_users(known, User.objects.filter(username_key__in=some))
    return known


def subject_of(policy: MfaPolicy) -> tuple[str, int]:
    if policy.client_id is not None:
        return ("client", policy.client_id)
    if policy.group_id is not None:
        return ("group", policy.group_id)
    return ("installation", 1)


def _look_up_users(known: Known, users: QuerySet[User]) -> None:
    known.users |= {row.username_key: row for row in users}
    ids = [row.pk for row in users]
    for row in Authenticator.objects.filter(user_id__in=ids, kind__in=[Kind.EMAIL, Kind.SMS]):
        known.authenticators[row.user_id].append(row)
    for user_id, name in User.groups.through.objects.filter(user_id__in=ids).values_list("user_id", "group__name"):
        known.user_groups[user_id].add(name)
    held = User.clients.through.objects.filter(user_id__in=ids).values_list("user_id", "client__client_id")
    for user_id, name in held:
        known.user_clients[user_id].add(name)


def _slices(names: list[str]) -> list[list[str]]:
    """SQLite takes only so many parameters in a statement."""
    return [names[start : start + _AT_ONCE] for start in range(0, len(names), _AT_ONCE)]
