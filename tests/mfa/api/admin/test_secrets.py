"""After a whole journey no answer of any operation holds a secret, a hash, a digest or a request's id (A47, A55)."""

import base64
import json
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.db import models
from django.utils import timezone

from identity.models import AuditEvent, Client, Group, User
from identity.models.user import AdminRole
from mfa.flows import administration, recovery, remembered_devices
from mfa.models import MfaPolicy
from tests.factories import PASSWORD, add_mailbox, enrol_app, make_client, sign_in_client
from tests.factories import make_user as account
from tests.mfa.api.admin.conftest import Program, SignIn
from tests.mfa.api.admin.test_entrance import OPERATIONS
from tests.support.ceremony import ORIGIN

pytestmark = pytest.mark.django_db

# Columns whose values are secret, whatever row they are of; `key` and `id` are so in these tables alone.
_SECRET = {"password", "digest", "sealed_secret", "sealed_context", "sealed", "code_digest", "client_secret", "token"}
_SECRET |= {"token_checksum", "code", "mac", "events", "previous"}
_ALSO = {("PasswordTries", "key"), ("SendingBudget", "key"), ("Session", "session_key"), ("Session", "session_data")}


def spellings(value: Any) -> set[str]:
    """As text, and bytes in each form in which somebody might write them out."""
    if isinstance(value, str):
        return {value}
    raw = bytes(value)
    return {raw.hex(), base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode().rstrip("=")}


def kept_secrets() -> set[str]:
    """Every secret value of every row of every table."""
    found: set[str] = set()
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            named = field.name in _SECRET or (model.__name__, field.name) in _ALSO
            if named and isinstance(field, models.CharField | models.TextField | models.BinaryField):
                for value in model._default_manager.values_list(field.name, flat=True):
                    found |= spellings(value) if value else set()
    return {text for text in found if len(text) >= 6}


def test_no_answer_holds_a_secret(owner: Program, sign_in: SignIn) -> None:
    now = timezone.now()
    secret = "canary-of-the-client-secret"
    client_row = make_client(secret=secret, mfa={"mode": "required", "remember_days": 30})
    person = account(username="target")
    phone = enrol_app(person)
    add_mailbox(person, "target@mail.example")
    client = sign_in_client(person, client_row, secret=secret)
    waiting = client.password_step()
    client.code_step(waiting, "135791")
    client.token(
        AuthenticationRequestId=waiting.request_id, MFAAvailableId=waiting.factor_id("Email"), MFAAction="SendOTP"
    )
    passed = client.password_step(scope="openid offline_access")
    given = client.code_step(passed, phone.code(), RememberDevice="true").document
    pending = client.password_step()
    fresh = sign_in_client(account(username="new"))
    enrolling = fresh.password_step()
    fresh.qr(enrolling.request_id)
    key = fresh.information(enrolling.request_id)["ManualEntryKey"]
    recovery_codes = recovery.make_codes(person, now, ORIGIN)
    client.password_step(Password="a wrong password")
    actor = User.objects.get(username="owner")
    code = administration.invite(person, actor=actor, reason="a test", address="", now=now)
    assert remembered_devices.invitation_is_good(person, code, now)

    secrets = {
        *(secret, PASSWORD, "a wrong password", code, key, *recovery_codes, owner.token),
        *(answer.request_id for answer in (waiting, passed, pending, enrolling)),
        *(given[name] for name in ("access_token", "refresh_token", "id_token", "RememberedDeviceToken")),
        base64.b32encode(phone.secret).decode().rstrip("="),
        phone.secret.hex(),
        settings.SECRET_KEY,
        "otpauth:",
        *(text for value in settings.MFA_SECRET_KEYS.values() for text in spellings(value)),
    }
    kept = kept_secrets()
    assert len(kept) > 25
    assert person.password in kept

    group = Group.objects.create(name="staff")
    policy = MfaPolicy.objects.create(group=group)
    event = AuditEvent.objects.order_by("-pk").values_list("pk", flat=True)[0]
    numbers = {"groups": group.pk, "policies": policy.pk, "clients": client_row.pk, "audit-events": event}
    answers = 0
    for method, path in OPERATIONS:
        if method != "get":
            continue
        for subject in (person.subject, actor.subject, User.objects.get(username="new").subject):
            filled = path.format(subject=subject, id=numbers.get(path.partition("/")[0]))
            for query in ({}, {"limit": "200"}, {"state": "waiting"}, {"search": "t"}):
                status, _ = owner.call("get", filled, **query)
                answers += status == 200
                text = owner.answer.content.decode()
                for hidden in secrets | kept:
                    assert hidden not in text, (path, hidden[:4])
    assert answers > 50
    # The same walk sees what there is to be seen.
    owner.get(f"people/{person.subject}")
    text = owner.answer.content.decode()
    for open_fact in ("target@mail.example", ["pwd", "otp", "mfa"][1], client_row.client_id, '"left":10'):
        assert open_fact in text
    assert json.loads(text)["open_requests"]


def test_what_is_made_is_shown_once_and_no_refusal_repeats_what_was_sent(owner: Program) -> None:
    canary = "canary-that-nobody-repeats"
    person = account(username="target")
    refused = [
        owner.patch(f"people/{person.subject}", {"email": canary, "admin_role": canary, "language": canary}),
        owner.patch(f"people/{person.subject}", {canary: canary}),
        owner.post("people", {"username": canary * 3, "groups": [canary], "start_date": canary}),
        owner.post("clients", {"scopes": [canary], "redirect_uris": [canary], "client_id": f"{canary} {canary}"}),
        owner.post("clients", {"redirect_uris": [f"https://*.{canary}.example/"]}),
        owner.post("policies", {"group": canary, "mode": canary, "enrolment_url": canary}),
        owner.call("get", "people", role=canary, cursor=canary, limit=canary),
        owner.call("get", "audit-events", subject=canary, since=canary, outcome=canary),
        owner.call("get", f"people/{canary}"),
    ]
    for status, document in refused:
        assert status in (400, 404), document
        assert canary not in json.dumps(document)


def test_a_role_sees_no_more_by_rest_than_the_table_of_rights_says(sign_in: SignIn) -> None:
    """Auditors read everything that is to be read, and what they read is what owners read."""
    person, client = account(username="target"), Client.objects.get(client_id="console")
    enrol_app(person)
    auditor = sign_in(account(username="auditor", admin_role=AdminRole.AUDITOR))
    boss = sign_in(account(username="boss", admin_role=AdminRole.OWNER))
    for path in (f"clients/{client.pk}", "installation", "keys", f"people/{person.subject}/authenticators"):
        assert auditor.get(path) == boss.get(path)
