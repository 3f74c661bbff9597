"""Shredding a person: the data key goes, and with it all that was ever sealed under it, in every old backup too.

A backup's database file holds no data key (docs/decisions/0054), and the newest file of keys lacks this one. That file
also carries the list of who was shredded, so that a restore closes the account again: an authenticator by e-mail has no
secret whose key could be destroyed.
"""

from datetime import datetime

from django.contrib.auth.hashers import make_password
from django.db import transaction

from identity.flows import accounts, audit
from identity.models import PasswordHistory, User
from mfa import secret_store
from mfa.flows import administration
from mfa.models import Authenticator, Delivery, Enrolment, Invitation, PasswordReset, RecoveryCodeSet, Shredding


def shred(user: User, now: datetime, *, reason: str) -> None:
    """Close the account for good and destroy what is secret of it; its name stays, since the audit trail names it."""
    with transaction.atomic():
        user = accounts.lock_row(user.pk)
        _destroy(user, now)
        Shredding.objects.update_or_create(subject=user.subject, defaults={"at": now})
        audit.record("account.shredded", user=user, detail={"by": "manage.py", "reason": reason})


def shred_again(since: datetime, now: datetime) -> list[User]:
    """After a restore: shred those whom the list names and the backup of `since` brought back.

    Who holds an authenticator app without a data key was shredded as well, whatever the list says.
    """
    listed = Shredding.objects.filter(at__gt=since).values("subject")
    apps_that_cannot_be_opened = Authenticator.objects.filter(
        sealed_secret__isnull=False, user__data_key__isnull=True
    ).values("user")
    found = list(User.objects.filter(subject__in=listed) | User.objects.filter(pk__in=apps_that_cannot_be_opened))
    for user in found:
        _destroy(user, now)
        Shredding.objects.get_or_create(subject=user.subject, defaults={"at": now})
        audit.record("account.shredded", user=user, detail={"by": "restore"})
    return found


def _destroy(user: User, now: datetime) -> None:
    administration.end_what_rests_on_it(user, "account closed", now)
    for model in (Authenticator, Enrolment, Delivery, Invitation, PasswordReset, RecoveryCodeSet, PasswordHistory):
        model._default_manager.filter(user=user).delete()
    User.objects.filter(pk=user.pk).update(
        is_active=False,
        password=make_password(None),
        email="",
        email_verified_at=None,
        mobile_phone="",
        mobile_verified_at=None,
    )
    secret_store.shred(user)
