"""An app whose secret opens no more is refused like a wrong code, and the trail says why."""

import pytest

from identity.models import AuditEvent
from mfa.models import DataKey
from tests.factories import enrol_app, make_user, sign_in_client

pytestmark = pytest.mark.django_db


def test_an_app_without_its_data_key_is_refused_like_a_wrong_code() -> None:
    user = make_user()
    phone, client = enrol_app(user), sign_in_client(user)
    due = client.password_step()
    wrong = client.code_step(due, phone.wrong_code())
    DataKey.objects.filter(user=user).delete()
    refused = client.code_step(due, phone.code())
    assert (refused.http_status, refused.document) == (wrong.http_status, wrong.document)
    assert AuditEvent.objects.latest("pk").reason == "unreadable"
