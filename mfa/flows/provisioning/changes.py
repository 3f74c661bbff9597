"""The differences between what is declared and what is there, each with the act that removes it."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from identity.flows import audit
from identity.flows.clients import set_grants, set_secret
from identity.models import Client, Group
from mfa.flows.provisioning.declared import EVERY_CLIENT, Declared, DeclaredClient, DeclaredGroup, DeclaredMfa
from mfa.flows.provisioning.known import Known
from mfa.models.policy import MfaPolicy

BY = {"by": "provisioning"}


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. `what` and `how` make a line for the operator and quote no value."""

    what: str
    how: str
    carry_out: Callable[[datetime], None]

    def __str__(self) -> str:
        return f"{self.what}: {self.how}"


def of_installation(declared: Declared, known: Known) -> Iterator[Change]:
    """The rules about passwords, lockout and addresses, and the installation's own MFA policy."""
    differing = _differing(known.installation, declared.rules)
    if differing:

        def carry_out(now: datetime) -> None:
            for name, value in differing.items():
                setattr(known.installation, name, value)
            known.installation.save(update_fields=list(differing))
            audit.record("installation.changed", detail=BY | {"to": differing})

        yield Change("installation", f"{', '.join(differing)} changed", carry_out)
    if declared.mfa is not None:
        yield from _of_policy("installation", "installation", lambda: known.installation, declared.mfa, known)


def of_client(declared: DeclaredClient, known: Known) -> Iterator[Change]:
    columns = {
        "name": declared.name,
        "scopes": declared.scopes,
        "redirect_uris": "\n".join(declared.redirect_uris),
    }
    what = f"client {declared.client_id}"
    there = known.clients.get(declared.client_id)
    if there is None:

        def create(now: datetime) -> None:
            # First-party applications, named by the operator: there is nobody whose consent could be asked.
            client = Client(client_id=declared.client_id, skip_authorization=True, **columns)
            set_secret(client, declared.secret)
            set_grants(client, declared.grant_types)
            client.save()
            known.clients[declared.client_id] = client
            audit.record("client.created", client=client, detail=dict(BY))

        yield Change(what, "created" if declared.secret else "created, public", create)
    elif differing := _differing(there, columns | {"grant_types": declared.grant_types}):

        def change(now: datetime) -> None:
            for name, value in differing.items():
                setattr(there, name, value)
            set_grants(there, declared.grant_types)
            there.save(update_fields=[*differing, "authorization_grant_type", "updated"])
            audit.record("client.changed", client=there, detail=BY | {"fields": list(differing)})

        yield Change(what, f"{', '.join(differing)} changed", change)
    yield from _of_policy("client", what, lambda: known.clients[declared.client_id], declared.mfa, known, there)


def of_group(declared: DeclaredGroup, known: Known) -> Iterator[Change]:
    what = f"group {declared.name}"
    every = EVERY_CLIENT in declared.clients
    named = set(declared.clients) - {EVERY_CLIENT}
    there = known.groups.get(declared.name)
    same = there and there.all_clients == every and {row.client_id for row in there.clients.all()} == named

    def carry_out(now: datetime) -> None:
        group, made = Group.objects.update_or_create(name=declared.name, defaults={"all_clients": every})
        group.clients.set([known.clients[name] for name in named])
        known.groups[declared.name] = group
        audit.record(
            "group.created" if made else "group.changed",
            detail=BY | {"group": declared.name, "clients": sorted(declared.clients)},
        )

    if not same:
        yield Change(what, "clients changed" if there else "created", carry_out)
    yield from _of_policy("group", what, lambda: known.groups[declared.name], declared.mfa, known, there)


def _of_policy(
    kind: str,
    what: str,
    subject: Callable[[], Any],
    declared: DeclaredMfa | None,
    known: Known,
    there: Any = None,
) -> Iterator[Change]:
    """The MFA policy of an installation, a client or a group; without a declared one its own goes."""
    policy = known.policies.get((kind, 1 if kind == "installation" else there.pk if there else 0))
    columns = asdict(declared) if declared else {}
    differing = _differing(policy, columns) if policy else columns

    def set_policy(now: datetime) -> None:
        MfaPolicy.objects.update_or_create(**{kind: subject()}, defaults=columns)
        audit.record("policy.changed" if policy else "policy.created", detail=BY | {"of": what, "to": differing})

    def remove(now: datetime) -> None:
        MfaPolicy.objects.filter(**{kind: subject()}).delete()
        audit.record("policy.removed", detail=BY | {"of": what})

    if differing:
        yield Change(what, f"MFA policy {'changed: ' + ', '.join(differing) if policy else 'set'}", set_policy)
    elif policy and not declared:
        yield Change(what, "MFA policy removed", remove)


def _differing(row: Any, columns: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in columns.items() if getattr(row, name) != value}
