"""The grants that need no ceremony: whose token it is that they speak of."""

import pytest

from identity.models import AuditEvent, RefreshToken, User
from tests.factories import make_client, make_user, sign_in_client

pytestmark = pytest.mark.django_db
SECRET = "a secret of twenty chars"


@pytest.mark.parametrize("is_active", [True, False], ids=["open account", "closed account"])
def test_a_clients_own_token_has_nothing_to_do_with_a_persons_refresh_token(is_active: bool) -> None:
    user = make_user()
    grants = ["VGAuthenticator", "refresh_token", "client_credentials"]
    asking = make_client(secret=SECRET, mfa={"mode": "off"}, grant_types=grants)
    client = sign_in_client(user, asking, secret=SECRET)
    theirs = client.password_step(scope="openid offline_access").document["refresh_token"]
    User.objects.filter(pk=user.pk).update(is_active=is_active)
    answer = client.token(grant_type="client_credentials", refresh_token=theirs, scope="openid")
    assert answer.http_status == 200
    assert AuditEvent.objects.filter(event="token.issued", user_id=None, client_id=asking.client_id).count() == 1
    assert RefreshToken.objects.get().revoked is None
