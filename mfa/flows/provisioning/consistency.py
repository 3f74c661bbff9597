"""Faults that only show against the database: names of nothing, passwords too weak, addresses that are taken."""

from collections.abc import Iterator

from identity.flows import passwords
from identity.models import Installation, User
from identity.models.client import GrantType
from mfa.flows.provisioning.declared import EVERY_CLIENT, Declared
from mfa.flows.provisioning.known import Known


def faults(declared: Declared, known: Known) -> Iterator[str]:
    """A sentence, with its path, for each fault."""
    yield from _unknown_names(declared, known)
    yield from _public_clients_with_secrets_to_keep(declared, known)
    yield from _weak_passwords(declared, known)
    if declared.rules.get("unique_emails", known.installation.unique_emails):
        yield from _shared_addresses(declared)


def _unknown_names(declared: Declared, known: Known) -> Iterator[str]:
    clients = set(known.clients) | {one.client_id for one in declared.clients} | {EVERY_CLIENT}
    groups = set(known.groups) | {one.name for one in declared.groups}
    lists = [(one.path, one.clients) for one in declared.groups] + [(one.path, one.clients) for one in declared.users]
    for path, named in lists:
        for index, name in enumerate(named):
            if name not in clients:
                yield f"{path}.clients[{index}]: there is no client {name}"
    for user in declared.users:
        for index, name in enumerate(user.groups):
            if name not in groups:
                yield f"{user.path}.groups[{index}]: there is no group {name}"


def _public_clients_with_secrets_to_keep(declared: Declared, known: Known) -> Iterator[str]:
    for one in declared.clients:
        there = known.clients.get(one.client_id)
        public = there.is_public if there else one.secret is None
        if public and GrantType.CLIENT_CREDENTIALS in one.grant_types:
            yield f"{one.path}.grant_types: client_credentials needs a client_secret (RFC 6749, 4.4)"


def _weak_passwords(declared: Declared, known: Known) -> Iterator[str]:
    """Of new accounts only: nobody's password is changed by the file."""
    rules = Installation(**declared.rules) if declared.rules else known.installation
    minimum = declared.rules.get("password_minimum_length", known.installation.password_minimum_length)
    rules.password_minimum_length = minimum
    for one in declared.users:
        if one.password is not None and one.key not in known.users:
            account = User(username=one.username, username_key=one.key, email=one.email)
            found = passwords.problems(one.password, account, rules)
            if found:
                yield f"{one.path}.password: {' '.join(found)}"


def _shared_addresses(declared: Declared) -> Iterator[str]:
    declared_here = {one.key for one in declared.users}
    holders = {
        email.casefold(): f"the account {username}"
        for key, username, email in User.objects.exclude(email="").values_list("username_key", "username", "email")
        if key not in declared_here
    }
    for one in declared.users:
        if one.email:
            holder = holders.setdefault(one.email.casefold(), one.path)
            if holder != one.path:
                yield f"{one.path}.email: is also the address of {holder}"
