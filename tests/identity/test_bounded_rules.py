"""What was outside of the bounds before there were any is brought inside by the migration."""

from importlib import import_module
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.db import connection

from identity.models import Installation
from identity.models.policies import BOUNDS


@pytest.mark.django_db
def test_rules_from_before_the_bounds_are_brought_inside() -> None:
    migration = import_module("identity.migrations.0008_bounded_rules")
    assert {name: bounds[1:] for name, bounds in migration.BOUNDS.items()} == BOUNDS
    Installation.current()
    Installation.objects.update(password_expires_days=9_999_999, password_minimum_length=0, lockout_window=1800)
    migration.bring_inside(apps, SimpleNamespace(connection=connection))
    rules = Installation.objects.get()
    assert (rules.password_expires_days, rules.password_minimum_length, rules.lockout_window) == (36_500, 1, 1800)
