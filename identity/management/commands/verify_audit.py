"""`manage.py verify_audit`: whether the audit trail is what was written; ends with 1 and a line a finding if not."""

import argparse
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from identity.flows import audit_seals
from identity.flows.audit_seals import Head
from identity.flows.audit_verifier import Verifier

_SHOWN = 100


class Command(BaseCommand):
    help = "Compares the audit trail with its seals; says which events were edited, deleted or inserted."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--head",
            type=_head,
            action="append",
            default=[],
            metavar="NUMBER:MAC",
            help="a link that once was the newest, from a log line `audit sealed` (number and mac); may be repeated",
        )
        parser.add_argument(
            "--accept", action="store_true", help="after a restore: keep the present end as the one to compare with"
        )

    def handle(self, *args: object, **options: Any) -> None:
        kept, verifier, count = audit_seals.kept_head(), Verifier(timezone.now()), 0
        heads = [*options["head"], *([kept] if kept and not options["accept"] else [])]
        for finding in verifier.findings(heads):
            count += 1
            if count <= _SHOWN:
                self.stdout.write(f"{finding.kind}: {finding.text}")
        if count > _SHOWN:
            self.stdout.write(f"… and {count - _SHOWN} more.")
        self.stdout.write(f"{verifier.links} links over {verifier.events} events. Head: {verifier.head or 'none'}")
        if not heads:
            self.stdout.write("Compared with no earlier head: give one of your logs, or a cut at the end is not seen.")
        if count:
            raise CommandError("The audit trail is not what was sealed.")
        if options["accept"] and verifier.head:
            audit_seals.keep_head(verifier.head)


def _head(text: str) -> Head:
    try:
        return Head.parse(text)
    except ValueError as reason:
        raise argparse.ArgumentTypeError(str(reason)) from None
