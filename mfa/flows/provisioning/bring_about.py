"""Making the declared state true, whole or not at all."""

from collections.abc import Iterator
from datetime import datetime

from django.db import transaction

from identity.flows import hashing
from identity.models import Installation, User
from mfa.flows.provisioning import changes, consistency, people
from mfa.flows.provisioning.changes import Change
from mfa.flows.provisioning.declared import Declared
from mfa.flows.provisioning.fields import NotAcceptable
from mfa.flows.provisioning.known import Known, look_up


def bring_about(declared: Declared, now: datetime, *, dry_run: bool = False) -> list[Change]:
    """Carry out every difference in one transaction; with `dry_run` only find them.

    Raises NotAcceptable, with nothing changed, when the file does not fit what is there.
    """
    Installation.current()
    hashes = {} if dry_run else _hashes(declared)
    with transaction.atomic():
        # Two runs at once: the second waits here, and finds what the first has done.
        installation = Installation.objects.select_for_update().get(pk=1)
        known = look_up(declared, installation)
        faults = list(consistency.faults(declared, known))
        if faults:
            raise NotAcceptable(faults)
        found = list(_differences(declared, known, hashes))
        if not dry_run:
            for change in found:
                change.carry_out(now)
    return found


def _differences(declared: Declared, known: Known, hashes: dict[str, str]) -> Iterator[Change]:
    """In the order in which one entry may name another."""
    yield from changes.of_installation(declared, known)
    for client in declared.clients:
        yield from changes.of_client(client, known)
    for group in declared.groups:
        yield from changes.of_group(group, known)
    for user in declared.users:
        yield from people.of_user(user, known, hashes.get(user.key, ""))


def _hashes(declared: Declared) -> dict[str, str]:
    """Password hashes of the accounts to be made, before the transaction: a thousand take half a minute."""
    there = set(User.objects.values_list("username_key", flat=True)) if declared.users else set()
    return {
        one.key: hashing.make(one.password)
        for one in declared.users
        if one.password is not None and one.key not in there
    }
