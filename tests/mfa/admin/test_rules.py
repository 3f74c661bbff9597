"""The installation's rules in the panel: no number that would let nobody in."""

import pytest

from identity.models import Installation
from identity.models.policies import BOUNDS
from identity.models.user import AdminRole
from tests.mfa.admin.conftest import MakeUser, SignIn


@pytest.mark.parametrize("name", BOUNDS)
def test_a_rule_lies_inside_its_bounds(name: str, make_user: MakeUser, sign_in: SignIn) -> None:
    browser, rules = sign_in(make_user("owner", AdminRole.OWNER)), Installation.current()
    form = {field: getattr(rules, field) for field in BOUNDS}
    least, most = BOUNDS[name]
    for value, taken in ((least - 1, False), (least, True), (most, True), (most + 1, False)):
        answer = browser.post("/admin/identity/installation/1/change/", {**form, name: value})
        assert (answer.status_code == 302) is taken
        assert (getattr(Installation.objects.get(), name) == value) is taken
