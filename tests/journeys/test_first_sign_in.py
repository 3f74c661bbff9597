"""One person's first sign-in and the second one, over HTTP, through a real server process."""

import base64
import json
from collections.abc import Callable
from typing import Any

from jwcrypto.jwk import JWKSet
from jwcrypto.jwt import JWT

from tests.support.server import Server
from tests.support.soft_authenticator import SoftAuthenticator, read_qr
from tests.support.visual_guard import (
    CANCELLED,
    ENROL,
    ENROLMENT_REQUIRED,
    FACTOR_REQUIRED,
    NO_REQUEST,
    SUCCESS,
    WRONG_CODE,
    Answer,
    VisualGuardClient,
)

CLIENT = "6f0f3c6e-0000-4000-8000-000000000001_Native"
SECRET = "a client secret of sixteen characters and more"
PROVISIONED: dict[str, Any] = {
    "clients": [{"client_id": CLIENT, "name": "Journey", "client_secret": SECRET, "mfa": {"mode": "required"}}],
    "users": [{"username": "tt29", "password": "a password of its own", "clients": ["*"]}],
}


def test_a_person_enrols_an_app_and_signs_in_twice(start_server: Callable[..., Server]) -> None:
    server = start_server(PROVISIONED)
    client = VisualGuardClient.of_server(server, CLIENT, client_secret=SECRET)

    required = client.password_step()
    assert (required.http_status, required.status) == (400, ENROLMENT_REQUIRED)
    assert required.document["error_description"] == "Failure, MFA_EnrollmentRequired"
    assert required.factors == []
    phone = _scanned_both_ways(client, required.request_id)
    assert _waiting(client, required)

    wrong = client.confirm(required.request_id, phone.wrong_code())
    assert (wrong.http_status, wrong.document["Status"]) == (400, 5)
    assert _waiting(client, required)
    confirming = phone.code()
    right = client.confirm(required.request_id, confirming)
    assert (right.http_status, right.document) == (200, {"Status": 3, "RequestId": required.request_id})

    first = client.redeem(required.request_id)
    assert (first.http_status, first.status) == (200, SUCCESS)
    claims = _verified(client, first.document["access_token"])
    assert (claims["client_id"], claims["amr"], claims["acr"]) == (CLIENT, ["pwd", "otp", "mfa"], "2")
    assert {"iss", "aud", "sub", "scope", "iat", "exp", "auth_time", "jti"} <= claims.keys()
    assert first.document["VGResponse"]["VGToken"] == first.document["access_token"]
    again = client.redeem(required.request_id)
    assert (again.http_status, again.status, again.request_id) == (400, CANCELLED, NO_REQUEST)

    second = client.password_step(scope="openid offline_access VGToken")
    assert (second.http_status, second.status) == (400, FACTOR_REQUIRED)
    old = client.code_step(second, confirming)
    assert (old.http_status, old.status, old.request_id) == (400, WRONG_CODE, second.request_id)
    fresh = client.code_step(second, phone.next_code())
    assert (fresh.http_status, fresh.status, fresh.document["AuthenticationMethod"]) == (200, SUCCESS, "OTP")
    assert _verified(client, fresh.document["id_token"])["aud"] == CLIENT

    _refreshed_once(client, fresh.document["refresh_token"])


def _scanned_both_ways(client: VisualGuardClient, request_id: str) -> SoftAuthenticator:
    """The QR as a picture and as bytes, by GET and by POST: always the same secret."""
    picture = client.qr(request_id)
    assert picture.headers["content-type"] == "image/png"
    assert picture.headers["cache-control"] == "no-store"
    as_bytes = client.enrolment("EnrollUserToMicrosoftAuthenticatorByBytes", request_id, method="GET")
    posted = client.enrolment("enrollusertomicrosoftauthenticatorbyimage", request_id)
    uri = read_qr(picture.body)
    assert read_qr(base64.b64decode(as_bytes.document, validate=True)) == uri
    assert read_qr(posted.body) == uri
    assert uri.startswith("otpauth://totp/Stepward:tt29?secret=")
    known = client.information(request_id)
    assert (known["UserName"], known["OtpAuthUri"]) == ("tt29", uri)
    phone = SoftAuthenticator.from_uri(uri)
    assert len(phone.secret) == 20
    return phone


def _waiting(client: VisualGuardClient, required: Answer) -> bool:
    """Before a factor has passed, redeeming repeats the password step's answer and spends nothing."""
    return bool(client.redeem(required.request_id).document == required.document)


def _verified(client: VisualGuardClient, token: str) -> dict[str, Any]:
    keys = JWKSet.from_json(client.send("GET", "/.well-known/jwks.json").body.decode())
    claims: dict[str, Any] = json.loads(JWT(jwt=token, key=keys, algs=["RS256"], expected_type="JWS").claims)
    assert claims["iss"] == client.send("GET", "/.well-known/openid-configuration").document["issuer"]
    return claims


def _refreshed_once(client: VisualGuardClient, spent: str) -> None:
    renewed = client.refresh(spent)
    assert renewed.http_status == 200
    bearer = {"Authorization": f"Bearer {renewed.document['access_token']}"}
    assert client.send("GET", "/connect/userinfo", headers=bearer).http_status == 200
    refused = client.refresh(spent)
    assert (refused.http_status, refused.document["error"]) == (400, "invalid_grant")
    # RFC 9700, 4.14.2: who used it twice cannot be told apart, so the whole family ends.
    assert client.refresh(renewed.document["refresh_token"]).http_status == 400
    assert client.send("GET", "/connect/userinfo", headers=bearer).http_status == 401


def test_the_qr_calls_answer_in_the_form_that_accept_prefers(start_server: Callable[..., Server]) -> None:
    client = VisualGuardClient.of_server(start_server(PROVISIONED), CLIENT, client_secret=SECRET)
    request_id = client.password_step().request_id

    def fetched(call: str, accept: str) -> str:
        answer = client.send("GET", f"{ENROL}{call}", params={"requestId": request_id}, headers={"Accept": accept})
        assert answer.http_status == 200
        return answer.headers["content-type"]

    image, octets = "EnrollUserToMicrosoftAuthenticatorByImage", "EnrollUserToMicrosoftAuthenticatorByBytes"
    assert fetched(image, "image/svg+xml") == "image/svg+xml"
    assert fetched(image, "image/svg+xml;q=0.5, image/png") == "image/png"
    assert fetched(image, "image/*") == "image/png"
    assert fetched(image, "text/html") == "image/png"
    assert fetched(octets, "application/octet-stream") == "application/octet-stream"
    assert fetched(octets, "application/json") == "application/json"
