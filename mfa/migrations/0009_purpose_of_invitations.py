"""What an invitation is for: one to enrol is spent by the next one and by an enrolment, a link to a password is not."""

from datetime import timedelta
from typing import Any

from django.db import migrations, models

LINK_LIFETIME = timedelta(hours=24)


def fill(apps: Any, schema_editor: Any) -> None:
    """Links were made for a day exactly, invitations to enrol for three days or one minute."""
    unspent = apps.get_model("mfa", "Invitation").objects.using(schema_editor.connection.alias).filter(spent_at=None)
    lives = unspent.values_list("pk", "created_at", "expires_at")
    links = [pk for pk, created_at, expires_at in lives if expires_at - created_at == LINK_LIFETIME]
    for start in range(0, len(links), 500):
        unspent.filter(pk__in=links[start : start + 500]).update(purpose="password")


class Migration(migrations.Migration):
    dependencies = [
        ("mfa", "0008_authenticators_of_a_file"),
    ]

    operations = [
        migrations.AddField(
            model_name="invitation",
            name="purpose",
            field=models.CharField(
                choices=[
                    ("enrolment", "to enrol the first authenticator, where the policy asks for an invitation"),
                    ("password", "to choose a password by a link"),
                ],
                db_default="enrolment",
                default="enrolment",
                max_length=16,
            ),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
