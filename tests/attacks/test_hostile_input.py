"""Whatever is sent, nothing breaks and nothing changes: types, lengths, encodings, nesting, repetition."""

import base64
import json
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from identity.models import AccessToken, Client, RefreshToken, Session, User
from mfa.models import AuthenticationRequest, Authenticator, Challenge, Enrolment, RecoveryCodeSet, RememberedDevice
from tests.factories import enrol_app, make_client, make_user, sign_in_client
from tests.support.visual_guard import ENROL, Answer, VisualGuardClient

pytestmark = pytest.mark.django_db
fuzzed = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
FORM, JSON = "application/x-www-form-urlencoded", "application/json"

FIELDS = [
    "grant_type", "client_id", "client_secret", "Username", "Password", "scope", "VGAuthenticationModule",
    "AuthenticationRequestId", "MFAAvailableId", "MFAAction", "MFASecureCode", "RememberDevice",
    "RememberedDeviceToken", "InvitationCode", "refresh_token", "code", "redirect_uri", "code_verifier",
]  # fmt: skip
CALLS = [
    "EnrollUserToMicrosoftAuthenticatorByImage", "EnrollUserToMicrosoftAuthenticatorByBytes", "ValidateMicrosoftTOTP",
    "ValidateEmail", "ValidateMobileNumber", "SendEmailVerification", "SendMobileNumberVerification",
    "CancelEnrollment", "GetRecoveryCodes", "StartEnrollment", "GetEnrollmentInformation",
]  # fmt: skip

any_case = st.sampled_from(FIELDS).flatmap(
    lambda name: st.sampled_from([name, name.lower(), name.upper(), name.swapcase(), f"{name} ", f"{name}[]"])
)
tricky = st.sampled_from(
    [
        "", " ", "\x00", "a\x00b", "\ud800", "\udfff\ud800", "\ufeff", "\u202e", "\U0010ffff", "ﬀ", "İ", "ß" * 64, "x" * 5000,
        "null", "true", "-1", "0", "1e309", "NaN", "999999999999999999999999", "%00", "%ud800", "{}", "[]", "' OR 1=1 --",
        "{{7*7}}", "../../..", "<!ENTITY x SYSTEM 'file:///etc/passwd'>", "VGAuthenticator", "password", "refresh_token",
        "client_credentials", "authorization_code", "SendOTP", "3", "openid", "1b671a64-40d5-491e-99b0-da01ff1f3341",
    ]
)  # fmt: skip
texts = st.one_of(tricky, st.text(max_size=80))
sendable = texts.filter(lambda text: not any(0xD800 <= ord(character) <= 0xDFFF for character in text))
values = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.integers(min_value=-(10**300), max_value=10**300),
        st.floats(), texts,
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=8,
)  # fmt: skip


def state() -> dict[str, Any]:
    """Everything that only a right password, code or token may change."""
    counted = (AccessToken, RefreshToken, Session, AuthenticationRequest, Challenge, Enrolment, RememberedDevice)
    return {
        **{model.__name__: model.objects.count() for model in counted},
        "users": list(User.objects.order_by("pk").values()),
        "clients": list(Client.objects.order_by("pk").values()),
        "apps": list(Authenticator.objects.order_by("pk").values("pk", "last_time_step", "failures", "drift")),
        "sets": RecoveryCodeSet.objects.count(),
    }


@pytest.fixture
def client() -> VisualGuardClient:
    user = make_user()
    enrol_app(user)
    return sign_in_client(user, make_client(grant_types=["VGAuthenticator", "refresh_token", "client_credentials"]))


def is_a_refusal(answer: Answer) -> bool:
    """A refusal that a program can read, and that is no accident of ours."""
    if answer.http_status not in (400, 401, 403, 404, 405, 409, 410, 413, 415, 429):
        return False
    return "json" in answer.headers["content-type"] and isinstance(answer.document, dict)


