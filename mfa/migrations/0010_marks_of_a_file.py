"""Authenticators of before that are known to be a file's are marked; what breaks off here is begun again."""

from typing import Any

from django.db import migrations

BATCH = 5000


def fill(apps: Any, schema_editor: Any) -> None:
    """Known to be a file's is what has no label: a confirmation gives one, and nobody can take it away again.

    Where its person has named one since, it counts as the person's own: a file then takes nothing away by mistake.
    """
    authenticators = apps.get_model("mfa", "Authenticator").objects.using(schema_editor.connection.alias)
    of_a_file = authenticators.filter(kind__in=[1, 2], label="", enrolment__isnull=True, provisioned=False)
    while batch := list(of_a_file.values_list("pk", flat=True)[:BATCH]):
        authenticators.filter(pk__in=batch).update(provisioned=True)


class Migration(migrations.Migration):
    # Each batch is committed by itself, so that nobody who signs in meanwhile waits for all of them.
    atomic = False

    dependencies = [
        ("mfa", "0009_purpose_of_invitations"),
    ]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
