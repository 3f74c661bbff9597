"""Backup and restore in a form that both databases read, with the data keys apart.

Two files: the database without its data keys, and the data keys with the list of who was shredded. Old copies of the
first may be kept for years, of the second only the newest. So who was shredded stays shredded: no backup brings back a
key that the newest file lacks, and a restore closes the accounts of the list again. What is sealed in either file opens
only with MFA_SECRET_KEYS, which belong into neither.
"""

import gzip
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from django.apps import apps
from django.core import serializers
from django.core.management.color import no_style
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, models, transaction
from django.db.migrations.recorder import MigrationRecorder

from identity.models import AuditEvent, User
from mfa.flows import shredding
from mfa.models import DataKey, Shredding

FORMAT = 1
_WITH_THE_KEYS: list[type[models.Model]] = [DataKey, Shredding]
# Made anew by migrate, or worth nothing after a restore: content types, permissions, browser sessions.
_LEFT_OUT = {"contenttypes.contenttype", "auth.permission", "auth.group", "admin.logentry", "sessions.session"}


class CannotRestore(Exception):
    """The files and this database do not fit; the text says why and what to do."""


def write(folder: Path, now: datetime) -> tuple[Path, Path]:
    """Write both files from one moment of the database; returns their paths. They are readable by their owner alone."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    database, keys = folder / f"stepward-{now:%Y%m%dT%H%M%SZ}.jsonl.gz", folder / "data-keys.jsonl.gz"
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        _write(database, now, [model for model in tables() if model not in _WITH_THE_KEYS])
        _write(keys, now, _WITH_THE_KEYS)
    return database, keys


@dataclass(frozen=True, slots=True)
class Restored:
    """Rows by table, and how many accounts were closed that the backup had brought back."""

    rows: dict[str, int]
    shredded_again: int


def read(database: Path, keys: Path, now: datetime) -> Restored:
    """Fill an empty, migrated database from both files, all or nothing. Raises CannotRestore."""
    if User.objects.exists() or AuditEvent.objects.exists():
        raise CannotRestore("This database holds accounts. Restore into an empty one that was migrated.")
    written, keys_written = _written_at(database), _written_at(keys)
    if keys_written < written:
        raise CannotRestore(
            "The data keys are older than the database: who enrolled between the two would be shredded. "
            "Take the newest data-keys.jsonl.gz."
        )
    counts: dict[str, int] = {}
    with transaction.atomic():
        for model in reversed(tables()):
            model._default_manager.all().delete()
        for path in (database, keys):
            for name, count in _read(path).items():
                counts[name] = counts.get(name, 0) + count
        with connection.cursor() as cursor:
            for statement in connection.ops.sequence_reset_sql(no_style(), tables()):
                cursor.execute(statement)
        again = shredding.shred_again(written, now)
    return Restored(counts, len(again))


def tables() -> list[type[models.Model]]:
    """Every table that a backup holds, those that others point at first."""
    found = [model for model in apps.get_models(include_auto_created=True) if _belongs(model)]
    ordered: list[type[models.Model]] = []

    def place(model: type[models.Model], above: tuple[type[models.Model], ...] = ()) -> None:
        if model in ordered or model in above:
            return
        for field in model._meta.local_fields:
            target = field.related_model
            if isinstance(target, type) and target in found and target is not model:
                place(target, (*above, model))
        ordered.append(model)

    for model in found:
        place(model)
    return ordered


def _belongs(model: type[models.Model]) -> bool:
    return (
        model._meta.managed
        and not model._meta.proxy
        and model._meta.label_lower not in _LEFT_OUT
        and (
            # The tables between groups and permissions, which are not used.
            model._meta.app_label not in ("auth", "admin")
        )
    )


def _write(path: Path, now: datetime, chosen: list[type[models.Model]]) -> None:
    draft = path.with_suffix(".part")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as raw, gzip.open(raw, "wt", encoding="utf-8") as file:
        file.write(json.dumps({"format": FORMAT, "at": now.isoformat(), "migrations": _migrations()}) + "\n")
        for model in chosen:
            _write_rows(file, model)
    draft.replace(path)


def _write_rows(file: IO[str], model: type[models.Model]) -> None:
    rows = model._base_manager.order_by("pk").iterator(chunk_size=2000)
    # Sets of people and clients are tables of their own here; each row holds its own columns only.
    columns = [field.name for field in model._meta.local_fields]
    serializers.serialize("jsonl", rows, fields=columns, stream=file, cls=_Exact)


class _Exact(DjangoJSONEncoder):
    """Instants to the microsecond: Django's own encoder cuts them to milliseconds, and no seal would hold."""

    def default(self, o: Any) -> Any:
        return o.isoformat() if isinstance(o, datetime) else super().default(o)


def _written_at(path: Path) -> datetime:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        head = json.loads(file.readline())
    if head.get("format") != FORMAT:
        raise CannotRestore(f"{path.name} has another format than this version writes.")
    if head["migrations"] != _migrations():
        raise CannotRestore(f"{path.name} is of another version. Restore with that version, then migrate.")
    return datetime.fromisoformat(head["at"])


def _read(path: Path) -> dict[str, int]:
    counts: dict[str, int] = {}
    with gzip.open(path, "rt", encoding="utf-8") as file:
        file.readline()
        for row in _rows(file):
            row.save()
            label = row.object._meta.label_lower
            counts[label] = counts.get(label, 0) + 1
    return counts


def _rows(file: IO[str]) -> Iterator[Any]:
    for row in serializers.deserialize("jsonl", file):
        # A data key whose person is not in the (older) database file has nothing left to open.
        if isinstance(row.object, DataKey) and not User.objects.filter(pk=row.object.pk).exists():
            continue
        yield row


def _migrations() -> dict[str, str]:
    """The last migration of each of our apps."""
    applied = sorted(MigrationRecorder(connection).applied_migrations())
    return {app: name for app, name in applied if app in ("identity", "mfa")}
