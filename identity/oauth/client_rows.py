"""A client read together with the rules that apply to it, as part of whatever statement needs it."""

from collections.abc import Sequence
from functools import cache
from typing import Any

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
    return ", ".join([*(rows.columns for rows in each), some_group])


_latest: dict[int, tuple[tuple[Any, ...], Client]] = {}


def read(row: Sequence[Any], start: int = 0) -> Client | None:
    """The client with installation and policies; `some_group_has_a_policy` says whether groups need asking.

    Whoever reads the same values again gets the same instance, which nobody changes: most of the work of reading is
    making it, and the rows of a client are the same for months.
    """
    key, values = row[start], tuple(row[start : start + width()])
    kept = _latest.get(key)
    if kept is not None and kept[0] == values:
        return kept[1]
    client = _read(values)
    if client is not None:
        if len(_latest) >= _KEPT_AT_MOST:
            _latest.clear()
        _latest[key] = values, client
    return client


def _read(row: Sequence[Any]) -> Client | None:
    start = 0
    client = _CLIENT.read(row, start)
    if client is None:
        return None
    place = start + _CLIENT.width
    installation = _INSTALLATION.read(row, place)
    assert installation is not None  # noqa: S101  Every client has one.
    client.installation = installation
    place += _INSTALLATION.width
    for owner, rows in ((installation, _OF_INSTALLATION), (client, _OF_CLIENT)):
        policy = rows.read(row, place)
        type(owner)._meta.get_field("mfa_policy").set_cached_value(owner, policy)
        if policy is not None and owner is client:
            policy.client = client
        place += rows.width
    client.some_group_has_a_policy = bool(row[place])
    return client


@cache
def width() -> int:
    """How many columns `columns` has."""
    return _CLIENT.width + _INSTALLATION.width + 2 * _OF_CLIENT.width + 1
