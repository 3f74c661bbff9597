"""A client read together with the rules that apply to it, as part of whatever statement needs it."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from identity import rows
from identity.models import Client, Installation
from identity.rows import Rows

_CLIENT, _INSTALLATION = Rows(Client, "c"), Rows(Installation, "i")
_KEPT_AT_MOST = 1000
# The storey above keeps the policies; its model is only named here.
_OF_INSTALLATION: Rows[Any] = Rows("mfa.MfaPolicy", "ip")
_OF_CLIENT: Rows[Any] = Rows("mfa.MfaPolicy", "cp")

JOINS = """
LEFT JOIN identity_installation i ON i.id = c.installation_id
LEFT JOIN mfa_mfapolicy ip ON ip.installation_id = i.id
LEFT JOIN mfa_mfapolicy cp ON cp.client_id = c.id"""


@cache
def columns() -> str:
    """Of the client `c` and what `JOINS` joins to it."""
    each = (_CLIENT, _INSTALLATION, _OF_INSTALLATION, _OF_CLIENT)
    some_group = "EXISTS (SELECT 1 FROM mfa_mfapolicy g WHERE g.group_id IS NOT NULL)"
    return ", ".join([*(its.columns for its in each), some_group, REVISION])


REVISION = "coalesce((SELECT number FROM identity_clientrevision), 0)"
# What a statement adds to its conditions, with the client's `rules_revision` as a parameter of this name.
IF_CURRENT = f"{REVISION} = %(rules_revision)s"
_latest: dict[str, Client] = {}


def kept(client_id: str) -> Client | None:
    """The client as it was read last by this process, if it was. Nobody changes it.

    Good for whoever goes on with a statement that holds `IF_CURRENT`, or asks `is_current`, and for nobody else.
    """
    return _latest.get(client_id)


def of(key: int | None, client_id: str | None, revision: int) -> Client | None:
    """The client of this key and id, at the revision that was read along with them; None for nobody's."""
    if key is None or client_id is None:
        return None
    latest = _latest.get(client_id)
    if latest is not None and latest.rules_revision == revision:
        return latest
    row = rows.one(f"SELECT {columns()} FROM identity_client c {JOINS} WHERE c.id = %(key)s", {"key": key})  # noqa: S608
    return read(row) if row else None


def is_current(client: Client) -> bool:
    """Whether no client and no rule has changed since this one was read."""
    return rows.one(f"SELECT 1 WHERE {IF_CURRENT}", {"rules_revision": client.rules_revision}) is not None


def read(row: Sequence[Any], start: int = 0) -> Client | None:
    """The client with installation and policies; `some_group_has_a_policy` says whether groups need asking.

    Whoever reads the same revision again gets the same instance, which nobody changes: most of the work of reading is
    making it, and the rows of a client are the same for months.
    """
    if row[start] is None:
        return None
    client_id, revision = row[start + _place_of_id()], row[start + width() - 1]
    latest = _latest.get(client_id)
    if latest is not None and latest.rules_revision == revision:
        return latest
    client = _read(row, start)
    if client is not None:
        if len(_latest) >= _KEPT_AT_MOST:
            _latest.clear()
        _latest[client_id] = client
    return client


@cache
def _place_of_id() -> int:
    return [field.column for field in Client._meta.concrete_fields].index("client_id")


def _read(row: Sequence[Any], start: int) -> Client | None:
    client = _CLIENT.read(row, start)
    if client is None:
        return None
    place = start + _CLIENT.width
    installation = _INSTALLATION.read(row, place)
    assert installation is not None  # noqa: S101  Every client has one.
    client.installation = installation
    place += _INSTALLATION.width
    for owner, its in ((installation, _OF_INSTALLATION), (client, _OF_CLIENT)):
        policy = its.read(row, place)
        type(owner)._meta.get_field("mfa_policy").set_cached_value(owner, policy)
        if policy is not None and owner is client:
            policy.client = client
        place += its.width
    client.some_group_has_a_policy = bool(row[place])
    client.rules_revision = row[place + 1]
    return client


@cache
def width() -> int:
    """How many columns `columns` has."""
    return _CLIENT.width + _INSTALLATION.width + 2 * _OF_CLIENT.width + 2
