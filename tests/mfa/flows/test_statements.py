"""The statements of each step, by name: one more of them shows here, and not first under load."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from identity.models import Group, Session, User
from mfa.models import MfaPolicy
from mfa.primitives import totp
from tests.factories import enrol_app, make_client, make_user, sign_in_client
from tests.support.soft_authenticator import SoftAuthenticator
from tests.support.visual_guard import Answer

pytestmark = pytest.mark.django_db
_TABLE = re.compile(r'\s*(SELECT|INSERT|UPDATE|DELETE)\b.*?(?:FROM|INTO|UPDATE) "?(\w+)"?', re.DOTALL)
_UPDATED = re.compile(r'\s*UPDATE "?(\w+)"?')
_PARTS = re.compile(r'AS \(\s*(INSERT INTO|UPDATE|DELETE FROM) "?(\w+)')
_PART = re.compile(r"(INSERT|UPDATE|DELETE)(?: INTO| FROM)? (\w+)")
_INNERMOST = re.compile(r"\([^()]*\)")


def named(texts: Iterable[str]) -> Iterator[str]:
    """`SELECT identity_client` and so on, without the marks of transactions; `a & b` for several that are one."""
    for whole in texts:
        if whole.lstrip().startswith("WITH "):
            parts = (_PART.match(f"{verb} {table}") for verb, table in _PARTS.findall(whole))
            yield " & ".join(f"{part[1]} {part[2]}" for part in parts if part)
            continue
        text = whole
        while (outer := _INNERMOST.sub("", text)) != text:
            text = outer
        updated, found = _UPDATED.match(text), _TABLE.match(text)
        if updated:
            yield f"UPDATE {updated[1]}"
        elif found:
            yield f"{found[1]} {found[2]}"


def taken(act: Callable[[], Answer]) -> tuple[Answer, list[str]]:
    """The answer, and the statements it took."""
    with CaptureQueriesContext(connection) as captured:
        answer = act()
    return answer, list(named(query["sql"] for query in captured.captured_queries))


@pytest.fixture(autouse=True)
def _warm() -> None:
    """A process reads its keys once in half a minute."""
    sign_in_client(make_user(), make_client(mfa={"mode": "off"})).password_step()


def as_one(*statements: str) -> list[str]:
    """What PostgreSQL is told in one statement, and SQLite one after the other."""
    return [" & ".join(statements)] if connection.vendor == "postgresql" else list(statements)


def test_a_client_is_read_once_and_again_after_each_change() -> None:
    user = make_user()
    enrol_app(user)
    client = sign_in_client(user)
    _, first = taken(client.password_step)
    _, second = taken(client.password_step)
    assert first == ["SELECT identity_client", *second]
    MfaPolicy.objects.update(grace_logins=1)
    _, after = taken(client.password_step)
    assert after.count("SELECT identity_client") == 1
    assert after[0].startswith("INSERT identity_passwordtries"), "it asks whether its client is still good as it counts"


def test_the_password_step_takes_three_statements() -> None:
    user = make_user()
    enrol_app(user)
    client = sign_in_client(user)
    client.password_step()
    answer, statements = taken(client.password_step)
    assert answer.http_status == 400
    assert statements == [
        "INSERT identity_passwordtries",  # Counted before it is compared; returns the account's hash.
        "SELECT identity_user",  # Under its lock, with its authenticators.
        *as_one(
            "INSERT mfa_authenticationrequest",  # Returns how many others are open.
            "DELETE identity_passwordtries",
            "INSERT identity_auditevent",
        ),
    ]


def test_policies_of_groups_cost_one_statement_where_there_are_any() -> None:
    user = make_user()
    enrol_app(user)
    client = sign_in_client(user)
    client.password_step()
    _, without = taken(client.password_step)
    MfaPolicy.objects.create(group=Group.objects.create(name="elsewhere"), mode="optional")
    client.password_step()
    _, among_others = taken(client.password_step)
    assert sorted(set(among_others) - set(without)) == ["SELECT mfa_mfapolicy"]
    assert len(among_others) == len(without) + 1


def test_a_wrong_password_takes_four_statements() -> None:
    client = sign_in_client(make_user())
    client.password_step()
    _, statements = taken(lambda: client.password_step(Password="wrong"))
    assert statements == [
        "INSERT identity_passwordtries",
        "SELECT identity_user",  # For the audit trail; nobody for a name that is nobody's.
        "INSERT identity_passwordtries",  # The count of all networks.
        "INSERT identity_auditevent",
    ]


def test_the_code_step_takes_two_statements() -> None:
    user = make_user()
    phone, client = enrol_app(user), sign_in_client(user)
    due = client.password_step(scope="VGToken")
    answer, statements = taken(lambda: client.code_step(due, phone.code()))
    assert answer.http_status == 200
    assert statements == [
        *_counting(),
        *as_one(
            "UPDATE identity_user",  # Still as it was read; its last sign-in.
            "UPDATE mfa_authenticationrequest",  # The request is spent.
            "UPDATE mfa_authenticator",  # The time step is spent.
            "INSERT identity_session",
            "INSERT identity_auditevent",  # Both events.
        ),
    ]


def test_a_wrong_code_takes_two_statements() -> None:
    user = make_user()
    phone, client = enrol_app(user), sign_in_client(user)
    due = client.password_step()
    _, statements = taken(lambda: client.code_step(due, phone.wrong_code()))
    assert statements == [*_counting(), "INSERT identity_auditevent"]


def _counting() -> list[str]:
    """Request and app counted before anything is compared; returns account, authenticators and data key."""
    if connection.vendor == "postgresql":
        return ["UPDATE mfa_authenticationrequest & UPDATE mfa_authenticator"]
    return ["UPDATE mfa_authenticationrequest", "SELECT identity_user", "UPDATE mfa_authenticator"]


def test_an_account_that_changes_meanwhile_is_looked_at_again_under_its_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one statement of the code step finds it changed, does nothing, and the step goes the longer way."""
    user = make_user()
    phone, client = enrol_app(user), sign_in_client(user)
    due = client.password_step(scope="VGToken")
    compare = totp.matching_time_step

    def change_and_compare(*args: Any, **kwargs: Any) -> int | None:
        User.objects.filter(pk=user.pk).update(session_epoch=F("session_epoch") + 1)
        return compare(*args, **kwargs)

    monkeypatch.setattr(totp, "matching_time_step", change_and_compare)
    answer, statements = taken(lambda: client.code_step(due, phone.code()))
    assert answer.http_status == 200
    longer = ["UPDATE identity_user", "UPDATE mfa_authenticationrequest", "UPDATE mfa_authenticator"]
    written = as_one("INSERT identity_session", "INSERT identity_auditevent")
    assert statements[-len(longer + written) :] == [*longer, *written]
    assert Session.objects.filter(user=user).count() == 1


