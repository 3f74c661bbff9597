"""`manage.py restore DATABASE KEYS`: fill an empty, migrated database from a backup."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from mfa.flows import backup
from mfa.management.terminal import quiet_audit_log


class Command(BaseCommand):
    help = "Restores a backup into an empty, migrated database; give the newest data-keys.jsonl.gz there is."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("database", type=Path)
        parser.add_argument("keys", type=Path)

    def handle(self, *args: object, **options: Any) -> None:
        try:
            with quiet_audit_log():
                restored = backup.read(options["database"], options["keys"], timezone.now())
        except (backup.CannotRestore, OSError, EOFError) as reason:
            raise CommandError(str(reason)) from None
        for table, count in sorted(restored.rows.items()):
            self.stdout.write(f"{table}: {count}")
        if restored.shredded_again:
            self.stdout.write(f"Shredded since the backup and closed again: {restored.shredded_again}")
        # That the keys in force open what was restored.
        self.check(databases=["default"])
