"""`manage.py provision FILE`: bring clients, groups, policies and users to the state that a file declares."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from mfa.flows import provisioning
from mfa.flows.provisioning.document import MAXIMUM_BYTES
from mfa.management.terminal import migrate_if_empty, quiet_audit_log


class Command(BaseCommand):
    help = "Bring clients, groups, policies and users to the state that a YAML or JSON file declares."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", help="YAML or JSON; - reads standard input")
        parser.add_argument("--dry-run", action="store_true", help="only say what would change")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            declared = provisioning.read(_content(options["file"]))
            migrate_if_empty()
            with quiet_audit_log():
                found = provisioning.bring_about(declared, timezone.now(), dry_run=options["dry_run"])
        except provisioning.NotAcceptable as refused:
            lines = "\n".join(f"  {problem}" for problem in refused.problems)
            raise CommandError(f"Refused, and nothing was changed:\n{lines}") from None
        for change in found:
            self.stdout.write(str(change))
        self.stdout.write(_summary(len(found), options["dry_run"]))


def _content(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read(MAXIMUM_BYTES + 1)
    try:
        with Path(name).open("rb") as file:
            return file.read(MAXIMUM_BYTES + 1)
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror}.") from None


def _summary(count: int, dry_run: bool) -> str:
    if not count:
        return "Nothing to change." if dry_run else "Nothing changed: everything is as declared."
    changes = "1 change" if count == 1 else f"{count} changes"
    return f"{changes} would be made." if dry_run else f"{changes} made."
