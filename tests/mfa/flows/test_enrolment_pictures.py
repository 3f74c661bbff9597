"""The QR of an enrolment, as its first fetch and every further one answer it."""

from typing import Any

import pytest

from mfa.primitives import qr_code
from tests.factories import make_user, sign_in_client
from tests.support.soft_authenticator import SoftAuthenticator

pytestmark = pytest.mark.django_db
KEY = "\U0001f511"  # A URI writes it as twelve characters.


@pytest.mark.parametrize(
    "call", ["EnrollUserToMicrosoftAuthenticatorByImage", "EnrollUserToMicrosoftAuthenticatorByBytes"]
)
def test_a_name_too_long_for_the_picture_is_cut(call: str) -> None:
    client = sign_in_client(make_user(username=KEY * 64))
    request_id = client.password_step().request_id
    small, large = (
        client.send(
            "GET",
            f"/api/MFAEnrollment/{call}",
            params={"requestId": request_id, "size": size},
            headers={"accept": "image/png, application/octet-stream"},
        )
        for size in ("100", "1000")
    )
    assert (small.http_status, large.http_status) == (200, 200)
    shown, whole = SoftAuthenticator.scan(small.body), SoftAuthenticator.scan(large.body)
    assert (shown.account, whole.account) == (KEY * 16, KEY * 64)
    assert shown.secret == whole.secret
    assert client.confirm(request_id, shown.code()).http_status == 200


def test_a_picture_with_no_room_for_the_installations_name_is_refused_with_advice(
    settings: Any,
) -> None:
    settings.ISSUER = KEY * 40
    client = sign_in_client(make_user())
    request_id = client.password_step().request_id
    path = "/api/MFAEnrollment/EnrollUserToMicrosoftAuthenticatorByImage"
    answer = client.send("GET", path, params={"requestId": request_id, "size": "100"})
    assert answer.http_status == 400
    assert "larger" in answer.document["detail"]
    assert client.send("GET", path, params={"requestId": request_id, "size": str(qr_code.LARGEST)}).http_status == 200
