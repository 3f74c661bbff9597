"""Fills a migrated database, straight through the models. `python -m bench.seed` reads calls as lines of JSON:

    ["people", WITH, WITHOUT]            so many who hold an app, and so many who hold nothing
    ["requests", PURPOSE, FROM, COUNT]   ids of passed password steps that await a `code` or an `enrolment`
    ["panel"]                            the cookie of an owner's browser session

Secrets and ids follow from a person's number, so that the load generator needs no list. All share one password and one
hash of it: comparing costs the same, and making a hash for each of them would take an hour.
"""

import hashlib
import itertools
import json
import sys
import uuid
from collections.abc import Callable
from datetime import timedelta

PASSWORD = "correct horse battery staple, 7 times"
CLIENT = "6f0f3c6e-0000-4000-8000-000000000001_Native"
OWNER = "owner"
DECLARED = {
    "clients": [{"client_id": CLIENT, "name": "Bench", "mfa": {"mode": "required"}}],
    "users": [{"username": OWNER, "password": PASSWORD, "clients": ["*"]}],
}
_BATCH = 2000


def name_of(number: int) -> str:
    """People with an app count from 0; those with nothing from 10,000,000."""
    return f"p{number}"


def secret_of(number: int) -> bytes:
    """The TOTP secret of somebody's app."""
    return hashlib.sha256(f"bench secret {number}".encode()).digest()[:20]


def authenticator_of(number: int) -> uuid.UUID:
    return uuid.UUID(bytes=hashlib.sha256(f"bench authenticator {number}".encode()).digest()[:16])


def factor_of(number: int) -> str:
    """The `MFAAvailableId` of somebody's app."""
    return str(authenticator_of(number))


WITHOUT_FROM = 10_000_000


def people(having: int, lacking: int) -> None:
    from django.contrib.auth.hashers import make_password
    from django.db import transaction

    encoded = make_password(PASSWORD)
    numbers = itertools.chain(range(having), range(WITHOUT_FROM, WITHOUT_FROM + lacking))
    while batch := list(itertools.islice(numbers, _BATCH)):
        with transaction.atomic():
            _batch(batch, encoded)


def _batch(numbers: list[int], encoded: str) -> None:
    from django.utils import timezone

    from identity.models import User
    from mfa import secret_store
    from mfa.models import Authenticator
    from mfa.models.data_key import DataKey

    now = timezone.now()
    users = [
        User(username=name_of(n), username_key=name_of(n), password=encoded, all_clients=True, password_changed_at=now)
        for n in numbers
    ]
    User.objects.bulk_create(users)
    holders = [(n, user) for n, user in zip(numbers, users, strict=True) if n < WITHOUT_FROM]
    keys = []
    for _, user in holders:
        sealed, kid = secret_store._wrap(user, hashlib.sha256(user.subject.bytes).digest())
        keys.append(DataKey(user=user, sealed=sealed, sealed_under=kid))
        user._state.fields_cache["data_key"] = keys[-1]
    DataKey.objects.bulk_create(keys)
    Authenticator.objects.bulk_create(
        Authenticator(
            id=authenticator_of(n),
            user=user,
            kind=4,
            label="phone",
            sealed_secret=secret_store.seal_for(
                user, secret_of(n), table="mfa_authenticator", row=str(authenticator_of(n)), purpose="totp"
            ),
            created_at=now,
            confirmed_at=now,
        )
        for n, user in holders
    )


def requests(purpose: str, start: int, count: int) -> list[str]:
    """Their ids, as the password step opens them."""
    from django.db import transaction
    from django.utils import timezone

    from identity.models import Client, User
    from mfa.flows.requests import open_request
    from mfa.outcomes import Finding, Origin

    client = Client.objects.get(client_id=CLIENT)
    due = Finding.FACTOR_REQUIRED if purpose == "code" else Finding.ENROLMENT_REQUIRED
    origin = Origin(address="198.51.100.7", user_agent="", language="en")
    numbers = range(start, start + count)
    with transaction.atomic():
        of_name = {user.username: user for user in User.objects.filter(username__in=[name_of(n) for n in numbers])}
        return [
            open_request(
                of_name[name_of(number)],
                client,
                typed_name=name_of(number),
                scopes=["offline_access"],
                findings=sorted([Finding.FAILURE, due]),
                origin=origin,
                now=timezone.now(),
            )[0]
            for number in numbers
        ]


def panel() -> str:
    """A signed-in owner's cookie."""
    from django.conf import settings
    from django.contrib.auth.models import AnonymousUser
    from django.contrib.sessions.backends.db import SessionStore
    from django.http import HttpRequest
    from django.utils import timezone

    from identity.models import Session, User
    from identity.models.user import AdminRole
    from identity.web import browser_session

    now = timezone.now()
    User.objects.filter(username=OWNER).update(admin_role=AdminRole.OWNER)
    owner = User.objects.get(username=OWNER)
    session = Session.objects.create(
        user=owner, auth_time=now, amr="pwd otp mfa", acr="2", last_used_at=now + timedelta(hours=1)
    )
    asked = HttpRequest()
    asked.user, asked.session = AnonymousUser(), SessionStore()
    browser_session.enter(asked, session)
    asked.session.save()
    return f"{settings.SESSION_COOKIE_NAME}={asked.session.session_key}"


def main() -> None:
    """Carry out one call a line; answer each with a line of JSON."""
    import django

    django.setup()
    verbs: dict[str, Callable[..., object]] = {"people": people, "requests": requests, "panel": panel}
    for line in sys.stdin:
        verb, *given = json.loads(line)
        print(json.dumps(verbs[verb](*given)), flush=True)


if __name__ == "__main__":
    main()
