"""The differences of one account: its columns, its roles, and its marks of a verified e-mail address or number."""

from collections.abc import Callable, Iterator
from datetime import datetime

from django.contrib.auth.hashers import make_password

from identity.flows import accounts, audit
from identity.models import User
from mfa.flows.administration import end_what_rests_on_it
from mfa.flows.provisioning.changes import BY, Change
from mfa.flows.provisioning.declared import EVERY_CLIENT, DeclaredUser
from mfa.flows.provisioning.known import Known
from mfa.models.authenticator import Authenticator, Kind

_COLUMNS = (
    "username",
    "email",
    "mobile_phone",
    "is_approved",
    "is_active",
    "start_date",
    "end_date",
    "must_change_password",
)


def of_user(declared: DeclaredUser, known: Known, password_hash: str) -> Iterator[Change]:
    """`password_hash` is used when the account is created, and never again; without one nobody can sign in."""
    what = f"user {declared.username}"
    there = known.users.get(declared.key)
    columns = {name: getattr(declared, name) for name in _COLUMNS}
    every = EVERY_CLIENT in declared.clients
    if there is None:

        def create(now: datetime) -> None:
            user = User(**columns, all_clients=every, password=password_hash or make_password(None))
            user.password_changed_at = now if password_hash else None
            user.save()
            known.users[declared.key] = user
            _set_roles(user, declared, known)
            audit.record("user.created", user=user, detail=dict(BY))

        yield Change(what, "created" if declared.password else "created, without a password", create)
    else:
        differing = [name for name, value in columns.items() if getattr(there, name) != value]
        differing += [] if there.all_clients == every and _same_roles(there, declared, known) else ["roles"]
        if differing:
            yield Change(what, f"{', '.join(differing)} changed", _changing(there, declared, known, differing))
    yield from _of_mark(what, Kind.EMAIL, declared.email, declared.email_verified, declared, known)
    yield from _of_mark(what, Kind.SMS, declared.mobile_phone, declared.mobile_verified, declared, known)


def _changing(user: User, declared: DeclaredUser, known: Known, differing: list[str]) -> Callable[[datetime], None]:
    def carry_out(now: datetime) -> None:
        was_open = user.is_active and user.is_approved
        for name in _COLUMNS:
            setattr(user, name, getattr(declared, name))
        user.all_clients = EVERY_CLIENT in declared.clients
        user.save(update_fields=[*_COLUMNS, "username_key", "all_clients"])
        _set_roles(user, declared, known)
        audit.record("user.changed", user=user, detail=BY | {"fields": differing})
        if was_open and not (user.is_active and user.is_approved):
            end_what_rests_on_it(user, "account closed", now)

    return carry_out


def _of_mark(
    what: str, kind: Kind, address: str, verified: bool, declared: DeclaredUser, known: Known
) -> Iterator[Change]:
    """The authenticator that a verified mark stands for: made, moved to a new address, or removed.

    One that the person confirmed by a code at this very address stays, whatever the file says of the mark.
    """
    address_column, mark_column = (
        ("email", "email_verified_at") if kind == Kind.EMAIL else ("mobile_phone", "mobile_verified_at")
    )
    user = known.users.get(declared.key)
    held = [row for row in known.authenticators.get(user.pk, []) if row.kind == kind] if user else []
    old_address = getattr(user, address_column) if user else ""
    here = next((row for row in held if row.destination == address), None)
    stale = [row for row in held if row.destination == old_address != address]
    own = here is not None and not here.provisioned
    removed = stale + ([here] if here and not verified and not own else [])
    marked = user is not None and getattr(user, mark_column) is not None
    wanted = verified or own
    adds = verified and here is None
    if not removed and not adds and marked == wanted:
        return

    def carry_out(now: datetime) -> None:
        owner = known.users[declared.key]
        accounts.lock_row(owner.pk)
        if removed:
            end_what_rests_on_it(owner, "authenticator removed", now)  # Requests first, as sending a code locks them.
        Authenticator.objects.filter(pk__in=[row.pk for row in removed]).delete()
        setattr(owner, mark_column, now if wanted else None)
        owner.save(update_fields=[mark_column])
        if adds:
            added = Authenticator.objects.create(
                user=owner, kind=kind, destination=address, created_at=now, confirmed_at=now, provisioned=True
            )
            audit.record("authenticator.added", user=owner, authenticator=added.pk, detail=BY | {"kind": kind.label})
        for row in removed:
            audit.record("authenticator.removed", user=owner, authenticator=row.pk, detail=BY | {"kind": kind.label})

    how = "moved to the new address" if adds and stale else "added" if adds else "removed" if removed else "marked anew"
    yield Change(what, f"{kind.label} authenticator {how}", carry_out)


def _same_roles(user: User, declared: DeclaredUser, known: Known) -> bool:
    return known.user_groups.get(user.pk, set()) == set(declared.groups) and known.user_clients.get(
        user.pk, set()
    ) == set(declared.clients) - {EVERY_CLIENT}


def _set_roles(user: User, declared: DeclaredUser, known: Known) -> None:
    user.groups.set([known.groups[name] for name in declared.groups])
    user.clients.set([known.clients[name] for name in declared.clients if name != EVERY_CLIENT])
