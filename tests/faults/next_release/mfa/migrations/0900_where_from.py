"""A column that may be empty, filled in batches, each committed; and an index that is built while rows are written."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

from tests.faults.next_release.mfa.migrations import NEWEST

BATCH = 5000


def fill(apps, _schema_editor):
    requests = apps.get_model("mfa", "AuthenticationRequest").objects.filter(country__isnull=True)
    while batch := list(requests.values_list("pk", flat=True)[:BATCH]):
        requests.filter(pk__in=batch).update(country="")


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("mfa", NEWEST)]
    operations = [
        migrations.AddField("authenticationrequest", "country", models.CharField(max_length=2, null=True)),
        migrations.RunPython(fill),
        AddIndexConcurrently("authenticationrequest", models.Index(fields=["country", "created_at"], name="request_from")),
    ]
