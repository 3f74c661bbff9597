"""System checks of mfa: what `manage.py check` says, and `serve` before it starts."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, register
from django.db import DatabaseError

from identity.checks import missing_key


@register(Tags.database)
def every_data_key_can_be_opened(
    app_configs: object, databases: Sequence[str] | None = None, **_kwargs: Any
) -> list[CheckMessage]:
    """No person's secrets are sealed under a key that was taken away too early."""
    if "default" not in (databases or ()):
        return []
    from mfa.models import DataKey

    try:
        lost = list(DataKey.objects.exclude(sealed_under__in=list(settings.MFA_SECRET_KEYS)).values("sealed_under")[:1])
    except DatabaseError:
        return []  # Not migrated yet, or away, which identity's check says.
    return [missing_key(row["sealed_under"], "Secrets of people are", "mfa.E001") for row in lost]
