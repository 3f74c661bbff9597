"""Policies are among what applies to a client: a change of one draws another revision (identity's migration 0007)."""

from importlib import import_module
from typing import Any

from django.db import migrations

identitys: Any = import_module("identity.migrations.0007_client_revision")
TABLES = ("mfa_mfapolicy",)


def forwards(apps: Any, schema_editor: Any) -> None:
    identitys.watch(schema_editor, TABLES)


def backwards(apps: Any, schema_editor: Any) -> None:
    identitys.unwatch(schema_editor, TABLES)


class Migration(migrations.Migration):

    dependencies = [
        ('identity', '0007_client_revision'),
        ('mfa', '0006_fewer_indexes'),
    ]

    operations = [
        migrations.RunPython(forwards, backwards),
    ]
