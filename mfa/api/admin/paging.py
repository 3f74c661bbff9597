"""Pages that cost the same at the first and at the millionth row, and show nothing twice while rows come.

A cursor holds the last row's place in the order, signed: the next page begins behind it and counts nothing. Where a
filter has no index, a page looks through so many rows and no more; it may then hold few rows, or none, and still a
cursor to go on with.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from django.core import signing
from django.db.models import Model, Q, QuerySet

from identity.errors import InvalidParameters

USUAL, MOST = 50, 200
REACH: Final = 20_000
"""Rows that one page looks through where no index finds them."""

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True, slots=True)
class Order:
    """Unique together, none of them empty; `-` before a column turns it round. `name` keeps cursors apart."""

    name: str
    columns: tuple[str, ...]

    def behind(self, place: Sequence[Any]) -> Q:
        """The rows that come after `place`."""
        first, *rest = self.columns
        step = Q(**{f"{first.lstrip('-')}__{'lt' if first.startswith('-') else 'gt'}": place[0]})
        if not rest:
            return step
        same = Q(**{first.lstrip("-"): place[0]})
        # Said twice for the sake of the index: the first column alone bounds what is read.
        bound = Q(**{f"{first.lstrip('-')}__{'lte' if first.startswith('-') else 'gte'}": place[0]})
        return bound & (step | (same & Order(self.name, tuple(rest)).behind(place[1:])))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.lstrip("-") for column in self.columns)


@dataclass(frozen=True, slots=True)
class Page:
    """The keys of one page in their order, and the cursor of the next; None: there is none."""

    keys: list[Any]
    next_cursor: str | None


def page(rows: QuerySet[Row], order: Order, cursor: str, limit: int, *, within: QuerySet[Row] | None = None) -> Page:
    """The keys of at most `limit` rows behind `cursor`.

    `within` are the rows to be looked through where the filters of `rows` have no index: in the same order, and found
    by one.
    """
    if cursor:
        behind = order.behind(_place(rows, order, cursor))
        rows, within = rows.filter(behind), within.filter(behind) if within is not None else None
    edge = _edge(within, order) if within is not None else None
    if edge is not None:
        rows = rows.exclude(order.behind(edge))
    found = list(rows.order_by(*order.columns).values_list(*order.names, "pk")[: limit + 1])
    more, found = found[limit:], found[:limit]
    last = found[-1][:-1] if more else edge
    return Page([row[-1] for row in found], _cursor(order, last) if last is not None else None)


def in_order(keys: list[Any], read: Callable[[list[Any]], dict[Any, Row]]) -> list[Row]:
    """The rows of these keys, read at once; what was deleted meanwhile is left out."""
    found = read(keys) if keys else {}
    return [found[key] for key in keys if key in found]


def _edge(within: QuerySet[Any], order: Order) -> tuple[Any, ...] | None:
    """The place of the last row that this page looks at; None where the rows end before."""
    rows: QuerySet[Any, Any] = within.order_by(*order.columns).values_list(*order.names)
    return next(iter(rows[REACH - 1 : REACH]), None)


def _cursor(order: Order, place: Sequence[Any]) -> str:
    return signing.dumps([str(value) for value in place], salt=_salt(order))


def _place(rows: QuerySet[Any], order: Order, cursor: str) -> list[Any]:
    try:
        values = signing.loads(cursor, salt=_salt(order))
    except signing.BadSignature:
        raise InvalidParameters("The cursor is none of this list's.") from None
    fields = (rows.model._meta.pk if name == "pk" else rows.model._meta.get_field(name) for name in order.names)
    return [field.to_python(value) for field, value in zip(fields, values, strict=True)]


def _salt(order: Order) -> str:
    return f"api.admin.{order.name}"
