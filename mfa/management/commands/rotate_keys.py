"""`manage.py rotate_keys`: seal everything under the first of MFA_SECRET_KEYS, or bring a new signing key into use."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils import timezone

from mfa.flows import rotation
from mfa.models import KeyRotation


class Command(BaseCommand):
    help = (
        "Re-seals in batches under the first of MFA_SECRET_KEYS, while the server runs; may be stopped and run again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--signing", action="store_true", help="make a new signing key instead; it signs in an hour"
        )
        parser.add_argument("--batch", type=int, default=rotation.BATCH, help="rows a transaction (%(default)s)")
        parser.add_argument("--in-background", action="store_true", help="begin it, and leave it to the server")
        parser.add_argument("--reason", default="", help="kept in the audit trail")

    def handle(self, *args: object, **options: Any) -> None:
        if options["signing"]:
            key = rotation.rotate_signing_key(timezone.now())
            self.stdout.write(f"{key.kid} is published and signs from {key.signs_from:%Y-%m-%d %H:%M} UTC.")
            return
        begun = rotation.begin(timezone.now(), reason=options["reason"][:200])
        if begun is None:
            first = next(iter(settings.MFA_SECRET_KEYS))
            self.stdout.write(f"Everything is sealed under {first} already. 0 are left.")
        elif options["in_background"]:
            self.stdout.write(
                f"Begun: {rotation.left()} are left. The server goes on by itself; the panel's page about keys and "
                "stepward_data_keys_left of /metrics tell how far it is."
            )
        else:
            self._here(begun, options["batch"])

    def _here(self, begun: KeyRotation, batch: int) -> None:
        """Beside the server's own worker, if there is one: neither waits for the other."""
        while rotation.step(begun, batch):
            begun.refresh_from_db()
            self.stdout.write(f"{begun.resealed} of {begun.total}")
        rotation.finish(begun, timezone.now())
        begun.refresh_from_db()
        self.stdout.write(f"{begun.resealed} data keys were sealed under {begun.under}.")
        self.stdout.write(f"{rotation.left()} are left.")
