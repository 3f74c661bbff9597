"""After a whole journey no log line of a real server holds a secret (the contract's section 1, ATTACKS A47)."""

import base64
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from tests.support.server import Server
from tests.support.soft_authenticator import SoftAuthenticator
from tests.support.visual_guard import SUCCESS, VisualGuardClient

CLIENT = "6f0f3c6e-0000-4000-8000-000000000001_Native"
SECRET = "canary-of-the-client-secret"
PASSWORD = "canary of the password"
WRONG = "canary of a wrong password"
STATELESS = "CANARYSTATELESSSECRET"
PROVISIONED: dict[str, Any] = {
    "clients": [
        {
            "client_id": CLIENT,
            "name": "Journey",
            "client_secret": SECRET,
            "grant_types": ["VGAuthenticator", "refresh_token"],
            "mfa": {"mode": "required", "transports": ["MicrosoftAuthenticator", "Email"], "remember_days": 7},
        }
    ],
    "users": [{"username": "tt29", "password": PASSWORD, "email": "canary@mail.example", "clients": ["*"]}],
}


def test_no_log_line_holds_a_secret_after_a_whole_journey(start_server: Callable[..., Server]) -> None:
    server = start_server(PROVISIONED)
    client = VisualGuardClient.of_server(server, CLIENT, client_secret=SECRET, username="tt29", password=PASSWORD)
    canaries = [SECRET, PASSWORD, WRONG, STATELESS]

    client.password_step(Password=WRONG)
    client.token(client_secret="canary-of-a-wrong-client-secret", Username="tt29", Password=PASSWORD)
    opened = client.password_step()
    phone = SoftAuthenticator.scan(client.qr(opened.request_id).body)
    client.send("GET", f"/mfa/enroll/{opened.request_id}")
    client.confirm(opened.request_id, phone.wrong_code())
    first_code = phone.code()
    client.confirm(opened.request_id, first_code)
    recovery = client.enrolment("GetRecoveryCodes", opened.request_id)
    client.redeem(opened.request_id)

    second = client.password_step(scope="openid offline_access")
    client.code_step(second, "canary!")
    code = phone.next_code()
    done = client.code_step(second, code, RememberDevice="true")
    assert done.status == SUCCESS
    tokens = [done.document[name] for name in ("access_token", "refresh_token", "id_token", "RememberedDeviceToken")]
    client.refresh(tokens[1])
    bearer = {"authorization": f"Bearer {tokens[0]}"}
    client.send("GET", "/connect/userinfo", headers=bearer)
    client.send("POST", "/api/MFAEnrollment/StartEnrollment", headers=bearer)
    client.send("GET", f"/Validate.aspx?Pin={code}&SecretCode={STATELESS}")
    client.send("GET", f"/pair.aspx?AppName=a&AppInfo=b&SecretCode={STATELESS}")
    # Requests that nobody foresaw: a secret in a path, in a query, in a broken body, in a host name.
    client.send("GET", f"/no/such/path/{quote(PASSWORD)}?password={quote(PASSWORD)}")
    client.send(
        "POST",
        "/connect/token",
        content=b'{"Password": "' + PASSWORD.encode(),
        headers={"content-type": "application/json"},
    )
    client.send("GET", "/healthz", headers={"x-forwarded-for": PASSWORD, "user-agent": PASSWORD})

    canaries += [opened.request_id, second.request_id, first_code, code, "canary!", "canary@mail.example", *tokens]
    canaries += [base64.b32encode(phone.secret).decode().rstrip("="), "otpauth://", "canary-of-a-wrong-client-secret"]
    recovery_codes = _texts(recovery.document)
    assert len(recovery_codes) == 10
    canaries += recovery_codes
    log = server.log_text()
    lines = [json.loads(line) for line in log.splitlines()]
    assert sum(line["event"] == "request" for line in lines) > 15
    assert {line["route"] for line in lines if line["event"] == "request"} >= {"connect/token"}
    for canary in canaries:
        assert len(canary) >= 6
        assert canary not in _without_numbers(lines), f"{canary[:4]}…"
        assert quote(canary) == canary or quote(canary) not in log


def _texts(document: Any) -> list[str]:
    """Recovery codes, wherever in the answer they stand."""
    if isinstance(document, str):
        return [document] if len(document) >= 8 and document.count("-") in (1, 2, 3) else []
    values = document.values() if isinstance(document, dict) else document if isinstance(document, list) else []
    return [text for value in values for text in _texts(value)]


def _without_numbers(lines: list[dict[str, Any]]) -> str:
    """The log's text without instants, trace ids and subjects, in which six digits may stand by chance."""
    chance = ("timestamp", "trace_id", "subject", "delivery", "request_ref")
    return "\n".join(json.dumps({name: value for name, value in line.items() if name not in chance}) for line in lines)