@fuzzed
@given(pairs=st.lists(st.tuples(any_case, sendable), max_size=12))
def test_a_form_of_anything_is_refused_at_the_token_endpoint(
    client: VisualGuardClient, pairs: list[tuple[str, str]]
) -> None:
    before = state()
    fields = [("client_id", client.client_id), ("grant_type", "VGAuthenticator")]
    for body in (urlencode(pairs), urlencode([*fields, *pairs])):
        answer = client.send("POST", "/connect/token", content=body.encode(), headers={"content-type": FORM})
        assert is_a_refusal(answer), (answer, body)
    assert state() == before


@fuzzed
@given(document=st.dictionaries(any_case, values, max_size=10))
def test_json_of_anything_is_refused_at_the_token_endpoint(client: VisualGuardClient, document: dict[str, Any]) -> None:
    before = state()
    own = {"client_id": client.client_id, "grant_type": "VGAuthenticator", "Username": client.username}
    for given_document in (document, {**own, **document}, {**document, **own, "Password": "wrong"}):
        answer = client.send("POST", "/connect/token", json=given_document)
        assert is_a_refusal(answer), (answer, given_document)
    assert state() == before


@fuzzed
@given(
    body=st.one_of(st.binary(max_size=300), values.map(json.dumps).map(str.encode)),
    kind=st.sampled_from(
        [
            FORM,
            JSON,
            f"{JSON}; charset=utf-16",
            f"{FORM}; charset=latin-1",
            "text/plain",
            "multipart/form-data; boundary=x",
            "application/xml",
            "APPLICATION/JSON",
            "",
            "x",
        ]
    ),
)
def test_a_body_of_any_bytes_is_refused_everywhere(client: VisualGuardClient, body: bytes, kind: str) -> None:
    before = state()
    paths = ["/connect/token", "/connect/introspect", "/connect/revocation", "/api/account/password"]
    for path in [*paths, f"{ENROL}ValidateMicrosoftTOTP", f"{ENROL}SendEmailVerification", f"{ENROL}StartEnrollment"]:
        answer = client.send("POST", path, content=body, headers={"content-type": kind})
        assert is_a_refusal(answer), (path, answer)
    assert state() == before


@fuzzed
@given(
    call=st.sampled_from(CALLS),
    document=st.dictionaries(
        st.sampled_from(["requestId", "secureCode", "destination", "size", "format", "REQUESTID"]), values, max_size=5
    ),
)
def test_section_3_refuses_anything_without_a_good_id(
    client: VisualGuardClient, call: str, document: dict[str, Any]
) -> None:
    before = state()
    answer = client.send("POST", f"{ENROL}{call}", json=document)
    assert is_a_refusal(answer), (answer, document)
    assert state() == before


@fuzzed
@given(
    call=st.sampled_from(CALLS),
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"]),
    query=st.lists(st.tuples(st.sampled_from(["requestId", "secureCode", "size", "x"]), sendable), max_size=5),
)
def test_section_3_refuses_any_query_without_a_good_id(
    client: VisualGuardClient, call: str, method: str, query: list[tuple[str, str]]
) -> None:
    before = state()
    answer = client.send(method, f"{ENROL}{call}?{urlencode(query)}")
    assert answer.http_status in (400, 401, 404, 405, 409), (answer, query)
    assert state() == before


@fuzzed
@given(
    call=st.sampled_from([call for call in CALLS if call != "StartEnrollment"]),
    document=st.dictionaries(
        st.sampled_from(["secureCode", "destination", "size", "secret", "kind", "Status"]), values, max_size=5
    ),
)
def test_a_good_id_with_anything_beside_it_breaks_nothing_and_enrols_nothing(
    call: str, document: dict[str, Any]
) -> None:
    fresh = sign_in_client(make_user())
    request_id = fresh.password_step().request_id
    before = Authenticator.objects.count()
    for name in ("EnrollUserToMicrosoftAuthenticatorByBytes", call):
        answer = fresh.send("POST", f"{ENROL}{name}", json={**document, "requestId": request_id})
        assert answer.http_status in (200, 400, 403, 405, 409, 410, 503), (answer, document)
    assert Authenticator.objects.count() == before


