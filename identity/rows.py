"""Rows for the statements that every sign-in runs, which are written by hand.

Django compiles a queryset anew at each use; for the joins of a sign-in that took three times as long as the database's
answer (docs/decisions/0011). Here columns are listed once, statements have one text for ever, which PostgreSQL keeps
prepared, and what comes back are the same model instances. Everything else goes through querysets.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from datetime import datetime
from functools import cache, cached_property
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, DataError, connection, connections, transaction
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
from django.db.models.base import ModelState

M = TypeVar("M", bound=Model)
_Convert = Callable[[Any], Any]
_PARAMETER = re.compile(r"%\((\w+)\)s")
_DIVISION_BY_ZERO: Final = "22012"


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
        names, key, converters = _reading(self.model, vendor())
        values = list(row[start : start + len(names)])
        if values[key] is None:
            return None
        for place, convert in converters:
            values[place] = convert(values[place])
        return _instance(self.model, dict(zip(names, values, strict=True)), adding=False)


class Overtaken(Exception):
    """A statement of `together` did not find what it had to change; nothing of the others has happened."""


@dataclass(frozen=True, slots=True)
class Step:
    """One statement of `together`. One that `decides` must change exactly one row, or all is taken back."""

    statement: str
    parameters: Mapping[str, Any]
    decides: bool = False
    returning: tuple[str, ...] = ()


def one(statement: str, parameters: Mapping[str, Any]) -> Sequence[Any] | None:
    """The first row of a statement, or None."""
    with _executed(statement, parameters) as cursor:
        row: Sequence[Any] | None = cursor.fetchone()
        return row


def every(statement: str, parameters: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
    """All rows of a statement."""
    with _executed(statement, parameters) as cursor:
        rows: Sequence[Sequence[Any]] = cursor.fetchall()
        return rows


def changed(statement: str, parameters: Mapping[str, Any]) -> int:
    """How many rows a statement changed."""
    with _executed(statement, parameters) as cursor:
        return int(cursor.rowcount)


def insert(*instances: Model) -> None:
    """Write new rows of one model in one statement.

    Neither signals nor values that Django or the database would fill in on saving: the instances are complete, but for
    a counted key.
    """
    step = insertion(*instances)
    changed(step.statement, step.parameters)


def insertion(*instances: Model, returning: tuple[str, ...] = (), also: Mapping[str, Any] | None = None) -> Step:
    """The step that writes new rows of one model; `also` are parameters of what it returns.

    The instances count as saved from here on: whoever is overtaken throws them away.
    """
    model = type(instances[0])
    given = dict(also or {})
    for number, instance in enumerate(instances):
        held = instance.__dict__
        for parameter, name, prepare in _writing(model, number, vendor()):
            value = held[name]
            given[parameter] = value if prepare is None or value is None else prepare(value, connection)
        instance._state.adding, instance._state.db = False, DEFAULT_DB_ALIAS
    return Step(_insertion(model, len(instances)), given, returning=returning)


def together(*steps: Step) -> Sequence[Any]:
    """All of the steps or, raising Overtaken, none; what the one that returns something returned.

    On PostgreSQL they are one statement, which is a transaction by itself and one journey to the database: each step
    sees the rows as they were before the first, but what it changes it changes as it finds it then (READ COMMITTED).
    The deciding ones are done first, in their order, and lock in it. On SQLite they follow each other in a transaction.

    A statement that fails ends the transaction around it: whoever goes on in it wraps this in `by_itself`.
    """
    if vendor() == "postgresql":
        given: dict[str, Any] = {}
        for step in steps:
            given.update(step.parameters)
        statement = _as_one(tuple((step.statement, step.decides, step.returning) for step in steps))
        try:
            return one(statement, given) or ()
        except DataError as error:
            if getattr(error.__cause__, "sqlstate", None) != _DIVISION_BY_ZERO:
                raise
            raise Overtaken from None
    found: Sequence[Any] = ()
    with transaction.atomic():
        for step in steps:
            returning = f" RETURNING {', '.join(step.returning)}" if step.returning else ""
            with _executed(step.statement + returning, step.parameters) as cursor:
                if step.decides and cursor.rowcount != 1:
                    raise Overtaken
                if step.returning:
                    found = cursor.fetchone()
    return found


def by_itself() -> AbstractContextManager[Any]:
    """Around one statement that may fail: by itself it is a transaction, and inside another one it gets a savepoint."""
    return transaction.atomic() if connection.in_atomic_block else nullcontext()


def new(model: type[M], **values: Any) -> M:
    """An instance to be inserted: `values` by column, as `user_id`; what is left out has the model's default.

    Django's own way to make one asks each field in turn and sends two signals: for the rows of one sign-in that took
    as long as writing them.
    """
    plain, made = _defaults(model)
    given = plain | values
    if len(given) != len(plain):
        raise TypeError(f"{model.__name__} has no {', '.join(sorted(values.keys() - plain.keys()))}")
    for name, make in made:
        if name not in values:
            given[name] = make()
    return _instance(model, given, adding=True)


def _instance(model: type[M], values: dict[str, Any], *, adding: bool) -> M:
    found = model.__new__(model)
    state = found._state = ModelState()
    if not adding:
        state.adding, state.db = False, DEFAULT_DB_ALIAS
    found.__dict__.update(values)
    return found


@cache
def _defaults(model: type[Model]) -> tuple[dict[str, Any], list[tuple[str, Callable[[], Any]]]]:
    """What each column holds that nobody has named, and of which of them each row has its own."""
    fields = model._meta.concrete_fields
    made = [(field.attname, field.get_default) for field in fields if callable(field.default)]
    return {field.attname: field.get_default() for field in fields}, made


def instant(moment: datetime | None) -> Any:
    """An instant as the database takes it."""
    if moment is None or vendor() == "postgresql":
        return moment
    return connection.ops.adapt_datetimefield_value(moment)


def key(identifier: UUID | int) -> Any:
    """A primary key as the database takes it."""
    if isinstance(identifier, UUID) and vendor() != "postgresql":
        return identifier.hex
    return identifier


def locking(alias: str) -> str:
    """The end of a SELECT that locks the rows of `alias`; nothing on SQLite, where a transaction is alone anyway.

    `NO KEY`: rows that merely refer to the locked one are written meanwhile.
    """
    return f' FOR NO KEY UPDATE OF "{alias}"' if connection.features.has_select_for_no_key_update else ""


@cache
def vendor() -> str:
    """`postgresql` or `sqlite`. A process has one database; asking Django's proxy took longer."""
    return str(connection.vendor)


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
def _writing(model: type[Model], number: int, vendor: str) -> list[tuple[str, str, Callable[[Any, Any], Any] | None]]:
    """Of each column but a counted key: its parameter, its attribute, and how to prepare a value, where one must."""
    plain: tuple[type[Any], ...] = (CharField, TextField, IntegerField, BooleanField)
    if vendor == "postgresql":
        plain += (DateTimeField, UUIDField, BinaryField)
    table = model._meta.db_table
    return [
        (
            f"{table}_{field.attname}_{number}",
            field.attname,
            None if isinstance(_referred(field), plain) else field.get_db_prep_save,
        )
        for field in model._meta.concrete_fields
        if not isinstance(field, AutoField)
    ]


