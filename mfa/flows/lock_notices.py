"""Telling owners that their account was locked: by the sweep, so that no answer takes longer for a name that exists."""

from datetime import datetime

from django.db import transaction

from identity.flows import lockout
from mfa.flows import notices


def tell_of_locks(now: datetime) -> int:
    """Tell the owner of each new lock, once; how many were told."""
    told = 0
    for tries in lockout.untold(now):
        with transaction.atomic():
            if tries.user is not None and lockout.mark_told(tries):
                notices.tell(tries.user, "account_locked", None, now)
                told += 1
    return told
