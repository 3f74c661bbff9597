"""The rules about passwords and lockout have a least and a most; what lies outside is brought to the nearer of them.

The columns stay as they are: only what is written into them is looked at.
"""

from typing import Any

import django.core.validators
from django.db import migrations, models

BOUNDS = {
    "lockout_attempts": (5, 1, 100),
    "lockout_window": (900, 1, 31622400),
    "lockout_unlock_after": (900, 1, 31622400),
    "password_minimum_length": (12, 1, 128),
    "password_history": (5, 0, 100),
    "password_expires_days": (0, 0, 36500),
    "password_grace_logins": (0, 0, 10000),
}
HELP = {
    "lockout_attempts": "wrong passwords in the window",
    "lockout_window": "seconds in which wrong passwords add up",
    "lockout_unlock_after": "seconds a lock lasts",
    "password_history": "how many old passwords may not come back",
    "password_expires_days": "0: never",
    "password_grace_logins": "sign-ins after a password has expired",
}


def bring_inside(apps: Any, schema_editor: Any) -> None:
    rules = apps.get_model("identity", "Installation").objects.using(schema_editor.connection.alias)
    for name, (_, least, most) in BOUNDS.items():
        rules.filter(**{f"{name}__lt": least}).update(**{name: least})
        rules.filter(**{f"{name}__gt": most}).update(**{name: most})


class Migration(migrations.Migration):
    dependencies = [
        ("identity", "0007_client_revision"),
    ]

    operations = [
        *(
            migrations.AlterField(
                model_name="installation",
                name=name,
                field=models.PositiveIntegerField(
                    default=default,
                    help_text=HELP.get(name, ""),
                    validators=[
                        django.core.validators.MinValueValidator(least),
                        django.core.validators.MaxValueValidator(most),
                    ],
                ),
            )
            for name, (default, least, most) in BOUNDS.items()
        ),
        migrations.RunPython(bring_inside, migrations.RunPython.noop),
    ]
