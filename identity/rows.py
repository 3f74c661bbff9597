"""Rows for the statements that every sign-in runs, which are written by hand.

Django compiles a queryset anew at each use; for the joins of a sign-in that took three times as long as the database's
answer (docs/decisions/0011). Here columns are listed once, statements have one text for ever, which PostgreSQL keeps
prepared, and what comes back are the same model instances. Everything else goes through querysets.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache, cached_property
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.apps import apps
from django.db import connection
from django.db.models import (
    AutoField,
    BinaryField,
    BooleanField,
    CharField,
    DateTimeField,
    Field,
    ForeignKey,
    IntegerField,
    Model,
    TextField,
    UUIDField,
)

M = TypeVar("M", bound=Model)
_Convert = Callable[[Any], Any]


class Rows(Generic[M]):
    """Rows of one model under an alias: `columns` for the statement, `read` for what came back.

    `model` is a class, or "app.Model" where the class stands on a higher storey. The alias is the table's own name
    where an UPDATE returns its rows: SQLite knows no other there.
    """

    def __init__(self, model: type[M] | str, alias: str) -> None:
        self._model, self._alias = model, alias

    @property
    def model(self) -> type[M]:
        return apps.get_model(self._model) if isinstance(self._model, str) else self._model

    @cached_property
    def columns(self) -> str:
        """`"u"."id", "u"."password", …`, in the order that `read` expects."""
        return ", ".join(f'"{self._alias}"."{field.column}"' for field in self.model._meta.concrete_fields)

    @property
    def width(self) -> int:
        return len(self.model._meta.concrete_fields)

    def read(self, row: Sequence[Any], start: int = 0) -> M | None:
        """The instance whose columns begin at `start`; None where an outer join found nothing."""
        names, key, converters = _reading(self.model, connection.vendor)
        values = list(row[start : start + len(names)])
        if values[key] is None:
            return None
        for place, convert in converters:
            values[place] = convert(values[place])
        return self.model.from_db(connection.alias, names, values)


def one(statement: str, parameters: dict[str, Any]) -> Sequence[Any] | None:
    """The first row of a statement, or None."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        row: Sequence[Any] | None = cursor.fetchone()
        return row


def every(statement: str, parameters: dict[str, Any]) -> Sequence[Sequence[Any]]:
    """All rows of a statement."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows: Sequence[Sequence[Any]] = cursor.fetchall()
        return rows


def changed(statement: str, parameters: dict[str, Any]) -> int:
    """How many rows a statement changed."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return int(cursor.rowcount)


def insert(*instances: Model, returning: str = "", parameters: dict[str, Any] | None = None) -> Sequence[Any] | None:
    """Write new rows of one model in one statement; what `returning` asks of the last of them.

    Neither signals nor values that Django or the database would fill in on saving: the instances are complete, but for
    a counted key.
    """
    model = type(instances[0])
    given = dict(parameters or {})
    for number, instance in enumerate(instances):
        for field, name, as_it_is in _writing(model, connection.vendor):
            value = getattr(instance, name)
            if value is not None and not as_it_is:
                value = field.get_db_prep_save(value, connection)
            given[f"{name}_{number}"] = value
    statement = _insertion(model, len(instances)) + (f" RETURNING {returning}" if returning else "")
    with connection.cursor() as cursor:
        cursor.execute(statement, given)
        row: Sequence[Any] | None = cursor.fetchone() if returning else None
    for instance in instances:
        instance._state.adding, instance._state.db = False, connection.alias
    return row


def instant(moment: datetime | None) -> Any:
    """An instant as the database takes it."""
    return connection.ops.adapt_datetimefield_value(moment) if moment is not None else None


def key(identifier: UUID | int) -> Any:
    """A primary key as the database takes it."""
    if isinstance(identifier, UUID) and not connection.features.has_native_uuid_field:
        return identifier.hex
    return identifier


def locking(alias: str) -> str:
    """The end of a SELECT that locks the rows of `alias`; nothing on SQLite, where a transaction is alone anyway.

    `NO KEY`: rows that merely refer to the locked one are written meanwhile.
    """
    return f' FOR NO KEY UPDATE OF "{alias}"' if connection.features.has_select_for_no_key_update else ""


@cache
def _reading(model: type[Model], vendor: str) -> tuple[list[str], int, list[tuple[int, _Convert]]]:
    """Attribute names, where the primary key stands, and what must be converted on this database."""
    fields = model._meta.concrete_fields
    converters = []
    for place, field in enumerate(fields):
        column = field.get_col("")
        found = [*connection.ops.get_db_converters(column), *column.get_db_converters(connection)]
        if found:
            converters.append((place, _chained(found, column)))
    names = [field.attname for field in fields]
    return names, next(place for place, field in enumerate(fields) if field.primary_key), converters


def _chained(converters: list[Any], column: Any) -> _Convert:
    def convert(value: Any) -> Any:
        for each in converters:
            value = each(value, column, connection)
        return value

    return convert


@cache
def _writing(model: type[Model], vendor: str) -> "list[tuple[Field[Any, Any], str, bool]]":
    """Each column but a counted key: its field, its attribute, and whether the database takes the value as it is."""
    plain: tuple[type[Any], ...] = (CharField, TextField, IntegerField, BooleanField)
    if vendor == "postgresql":
        plain += (DateTimeField, UUIDField, BinaryField)
    fields = [field for field in model._meta.concrete_fields if not isinstance(field, AutoField)]
    return [(field, field.attname, isinstance(_referred(field), plain)) for field in fields]


def _referred(field: "Field[Any, Any]") -> "Field[Any, Any]":
    """For a foreign key the key that it holds."""
    while isinstance(field, ForeignKey):
        field = field.target_field
    return field


@cache
def _insertion(model: type[Model], count: int) -> str:
    fields = [field for field in model._meta.concrete_fields if not isinstance(field, AutoField)]
    columns = ", ".join(f'"{field.column}"' for field in fields)
    values = ", ".join(
        "(" + ", ".join(f"%({field.attname}_{number})s" for field in fields) + ")" for number in range(count)
    )
    return f'INSERT INTO "{model._meta.db_table}" ({columns}) VALUES {values}'  # noqa: S608  Names of our own models.
