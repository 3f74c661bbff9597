"""Several statements as one: all of them or none, on both databases."""

from datetime import timedelta

import pytest
from django.db import DataError
from django.utils import timezone

from identity import rows
from identity.models import Group, User
from identity.rows import Overtaken, Step
from mfa.models import AuthenticationRequest
from tests.factories import make_user

pytestmark = pytest.mark.django_db


def renaming(user: User, before: str, *, decides: bool) -> Step:
    statement = "UPDATE identity_user SET language = %(wanted)s WHERE id = %(user)s AND language = %(before)s"
    return Step(statement, {"wanted": "fr", "user": user.pk, "before": before}, decides=decides)


def inserting(name: str) -> Step:
    return rows.insertion(rows.new(Group, name=name))


def test_all_of_them_are_done() -> None:
    user = make_user(language="en")
    rows.together(renaming(user, "en", decides=True), inserting("made"))
    user.refresh_from_db()
    assert user.language == "fr"
    assert Group.objects.get().name == "made"


def test_where_a_deciding_one_finds_nothing_none_is_done_and_the_transaction_around_goes_on() -> None:
    user, other = make_user(language="en"), make_user(username="other", language="de")
    steps = [renaming(user, "en", decides=True), renaming(other, "en", decides=True), inserting("made")]
    with pytest.raises(Overtaken), rows.by_itself():
        rows.together(*steps)
    user.refresh_from_db()
    assert user.language == "en"
    assert not Group.objects.exists()


def test_one_that_decides_nothing_may_find_nothing() -> None:
    user = make_user(language="en")
    rows.together(renaming(user, "de", decides=False), inserting("made"))
    assert Group.objects.get().name == "made"


def test_what_one_returns_is_told() -> None:
    step = rows.insertion(rows.new(Group, name="made"), returning=("id", "name || %(more)s"), also={"more": "!"})
    found = rows.together(step)[:2]
    assert list(found) == [Group.objects.get().pk, "made!"]


@pytest.mark.postgresql_only  # SQLite keeps texts of any length.
def test_an_error_of_another_kind_is_not_taken_for_being_overtaken() -> None:
    user = make_user()
    wrong = Step("UPDATE identity_user SET language = %(long)s WHERE id = %(user)s", {"long": "x" * 9, "user": user.pk})
    with pytest.raises(DataError, match="too long"), rows.by_itself():
        rows.together(wrong, renaming(user, "", decides=True))


def test_a_new_instance_has_the_defaults_of_its_model_and_each_its_own() -> None:
    now = timezone.now()
    given = {"digest": b"x", "user_id": 1, "typed_name": "a", "created_at": now, "expires_at": now + timedelta(1)}
    ours, theirs = rows.new(AuthenticationRequest, **given), AuthenticationRequest(**given)
    for field in AuthenticationRequest._meta.concrete_fields:
        assert getattr(ours, field.attname) == getattr(theirs, field.attname), field.name
    assert ours._state.adding
    assert ours.scopes is not rows.new(AuthenticationRequest, **given).scopes
    with pytest.raises(TypeError, match="no colour"):
        rows.new(AuthenticationRequest, colour="red")
