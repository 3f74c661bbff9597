"""What a file may say, and with which path it is refused."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from mfa.flows.provisioning import NotAcceptable, read

CLIENT = {"client_id": "6f0f3c6e-0000-4000-8000-000000000001_Native"}
USER = {"username": "tt29"}


def problems(declared: Any) -> list[str]:
    with pytest.raises(NotAcceptable) as refused:
        read(declared if isinstance(declared, bytes) else json.dumps(declared).encode())
    return refused.value.problems


def test_the_defaults_are_those_of_the_contract() -> None:
    declared = read(json.dumps({"clients": [CLIENT], "users": [USER], "mfa": {}}).encode())
    client, user, policy = declared.clients[0], declared.users[0], declared.mfa
    assert client.grant_types == ["VGAuthenticator", "password", "refresh_token"]
    assert (client.secret, client.scopes, client.redirect_uris, client.mfa) == (None, [], [], None)
    assert (user.is_approved, user.is_active, user.must_change_password) == (True, True, False)
    assert (user.email_verified, user.mobile_verified, user.groups, user.clients) == (False, False, [], [])
    assert policy is not None
    assert (policy.mode, policy.transports) == ("required", ["MicrosoftAuthenticator", "Email", "SMS"])
    assert (policy.grace_logins, policy.remember_days, policy.first_enrolment, policy.enrolment_url) == (
        0,
        0,
        "password",
        "",
    )


def test_a_section_that_is_left_out_declares_nothing() -> None:
    declared = read(b"{}")
    assert (declared.clients, declared.groups, declared.users, declared.mfa, declared.rules) == ([], [], [], None, {})


def test_the_contracts_unquoted_off_is_a_mode() -> None:
    declared = read(b"mfa:\n  mode: off\n  transports: [Email]\n")
    assert declared.mfa is not None
    assert declared.mfa.mode == "off"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-03-31", datetime(2026, 3, 31, tzinfo=UTC)),
        ('"2026-03-31"', datetime(2026, 3, 31, tzinfo=UTC)),
        ("2026-03-31T08:30:00Z", datetime(2026, 3, 31, 8, 30, tzinfo=UTC)),
        ("2026-03-31T08:30:00+02:00", datetime(2026, 3, 31, 6, 30, tzinfo=UTC)),
        ("2026-03-31 08:30:00", datetime(2026, 3, 31, 8, 30, tzinfo=UTC)),
        ("!!timestamp 2026-03-31", datetime(2026, 3, 31, tzinfo=UTC)),
        ("null", None),
    ],
)
def test_a_date_means_midnight_utc_and_a_date_time_its_instant(written: str, meant: datetime | None) -> None:
    declared = read(f"users: [{{username: tt29, start_date: {written}}}]".encode())
    assert declared.users[0].start_date == meant


def test_json_keeps_characters_beyond_the_first_plane() -> None:
    assert read(json.dumps({"users": [{"username": "zoë-😀"}]}).encode()).users[0].username == "zoë-😀"


def test_a_number_is_kept_as_e164() -> None:
    written = {"users": [{"username": "a", "mobile_phone": "+33 6 12 34 56 78", "mobile_verified": True}]}
    assert read(json.dumps(written).encode()).users[0].mobile_phone == "+33612345678"


@pytest.mark.parametrize(
    ("declared", "path"),
    [
        ({"client": []}, "client: is not a key"),
        ({"clients": {}}, "clients: must be a list"),
        ({"clients": [3]}, "clients[0]: must be a mapping"),
        ({"clients": [{}]}, "clients[0].client_id: is missing"),
        ({"clients": [{"client_id": ""}]}, "clients[0].client_id: is empty"),
        ({"clients": [{"client_id": "*"}]}, "clients[0].client_id: may hold"),
        ({"clients": [{"client_id": "stepward"}]}, "clients[0].client_id: is the name of the installation's own"),
        ({"clients": [{"client_id": "a b"}]}, "clients[0].client_id: may hold"),
        ({"clients": [CLIENT, CLIENT]}, "clients[1].client_id: is the same as clients[0].client_id"),
        ({"clients": [CLIENT | {"client_secret": "short"}]}, "clients[0].client_secret: is shorter than 16"),
        ({"clients": [CLIENT | {"client_secret": ""}]}, "clients[0].client_secret: is shorter than 16"),
        ({"clients": [CLIENT | {"grant_types": ["implicit"]}]}, "clients[0].grant_types[0]: must be one of"),
        ({"clients": [CLIENT | {"grant_types": "password"}]}, "clients[0].grant_types: must be a list"),
        ({"clients": [CLIENT | {"scopes": ["openid", "everything"]}]}, "clients[0].scopes[1]: must be one of"),
        ({"clients": [CLIENT | {"scopes": []}]}, "clients[0].scopes: names no scope"),
        ({"clients": [CLIENT | {"scopes": ["openid", "openid"]}]}, "clients[0].scopes[1]: stands there twice"),
        ({"clients": [CLIENT | {"grant_types": ["authorization_code"]}]}, "clients[0].redirect_uris: is empty"),
        ({"clients": [CLIENT | {"redirect_uris": ["/there"]}]}, "clients[0].redirect_uris[0]: must be an absolute"),
        ({"clients": [CLIENT | {"redirect_uris": ["https://a.example/#x"]}]}, "clients[0].redirect_uris[0]: "),
        (
            {"clients": [CLIENT | {"redirect_uris": ["http://a.example/"]}]},
            "clients[0].redirect_uris[0]: must be https",
        ),
        ({"clients": [CLIENT | {"redirect_uris": ["javascript:alert(1)"]}]}, "clients[0].redirect_uris[0]: "),
        ({"clients": [CLIENT | {"redirect_uris": ["https://[::1"]}]}, "clients[0].redirect_uris[0]: "),
        ({"clients": [CLIENT | {"mfa": {"mode": "maybe"}}]}, "clients[0].mfa.mode: must be one of"),
        ({"mfa": {"mode": True}}, "mfa.mode: must be one of"),
        ({"mfa": {"transports": ["Pigeon"]}}, "mfa.transports[0]: must be one of"),
        ({"mfa": {"transports": []}}, "mfa.transports: is empty"),
        ({"mfa": {"grace_logins": -1}}, "mfa.grace_logins: must be between"),
        ({"mfa": {"grace_logins": "3"}}, "mfa.grace_logins: must be a whole number, not text"),
        ({"mfa": {"grace_logins": True}}, "mfa.grace_logins: must be a whole number"),
        ({"mfa": {"grace_logins": 1.5}}, "mfa.grace_logins: must be a whole number"),
        ({"mfa": {"remember_days": 366}}, "mfa.remember_days: must be between 0 and 365"),
        ({"mfa": {"enrolment_url": "javascript:alert(1)"}}, "mfa.enrolment_url: must be an http"),
        ({"mfa": {"Mode": "off"}}, "mfa.Mode: is not a key"),
        ({"groups": [{}]}, "groups[0].name: is missing"),
        ({"groups": [{"name": "a"}, {"name": "a"}]}, "groups[1].name: is the same as groups[0].name"),
        ({"lockout": {"attempts": 0}}, "lockout.attempts: must be between"),
        ({"lockout": {"tries": 3}}, "lockout.tries: is not a key"),
        ({"lockout": 3}, "lockout: must be a mapping, not a number"),
        ({"password": {"minimum_length": 0}}, "password.minimum_length: must be between"),
        ({"unique_emails": "yes"}, "unique_emails: must be true or false, not text"),
        ({"users": [{"username": 29}]}, "users[0].username: must be text, not a number (put it in quotes)"),
        ({"users": [{"username": "a\u0000b"}]}, "users[0].username: holds characters"),
        ({"users": [{"username": "a" * 65}]}, "users[0].username: is longer than 64"),
        ({"users": [{"username": " "}]}, "users[0].username: holds characters"),
        ({"users": [USER, {"username": "ＴＴ29 "}]}, "users[1].username: is the same as users[0].username"),
        ({"users": [USER | {"email": "m.m"}]}, "users[0].email: is not an e-mail address"),
        ({"users": [USER | {"email": "a@b.example\nBcc: c@d.example"}]}, "users[0].email: holds characters"),
        ({"users": [USER | {"email_verified": True}]}, "users[0].email_verified: is true, and there is no email"),
        ({"users": [USER | {"email_verified": 1}]}, "users[0].email_verified: must be true or false"),
        ({"users": [USER | {"mobile_verified": True}]}, "users[0].mobile_verified: is true"),
        ({"users": [USER | {"mobile_phone": "0612345678"}]}, "users[0].mobile_phone: is not a number"),
        ({"users": [USER | {"mobile_phone": 33612345678}]}, "users[0].mobile_phone: must be text"),
        ({"users": [USER | {"start_date": "2026-02-30"}]}, "users[0].start_date: must be a date"),
        ({"users": [USER | {"start_date": 20260330}]}, "users[0].start_date: must be a date"),
        ({"users": [USER | {"start_date": "0001-01-01T00:00:00+14:00"}]}, "users[0].start_date: must be a date"),
        (
            {"users": [USER | {"start_date": "2026-02-02", "end_date": "2026-02-02"}]},
            "users[0].end_date: is not after start_date",
        ),
        ({"users": [USER | {"groups": [3]}]}, "users[0].groups[0]: must be text"),
        ({"users": [USER | {"password": 123456789012}]}, "users[0].password: must be text, not a number"),
        ({"users": [USER | {"password": "x" * 1025}]}, "users[0].password: must have between 1 and 1024 bytes"),
        ({"users": [USER | {"admin_role": 40}]}, "users[0].admin_role: is not a key"),
        ([], "the file: must be a mapping, not a list"),
        ("text", "the file: must be a mapping, not text"),
        (None, "the file: must be a mapping, not nothing"),
    ],
)
def test_a_fault_is_named_with_its_path(declared: Any, path: str) -> None:
    found = problems(declared)
    assert any(problem.startswith(path) for problem in found), found


def test_every_fault_of_the_file_is_named() -> None:
    assert len(problems({"mfa": {"mode": "x"}, "users": [{"username": "", "email": "x"}], "more": 1})) == 4


def test_a_password_in_the_wrong_place_is_not_repeated() -> None:
    shown = " ".join(problems({"users": [USER | {"email": "hunter2-hunter2", "clients": "hunter2-hunter2"}]}))
    assert "hunter2" not in shown


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"users: [{username: a, username: b}]", "stands twice"),
        (b'{"users": [], "users": []}', "'users' stands twice"),
        (b"a: &a [1, *a]", "nested too deep"),
        (b"a: &a {b: *a}", "nested too deep"),
        (b"a: [", "line 1"),
        (b"- !!python/object/apply:os.system [id]", "could not determine a constructor"),
        (b"\xff\xfe", "not UTF-8"),
        (b"a: \x00", "characters that YAML does not allow"),
        (b"a: !!timestamp 2026-13-45", "does not exist"),
        (b"? [a]\n: b", "unhashable"),
        (b"[" * 100_000, "nested too deep"),
        (b"x: &x {mode: off}\nmfa:\n  <<: *x", "mfa.<<: is not a key"),
        (b"mfa: 1\n---\nmfa: 2", "but found another document"),
        (b'{"users": [{"username": "\\ud800"}]}', "users[0].username: holds characters"),
        (b"", "must be a mapping"),
    ],
)
def test_hostile_documents_are_refused(text: bytes, said: str) -> None:
    assert any(said in problem for problem in problems(text)), problems(text)


def test_a_few_lines_of_aliases_do_not_become_billions_of_values() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert problems("\n".join(lines).encode()) == ["the file stands for too many values, or is nested too deep"]


def test_a_file_that_is_too_large_is_not_parsed() -> None:
    assert problems(b"#" * (32 * 1024 * 1024 + 1)) == ["the file is larger than 32 MiB"]
