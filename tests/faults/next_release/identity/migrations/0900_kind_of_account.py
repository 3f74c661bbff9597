"""A column that may not be empty: its default is the database's, as servers of this release do not know the column."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

from tests.faults.next_release.identity.migrations import NEWEST


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("identity", NEWEST)]
    operations = [
        migrations.AddField("session", "channel", models.CharField(max_length=8, db_default="api")),
        AddIndexConcurrently("auditevent", models.Index(fields=["at"], name="audit_by_time")),
    ]
