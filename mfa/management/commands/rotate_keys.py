"""`manage.py rotate_keys`: seal everything under the first of MFA_SECRET_KEYS, or bring a new signing key into use."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from mfa.flows import rotation


class Command(BaseCommand):
    help = (
        "Re-seals in batches under the first of MFA_SECRET_KEYS, while the server runs; may be stopped and run again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--signing", action="store_true", help="make a new signing key instead; it signs in an hour"
        )
        parser.add_argument("--batch", type=int, default=rotation.BATCH, help="rows a transaction (%(default)s)")
        parser.add_argument("--in-background", action="store_true", help="leave it to the Celery worker")

    def handle(self, *args: object, **options: Any) -> None:
        if options["signing"]:
            key = rotation.rotate_signing_key(timezone.now())
            self.stdout.write(f"{key.kid} is published and signs from {key.signs_from:%Y-%m-%d %H:%M} UTC.")
        elif options["in_background"]:
            self._in_background()
        else:
            self._here(options["batch"])

    def _here(self, batch: int) -> None:
        total = rotation.left()
        own = rotation.reseal_own_keys()
        done = 0
        while count := rotation.reseal_batch(batch):
            done += count
            self.stdout.write(f"{done} of {total}")
        first = next(iter(settings.MFA_SECRET_KEYS))
        self.stdout.write(f"{done} data keys and {own} of the installation's own are now sealed under {first}.")
        self.stdout.write(f"{rotation.left()} are left.")

    def _in_background(self) -> None:
        if not settings.REDIS_URL:
            raise CommandError("There is no worker without REDIS_URL. Leave --in-background out.")
        from celery import current_app
        from django.utils.module_loading import import_string

        import_string(settings.CELERY_APP)
        current_app.send_task("stepward.reseal")
        self.stdout.write(f"{rotation.left()} data keys are left; stepward_data_keys of /metrics tells how it goes on.")
