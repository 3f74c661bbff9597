"""`manage.py sweep`: delete what is over, now. The server does so by itself every ten minutes."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from mfa.flows import cleanup


class Command(BaseCommand):
    help = "Deletes expired requests, enrolments, challenges, tokens, sessions, counts and old messages."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--seconds", type=float, default=3600.0, help="stop after so many (3600)")

    def handle(self, *args: object, **options: Any) -> None:
        deleted = cleanup.clean_up(timezone.now(), seconds=options["seconds"])
        for table, count in sorted(deleted.items()):
            self.stdout.write(f"{table}: {count}")
        self.stdout.write(f"{sum(deleted.values())} rows deleted.")