def _referred(field: "Field[Any, Any]") -> "Field[Any, Any]":
    """For a foreign key the key that it holds."""
    while isinstance(field, ForeignKey):
        field = field.target_field
    return field


@cache
def _insertion(model: type[Model], count: int) -> str:
    table = model._meta.db_table
    fields = [field for field in model._meta.concrete_fields if not isinstance(field, AutoField)]
    columns = ", ".join(f'"{field.column}"' for field in fields)
    values = ", ".join(
        "(" + ", ".join(f"%({table}_{field.attname}_{number})s" for field in fields) + ")" for number in range(count)
    )
    return f'INSERT INTO "{table}" ({columns}) VALUES {values}'  # noqa: S608  Names of our own models.


@cache
def _as_one(steps: tuple[tuple[str, bool, tuple[str, ...]], ...]) -> str:
    """The steps as one statement of PostgreSQL, which fails by itself where a deciding one changed nothing."""
    parts, conditions, wanted = [], [], []
    for place, (statement, decides, returning) in enumerate(steps):
        columns = [f"{expression} AS c{number}" for number, expression in enumerate(returning)]
        told = f" RETURNING {', '.join(columns) or '1'}" if decides or columns else ""
        parts.append(f"s{place} AS ({statement}{told})")
        if decides:
            conditions.append(f"(SELECT count(*) FROM s{place}) = 1")  # noqa: S608  Statements of our own.
        wanted += [f"(SELECT c{number} FROM s{place})" for number in range(len(columns))]  # noqa: S608
    decided = f"1 / (CASE WHEN {' AND '.join(conditions)} THEN 1 ELSE 0 END)" if conditions else "1"
    return f"WITH {', '.join(parts)} SELECT {', '.join([*wanted, decided])}"


def _executed(statement: str, parameters: Mapping[str, Any]) -> AbstractContextManager[Any]:
    """A cursor that has run the statement.

    With PostgreSQL it is psycopg's own: Django's wrapper and the reading of named parameters took a third of the time
    of a short statement. Whoever listens to statements (tests, telemetry) gets them by Django's.
    """
    database: Any = connections[DEFAULT_DB_ALIAS]
    database.ensure_connection()  # Whoever listens may begin to as it is made.
    if vendor() != "postgresql" or database.execute_wrappers or database.queries_logged:
        cursor = database.cursor()
        try:
            cursor.execute(statement, parameters)
        except BaseException:
            cursor.close()
            raise
        return closing(cursor)
    text, names = _numbered(statement)
    database.validate_no_broken_transaction()
    with database.wrap_database_errors:
        own = _raw_cursor()(database.connection)
        own.execute(text, [parameters[name] for name in names])
    return nullcontext(own)


@cache
def _raw_cursor() -> Any:
    from psycopg import RawCursor  # Where there is no PostgreSQL it need not be loaded.

    return RawCursor


@cache
def _numbered(statement: str) -> tuple[bytes, tuple[str, ...]]:
    """The statement with PostgreSQL's own `$1`, and the parameters' names by number."""
    names: dict[str, int] = {}

    def number(found: re.Match[str]) -> str:
        return f"${names.setdefault(found[1], len(names) + 1)}"

    return _PARAMETER.sub(number, statement).replace("%%", "%").encode(), tuple(names)
