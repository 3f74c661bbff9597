"""The statements of each step, by name: one more of them shows here, and not first under load."""

import re
from collections.abc import Callable, Iterable, Iterator

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.factories import enrol_app, make_client, make_user, sign_in_client
from tests.support.soft_authenticator import SoftAuthenticator
from tests.support.visual_guard import Answer

pytestmark = pytest.mark.django_db
_TABLE = re.compile(r'\s*(SELECT|INSERT|UPDATE|DELETE)\b.*?(?:FROM|INTO|UPDATE) "?(\w+)"?', re.DOTALL)
_UPDATED = re.compile(r'\s*UPDATE "(\w+)"')


def named(texts: Iterable[str]) -> Iterator[str]:
    """`SELECT identity_client` and so on, without the marks of transactions."""
    for text in texts:
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


TOKENS = [
    "UPDATE identity_user",  # The last sign-in.
    "INSERT identity_session",
    "INSERT identity_accesstoken",
]


def test_the_password_step_takes_ten_statements() -> None:
    user = make_user()
    enrol_app(user)
    client = sign_in_client(user)
    answer, statements = taken(client.password_step)
    assert answer.http_status == 400
    assert statements == [
        "SELECT identity_client",  # With installation and policies.
        "SELECT identity_user",
        "INSERT identity_passwordtries",  # Counted before it is compared.
        "DELETE identity_passwordtries",
        "SELECT mfa_mfapolicy",  # Of the groups.
        "SELECT mfa_authenticator",
        "SELECT identity_user",  # Under its lock.
        "INSERT mfa_authenticationrequest",
        "SELECT mfa_authenticationrequest",  # Is it the sixth?
        "INSERT identity_auditevent",
    ]


def test_a_wrong_password_takes_five_statements() -> None:
    client = sign_in_client(make_user())
    _, statements = taken(lambda: client.password_step(Password="wrong"))
    assert statements == [
        "SELECT identity_client",
        "SELECT identity_user",
        "INSERT identity_passwordtries",
        "INSERT identity_passwordtries",  # The count of all networks.
        "INSERT identity_auditevent",
    ]


def test_the_code_step_takes_twelve_statements() -> None:
    user = make_user()
    phone, client = enrol_app(user), sign_in_client(user)
    due = client.password_step(scope="VGToken")
    answer, statements = taken(lambda: client.code_step(due, phone.code()))
    assert answer.http_status == 200
    assert statements == [
        "SELECT identity_client",
        "SELECT mfa_authenticationrequest",  # With user, data key and client.
        "UPDATE mfa_authenticationrequest",  # Counted before it is compared, here …
        "SELECT mfa_authenticator",
        "UPDATE mfa_authenticator",  # … and here.
        "SELECT identity_user",  # Under its lock.
        "UPDATE mfa_authenticator",  # The time step is spent.
        "UPDATE mfa_authenticationrequest",  # The request is spent.
        *TOKENS,
        "INSERT identity_auditevent",  # Both events.
    ]


def test_a_wrong_code_takes_eight_statements() -> None:
    user = make_user()
    phone, client = enrol_app(user), sign_in_client(user)
    due = client.password_step()
    _, statements = taken(lambda: client.code_step(due, phone.wrong_code()))
    assert statements == [
        "SELECT identity_client",
        "SELECT mfa_authenticationrequest",
        "UPDATE mfa_authenticationrequest",
        "SELECT mfa_authenticator",
        "UPDATE mfa_authenticator",
        "INSERT identity_auditevent",
        "SELECT mfa_authenticator",  # For the answer, which repeats them.
        "SELECT mfa_mfapolicy",
    ]


def test_redeeming_takes_eight_statements_and_asking_whether_to_five() -> None:
    client = sign_in_client(make_user())
    due = client.password_step(scope="VGToken")
    _, statements = taken(lambda: client.redeem(due.request_id))
    assert statements == [
        "SELECT identity_client",
        "SELECT mfa_authenticationrequest",
        "SELECT mfa_authenticator",
        "SELECT mfa_authenticator",
        "SELECT mfa_mfapolicy",
    ]
    client.enrol_app(due.request_id)
    answer, statements = taken(lambda: client.redeem(due.request_id))
    assert answer.http_status == 200
    assert statements == [
        "SELECT identity_client",
        "SELECT mfa_authenticationrequest",
        "SELECT identity_user",
        "UPDATE mfa_authenticationrequest",
        *TOKENS,
        "INSERT identity_auditevent",  # Both events.
    ]


def test_a_refresh_takes_seven_statements() -> None:
    client = sign_in_client(make_user(), make_client(mfa={"mode": "off"}))
    token = client.password_step(scope="offline_access").document["refresh_token"]
    answer, statements = taken(lambda: client.refresh(token))
    assert answer.http_status == 200
    assert statements == [
        "SELECT identity_client",
        "SELECT identity_refreshtoken",  # With session and user.
        "UPDATE identity_refreshtoken",
        "UPDATE identity_session",
        "INSERT identity_accesstoken",
        "INSERT identity_refreshtoken",
        "INSERT identity_auditevent",
    ]


def test_an_id_token_and_a_refresh_token_cost_one_statement_and_roles_one_more() -> None:
    client = sign_in_client(make_user(), make_client(mfa={"mode": "off"}))
    _, plain = taken(lambda: client.password_step(scope="VGToken"))
    _, both = taken(lambda: client.password_step(scope="VGToken openid offline_access"))
    _, roles = taken(lambda: client.password_step(scope="VGToken openid offline_access VGRoles"))
    assert len(both) - len(plain) == 1
    assert len(roles) - len(both) == 2


def test_drawing_the_qr_again_takes_few_statements_and_confirming_it_no_more_than_it_does() -> None:
    client = sign_in_client(make_user())
    request_id = client.password_step().request_id
    phone = SoftAuthenticator.scan(client.qr(request_id).body)
    _, again = taken(lambda: client.qr(request_id))
    assert len(again) <= 5, again
    answer, confirming = taken(lambda: client.confirm(request_id, phone.code()))
    assert answer.http_status == 200
    assert len(confirming) <= 21, confirming