@fuzzed
@given(header=st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=120))
def test_any_header_breaks_nothing(client: VisualGuardClient, header: str) -> None:
    for name in ("Authorization", "Accept", "Accept-Language", "Prefer", "User-Agent", "X-Forwarded-For", "Cookie"):
        refused = client.password_step(Password="wrong", how={"headers": {name: header}})
        assert refused.http_status in (400, 401), (name, refused)
        headers = {name: header if name != "Authorization" else f"Bearer {header}"}
        for path in ("/connect/userinfo", f"{ENROL}EnrollUserToMicrosoftAuthenticatorByImage?requestId=x"):
            assert client.send("GET", path, headers=headers).http_status in (400, 401, 404), (name, path)


@pytest.mark.parametrize("depth", [10, 1000, 20000])
def test_deeply_nested_json_is_refused(client: VisualGuardClient, depth: int) -> None:
    for body in (
        b"[" * depth,
        b'{"a":' * depth,
        b"[" * depth + b"]" * depth,
        b'{"Username":' + b"[" * depth + b"]" * depth + b"}",
    ):
        answer = client.send("POST", "/connect/token", content=body, headers={"content-type": JSON})
        assert answer.http_status in (400, 413)


@pytest.mark.parametrize("depth", [1500, 5000])
@pytest.mark.parametrize("part", ["header", "claims"])
def test_a_deeply_nested_token_is_no_token(client: VisualGuardClient, part: str, depth: int) -> None:
    nested = base64.urlsafe_b64encode(b"[" * depth).decode().rstrip("=")
    token = f"{nested}.e30.x" if part == "header" else f"e30.{nested}.x"
    bearer = {"headers": {"Authorization": f"Bearer {token}"}}
    assert client.send("GET", "/connect/userinfo", **bearer).http_status == 401
    assert client.send("GET", "/api/admin/people", **bearer).http_status == 401
    assert client.send("POST", f"{ENROL}StartEnrollment", **bearer).http_status == 401
    confidential = make_client(secret="a secret of twenty chars")
    shown = {"client_id": confidential.client_id, "client_secret": "a secret of twenty chars"}
    for path, answered in (("introspect", {"active": False}), ("revocation", {})):
        answer = client.send("POST", f"/connect/{path}", data={**shown, "token": token})
        assert (answer.http_status, answer.document) == (200, answered)
    away = client.send("GET", "/connect/endsession", params={"id_token_hint": token})
    assert (away.http_status, away.headers["location"]) == (302, "/account/sign-out")


@pytest.mark.parametrize("kind", [FORM, JSON, "text/plain"])
def test_a_body_past_64_kib_is_refused_with_413_everywhere(client: VisualGuardClient, kind: str) -> None:
    for path in ("/connect/token", f"{ENROL}ValidateMicrosoftTOTP", "/connect/revocation", "/api/account/password"):
        for size in (65537, 300_000):
            answer = client.send("POST", path, content=b"a" * size, headers={"content-type": kind})
            assert answer.http_status == 413, path


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "multipart/form-data; boundary=x", "text/json"])
def test_other_content_types_are_refused_with_415(client: VisualGuardClient, kind: str) -> None:
    for path in ("/connect/token", f"{ENROL}ValidateMicrosoftTOTP", "/api/account/password"):
        answer = client.send("POST", path, content=b"grant_type=password", headers={"content-type": kind})
        assert answer.http_status == 415, path


def test_a_hundred_and_one_fields_are_refused(client: VisualGuardClient) -> None:
    body = "&".join(f"f{number}=1" for number in range(101)).encode()
    answer = client.send("POST", "/connect/token", content=body, headers={"content-type": FORM})
    assert (answer.http_status, answer.document["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("name", ["%ED%A0%80", "%FF", "%C0%80", "a%00b", "%F4%90%80%80"])
def test_ill_formed_utf_8_and_nuls_are_refused(client: VisualGuardClient, name: str) -> None:
    own = f"client_id={quote(client.client_id)}&grant_type=password&Password=x"
    for body in (f"{own}&Username={name}", f"{own}&Username=a&{name}=1&Username=b", f"{own}&Username=a&scope={name}"):
        answer = client.send("POST", "/connect/token", content=body.encode(), headers={"content-type": FORM})
        assert (answer.http_status, answer.document["error"]) == (400, "invalid_request")
        assert "VGResponse" not in answer.document
