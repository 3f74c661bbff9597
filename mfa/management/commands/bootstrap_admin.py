"""`manage.py bootstrap_admin`: a one-time link with which the first administrator sets a password and enrols."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from mfa.flows import bootstrap
from mfa.management.terminal import migrate_if_empty, quiet_audit_log


class Command(BaseCommand):
    help = "Print a one-time link with which the first administrator sets a password and enrols."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--username", default="admin", help="the account to make (admin)")
        parser.add_argument("--force", action="store_true", help="also when an owner already exists")

    def handle(self, *args: Any, **options: Any) -> None:
        migrate_if_empty()
        now = timezone.now()
        try:
            with quiet_audit_log():
                link = bootstrap.make_link(options["username"], now, force=options["force"])
        except bootstrap.BootstrapRefused as refused:
            raise CommandError(str(refused)) from None
        self.stdout.write(link)
        self.stdout.write(
            f"It works once, until {now + bootstrap.LINK_LIFETIME:%Y-%m-%d %H:%M} UTC. "
            f"Whoever opens it becomes the owner {options['username']}: hand it over as you would a password."
        )
