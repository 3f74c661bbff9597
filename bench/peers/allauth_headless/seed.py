"""Fills the peer: `python -m allauth_headless.seed` reads calls as lines of JSON.

["people", WITH, WITHOUT]      people with an authenticator, and people without
["sessions", FROM, COUNT]      session tokens of these people, whose password step has been
["enrolling", FROM, COUNT]     the same, with the second password step that an enrolment asks for
"""

import base64
import hashlib
import json
import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "allauth_headless.settings")


def people(having: int, lacking: int) -> None:
    from allauth.mfa.models import Authenticator
    from django.contrib.auth.hashers import make_password
    from django.contrib.auth.models import User
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    encoded = make_password(os.environ["BENCH_PASSWORD"])
    made = User.objects.bulk_create([User(username=f"p{n}", password=encoded) for n in range(having + lacking)], 5000)
    secrets = (hashlib.sha256(f"bench secret {n}".encode()).digest()[:20] for n in range(having))
    Authenticator.objects.bulk_create(
        [
            Authenticator(user=user, type="totp", data={"secret": base64.b32encode(secret).decode()})
            for user, secret in zip(made, secrets, strict=False)
        ],
        5000,
    )


def sessions(start: int, count: int) -> list[str]:
    """Through allauth's own login view; in this process alone the hash is not computed, which would take its time."""
    return [_signed_in(number)[1] for number in range(start, start + count)]


def enrolling(start: int, count: int) -> list[str]:
    """Through its reauthentication view as well, without which it activates no authenticator."""
    found = []
    for number in range(start, start + count):
        client, token = _signed_in(number)
        answer = _post(client, number, "reauthenticate", {"password": os.environ["BENCH_PASSWORD"]}, token)
        found.append(answer.get("meta", {}).get("session_token") or token)
    return found


def _signed_in(number: int):
    from django.contrib.auth.models import User
    from django.test import Client

    User.check_password = lambda self, raw: raw == os.environ["BENCH_PASSWORD"]
    client = Client()
    fields = {"username": f"p{number}", "password": os.environ["BENCH_PASSWORD"]}
    return client, _post(client, number, "login", fields)["meta"]["session_token"]


def _post(client, number: int, call: str, fields: dict[str, str], token: str = ""):
    headers = {"host": "signin.example.org", "x-forwarded-for": f"10.9.{number >> 8 & 255}.{number & 255}"}
    headers |= {"x-session-token": token} if token else {}
    answer = client.post(f"/_allauth/app/v1/auth/{call}", fields, "application/json", headers=headers)
    return answer.json()


if __name__ == "__main__":
    django.setup()
    for line in sys.stdin:
        verb, *given = json.loads(line)
        print(json.dumps({"people": people, "sessions": sessions, "enrolling": enrolling}[verb](*given)), flush=True)
