"""Fills the peer: `python -m otp_view.seed` reads calls as lines of JSON.

["people", WITH, WITHOUT]      people with a device, and people without; answers with a ticket for each
["sessions", FROM, COUNT]      session keys of these people, who are signed in by password
"""

import hashlib
import json
import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "otp_view.settings")


def people(having: int, lacking: int) -> list[str]:
    from django.contrib.auth.hashers import make_password
    from django.contrib.auth.models import User
    from django.core import signing
    from django.core.management import call_command
    from django_otp.plugins.otp_totp.models import TOTPDevice

    call_command("migrate", verbosity=0)
    encoded = make_password(os.environ["BENCH_PASSWORD"])
    made = User.objects.bulk_create([User(username=f"p{n}", password=encoded) for n in range(having + lacking)], 5000)
    TOTPDevice.objects.bulk_create(
        [
            TOTPDevice(user=user, key=hashlib.sha256(f"bench secret {n}".encode()).hexdigest()[:40], confirmed=True)
            for n, user in enumerate(made[:having])
        ],
        5000,
    )
    return [signing.dumps(user.pk) for user in made]


def sessions(start: int, count: int) -> list[str]:
    """As Django's `login` makes them."""
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.auth.models import User
    from django.contrib.sessions.backends.db import SessionStore

    found = []
    names = [f"p{n}" for n in range(start, start + count)]
    of_name = {user.username: user for user in User.objects.filter(username__in=names)}
    for name in names:
        session = SessionStore()
        session[SESSION_KEY] = str(of_name[name].pk)
        session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
        session[HASH_SESSION_KEY] = of_name[name].get_session_auth_hash()
        session.create()
        found.append(session.session_key)
    return found


if __name__ == "__main__":
    django.setup()
    for line in sys.stdin:
        verb, *given = json.loads(line)
        print(json.dumps({"people": people, "sessions": sessions}[verb](*given)), flush=True)
