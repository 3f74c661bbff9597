"""What administrators do to an account, and what ends with it; the rules of what they may write, by whichever door."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from identity.flows import audit, tokens
from identity.flows.administration import Editor, Fault, record
from identity.models import Client, Group, Installation, User
from identity.primitives import login_names
from mfa.flows import notices, remembered_devices, requests
from mfa.models.authenticator import Authenticator, Kind
from mfa.models.invitation import Invitation, InvitationPurpose
from mfa.models.policy import Mode
from mfa.outcomes import Origin
from mfa.primitives.destinations import canonical_email, canonical_phone

INVITATION_LIFETIME = timedelta(days=3)
_MARKS = {Kind.EMAIL: "email_verified_at", Kind.SMS: "mobile_verified_at"}
_ADDRESSES = (("email", Kind.EMAIL), ("mobile_phone", Kind.SMS))
_SETS = {"groups", "clients"}


def fault_of_username(typed: str, person_pk: int | None) -> str:
    """Why it cannot be this account's name (None: a new account's); empty when it can."""
    if not login_names.is_acceptable(typed):
        return "It holds characters that a name may not have."
    taken = User.objects.named(typed)
    return f"{taken.username} is the same name." if taken is not None and taken.pk != person_pk else ""


def email_of(typed: str, person_pk: int | None) -> str | Fault:
    """The address as it is kept; empty for none."""
    email = canonical_email(typed) if typed else ""
    if email is None:
        return Fault("It is not an e-mail address.")
    shared = User.objects.filter(email__iexact=email)
    shared = shared if person_pk is None else shared.exclude(pk=person_pk)
    if email and Installation.current().unique_emails and shared.exists():
        return Fault("Another account has this address.")
    return email


def number_of(typed: str) -> str | Fault:
    """The mobile number as it is kept; empty for none."""
    number = canonical_phone(typed) if typed else ""
    return Fault("Write it with its country code, such as +33612345678.") if number is None else number


def fault_of_period(start: datetime | None, end: datetime | None) -> str:
    return "It is not after the start." if start and end and end <= start else ""


def fault_of_subjects(subjects: Iterable[object]) -> str:
    """Why a policy cannot belong to these, of which the empty ones count for nothing."""
    if len([subject for subject in subjects if subject]) == 1:
        return ""
    return "A policy belongs to the installation, to one client or to one group."


def fault_of_transports(mode: str, transports: Iterable[str]) -> str:
    return "" if mode == Mode.OFF or list(transports) else "Choose at least one; else nobody could ever enrol."


def create_person(given: Mapping[str, Any], editor: Editor) -> User:
    """An account without a password; its person chooses one by a link that an administrator makes."""
    person = User(**{name: value for name, value in given.items() if name not in _SETS})
    person.set_unusable_password()
    with transaction.atomic():
        person.save()
        _set_roles(person, given)
        record("user", "created", person, editor, fields=sorted(given))
    return person


def change_person(person: User, given: Mapping[str, Any], editor: Editor, now: datetime) -> None:
    """Write what differs, with all that it brings; `person` is under its lock."""
    was = {name: value for name in given if (value := _held(person, name)) != _plain(given[name])}
    if not was:
        return
    columns = [name for name in was if name not in _SETS]
    for name in columns:
        setattr(person, name, given[name])
    if columns:
        person.save(update_fields=[*columns, "username_key"])
    _set_roles(person, {name: given[name] for name in was})
    record("user", "changed", person, editor, fields=sorted(was))
    follow_up(person, was, editor, now)


def follow_up(person: User, was: Mapping[str, Any], editor: Editor, now: datetime) -> None:
    """What a change of address, of role or of the account's state brings with it; `was` holds the fields as before."""
    for name, kind in _ADDRESSES:
        if was.get(name):
            drop_address(person, kind, was[name], actor=editor.actor, address=editor.address, now=now)
    if was.keys() & {"is_active", "is_approved"} and not (person.is_active and person.is_approved):
        end_what_rests_on_it(person, "account closed", now)
    if "admin_role" in was:
        audit.record(
            "user.role_changed",
            user=person,
            actor=editor.actor,
            address=editor.address,
            detail={
                "by": editor.by,
                "of": str(person),
                "from": int(was["admin_role"]),
                "to": int(person.admin_role),
            },
        )


def end_what_rests_on_it(user: User, why: str, now: datetime) -> None:
    """Sessions, tokens, remembered devices and open requests end: none outlives a change of factors (A60)."""
    tokens.end_sessions(user, why, now)
    remembered_devices.forget_all(user, now)
    requests.end_all(user, why, now)


def drop_address(user: User, kind: Kind, old: str, *, actor: User, address: str, now: datetime) -> None:
    """The account's e-mail address or number is another now: the old one proves nothing any more (A65)."""
    mark = _MARKS[kind]
    was_verified = getattr(user, mark) is not None
    User.objects.filter(pk=user.pk).update(**{mark: None})
    setattr(user, mark, None)
    held = list(Authenticator.objects.filter(user=user, kind=kind, destination=old))
    if held or was_verified:
        notices.tell(user, "authenticator_removed", Origin(address), now, also_to=[old], label=kind.label)
    if held:
        end_what_rests_on_it(user, "authenticator removed", now)  # Requests first, as sending a code locks them.
    for row in held:
        audit.record("authenticator.removed", user=user, actor=actor, authenticator=row.pk, address=address)
        row.delete()


def sign_out(user: User, *, actor: User, reason: str, address: str, now: datetime) -> None:
    """End every session, token, remembered device and open request of the account."""
    with transaction.atomic():
        end_what_rests_on_it(user, "ended by an administrator", now)
        audit.record("session.all_ended", user=user, actor=actor, address=address, detail={"reason": reason})


def invite(user: User, *, actor: User, reason: str, address: str, now: datetime) -> str:
    """A code with which the person may enrol a first authenticator; older codes are over, password links are not."""
    with transaction.atomic():
        Invitation.objects.spend_all(user, InvitationPurpose.ENROLMENT, now)
        code = remembered_devices.invite(user, actor=actor, now=now, lifetime=INVITATION_LIFETIME)
        audit.record("account.invited", user=user, actor=actor, address=address, detail={"reason": reason})
    return code


def _held(person: User, name: str) -> object:
    return set(getattr(person, name).values_list("pk", flat=True)) if name in _SETS else getattr(person, name)


def _plain(value: Any) -> object:
    return {row.pk for row in value} if isinstance(value, list) else value


def _set_roles(person: User, given: Mapping[str, list[Group] | list[Client] | Any]) -> None:
    for name in _SETS & given.keys():
        getattr(person, name).set(given[name])