def test_redeeming_takes_five_statements_and_asking_whether_to_three() -> None:
    client = sign_in_client(make_user())
    due = client.password_step(scope="VGToken")
    _, statements = taken(lambda: client.redeem(due.request_id))
    assert statements == [
        "SELECT identity_client",
        "SELECT mfa_authenticationrequest",
        "SELECT mfa_authenticator",
    ]
    client.enrol_app(due.request_id)
    answer, statements = taken(lambda: client.redeem(due.request_id))
    assert answer.http_status == 200
    assert statements == [
        "SELECT identity_client",
        "SELECT mfa_authenticationrequest",
        "UPDATE identity_user",
        "UPDATE mfa_authenticationrequest",
        *as_one("INSERT identity_session", "INSERT identity_auditevent"),  # Both events.
    ]


def test_a_refresh_takes_six_statements() -> None:
    client = sign_in_client(make_user(), make_client(mfa={"mode": "off"}))
    token = client.password_step(scope="offline_access").document["refresh_token"]
    answer, statements = taken(lambda: client.refresh(token))
    assert answer.http_status == 200
    assert statements == [
        "SELECT identity_client",
        "SELECT identity_refreshtoken",  # With session and user.
        "UPDATE identity_refreshtoken",
        "UPDATE identity_session",
        "INSERT identity_refreshtoken",
        "INSERT identity_auditevent",
    ]


def test_an_id_token_and_a_refresh_token_cost_a_row_and_roles_a_statement_each() -> None:
    client = sign_in_client(make_user(), make_client(mfa={"mode": "off"}))
    client.password_step()
    _, plain = taken(lambda: client.password_step(scope="VGToken"))
    _, both = taken(lambda: client.password_step(scope="VGToken openid offline_access"))
    _, roles = taken(lambda: client.password_step(scope="VGToken openid offline_access VGRoles"))
    assert " ".join(both).count("INSERT") - " ".join(plain).count("INSERT") == 1
    assert len(both) == len(plain) + (0 if connection.vendor == "postgresql" else 1)
    assert len(roles) - len(both) == 2


def test_an_enrolment_takes_two_statements_to_begin_one_to_draw_again_and_four_to_confirm() -> None:
    client = sign_in_client(make_user())
    request_id = client.password_step().request_id
    picture, first = taken(lambda: client.qr(request_id))
    assert first == [
        "SELECT mfa_authenticationrequest",  # With user, data key, client, what it has begun and what the account holds.
        *as_one("INSERT mfa_datakey", "INSERT mfa_enrolment", "INSERT identity_auditevent"),
    ]
    _, again = taken(lambda: client.qr(request_id))
    assert again == ["SELECT mfa_authenticationrequest"]
    answer, confirming = taken(lambda: client.confirm(request_id, SoftAuthenticator.scan(picture.body).code()))
    assert answer.http_status == 200
    assert confirming == [
        *_found_and_counted(),
        "SELECT identity_user",  # Under its lock.
        "SELECT mfa_authenticationrequest",  # What holds now.
        *as_one(
            "UPDATE mfa_enrolment",
            "INSERT mfa_authenticator",
            "UPDATE mfa_authenticationrequest",
            "INSERT identity_auditevent",
        ),
    ]


def test_a_wrong_code_of_an_enrolment_takes_three_statements_and_a_malformed_one_only_finds_the_request() -> None:
    client = sign_in_client(make_user())
    request_id = client.password_step().request_id
    wrong = SoftAuthenticator.scan(client.qr(request_id).body).wrong_code()
    answer, statements = taken(lambda: client.confirm(request_id, wrong))
    assert answer.document["Status"] == 5
    assert statements == [*_found_and_counted(), "SELECT mfa_authenticator", "INSERT identity_auditevent"]
    answer, statements = taken(lambda: client.confirm(request_id, "123456\0"))
    assert answer.http_status == 400
    assert statements == ["SELECT mfa_authenticationrequest"]


def _found_and_counted() -> list[str]:
    """The request is found and the try counted, before the code is compared."""
    if connection.vendor == "postgresql":
        return ["UPDATE mfa_enrolment"]
    return ["SELECT mfa_authenticationrequest", "UPDATE mfa_enrolment"]
