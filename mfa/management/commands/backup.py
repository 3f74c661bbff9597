"""`manage.py backup FOLDER`: the database and, apart from it, the data keys."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from mfa.flows import backup


class Command(BaseCommand):
    help = "Writes stepward-….jsonl.gz and data-keys.jsonl.gz into FOLDER. Of the second keep the newest only."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path)

    def handle(self, *args: object, **options: Any) -> None:
        for path in backup.write(options["folder"], timezone.now()):
            self.stdout.write(str(path))
