"""`manage.py shred NAME`: close an account for good and destroy the key of everything that was sealed for it."""

from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from identity.models import User
from mfa.flows import shredding
from mfa.management.terminal import quiet_audit_log


class Command(BaseCommand):
    help = "Closes an account for good and destroys its data key. There is no way back."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username", nargs="?")
        parser.add_argument("--reason", default="", help="kept in the audit trail")
        parser.add_argument(
            "--again-since",
            type=datetime.fromisoformat,
            metavar="INSTANT",
            help="after a restore with PostgreSQL's own tools: shred whoever was shredded since that backup",
        )

    def handle(self, *args: object, **options: Any) -> None:
        since, now = options["again_since"], timezone.now()
        if since is not None:
            with transaction.atomic(), quiet_audit_log():
                again = shredding.shred_again(since if since.tzinfo else since.replace(tzinfo=UTC), now)
            self.stdout.write(f"Closed again: {len(again)}")
            return
        if not options["username"] or not options["reason"]:
            raise CommandError("Name the account, and say why: shred NAME --reason …")
        user = User.objects.named(options["username"])
        if user is None:
            raise CommandError("There is no such account.")
        with quiet_audit_log():
            shredding.shred(user, now, reason=options["reason"][:200])
        self.stdout.write(
            "Shredded. Run `manage.py backup` now: until then the last data-keys.jsonl.gz still holds the key."
        )
