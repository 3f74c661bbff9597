"""The database breaks off a right password's transaction: 503, and the try is not held against anybody."""

import pytest
from django.db import OperationalError

from identity.models import PasswordTries
from mfa.flows import sign_in
from tests import factories
from tests.support.visual_guard import ENROLMENT_REQUIRED, WRONG_PASSWORD

pytestmark = pytest.mark.django_db(transaction=True)


def _away(*_given: object, **_named: object) -> None:
    raise OperationalError("server closed the connection unexpectedly")


def test_a_database_that_breaks_off_locks_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    client = factories.sign_in_client(factories.make_user())
    assert client.password_step(Password="a wrong one").status == WRONG_PASSWORD
    with monkeypatch.context() as broken:
        broken.setattr(sign_in, "_second_factor", _away)
        answers = [client.password_step() for _ in range(7)]
    assert {answer.http_status for answer in answers} == {503}
    # The wrong one still counts, for its network and for the account; the right ones never did.
    assert list(PasswordTries.objects.values_list("failures", "locked_until")) == [(1, 0), (1, 0)]
    assert client.password_step().status == ENROLMENT_REQUIRED
