"""Whether a file made an authenticator is kept with it: the enrolment that told the two apart is swept within days."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("mfa", "0007_policies_change_the_revision"),
    ]

    operations = [
        migrations.AddField(
            model_name="authenticator",
            name="provisioned",
            field=models.BooleanField(
                db_default=False, default=False, help_text="made by a file, not confirmed by its person"
            ),
        ),
    ]
