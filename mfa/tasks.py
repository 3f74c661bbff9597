"""Delivery by Celery, where a broker is configured. A task's argument is the row's id and nothing else."""

from uuid import UUID

from celery import shared_task
from django.conf import settings
from django.utils import timezone
from django.utils.module_loading import import_string

from mfa.delivery import outbox


def publish(delivery_id: UUID) -> None:
    """Put the message's id on the broker; raises kombu's OperationalError when it cannot be reached."""
    import_string(settings.CELERY_APP)  # Makes the configured application the one that the tasks belong to.
    deliver.apply_async((str(delivery_id),), retry=False)


@shared_task(name="mfa.deliver", ignore_result=True)  # type: ignore[untyped-decorator]
def deliver(delivery_id: str) -> None:
    """Send one message, unless another worker is sending it or it is over."""
    outbox.hand_over(UUID(delivery_id), timezone.now())
