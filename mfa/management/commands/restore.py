"""`manage.py restore DATABASE KEYS`: fill an empty, migrated database from a backup."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from mfa.flows import backup


class Command(BaseCommand):
    help = "Restores a backup into an empty, migrated database; give the newest data-keys.jsonl.gz there is."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("database", type=Path)
        parser.add_argument("keys", type=Path)

    def handle(self, *args: object, **options: Any) -> None:
        try:
            counts = backup.read(options["database"], options["keys"])
        except (backup.CannotRestore, OSError, EOFError) as reason:
            raise CommandError(str(reason)) from None
        for table, count in sorted(counts.items()):
            self.stdout.write(f"{table}: {count}")
        # That the keys in force open what was restored.
        self.check(databases=["default"])
