"""What administrators do to an account: in which order it is locked, and what it leaves alone."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from identity.flows.administration import Editor
from mfa.flows import administration
from tests.mfa.flows.test_statements import named
from tests.support.ceremony import NOON, a_request, a_user, by_email

pytestmark = pytest.mark.django_db


def test_requests_end_before_the_authenticators_of_a_changed_address_go() -> None:
    """As everything locks them: a code that is just being sent waits, and nothing hangs."""
    person, actor = a_user(email="old@mail.example"), a_user()
    by_email(person)
    opened = a_request(person)
    with CaptureQueriesContext(connection) as captured:
        administration.change_person(person, {"email": "new@mail.example"}, Editor(actor, "", "panel"), NOON)
    done = list(named(query["sql"] for query in captured.captured_queries))
    assert done.index("UPDATE mfa_authenticationrequest") < done.index("DELETE mfa_authenticator")
    opened.refresh_from_db()
    assert opened.state == "cancelled"
    assert not person.authenticators.exists()
