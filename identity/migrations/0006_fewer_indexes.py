"""Indexes: fewer of those that a sign-in writes, and those that the panel's lists of a million people need."""

from typing import Any

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

# PostgreSQL alone: Django makes an index for LIKE beside each unique text, which nothing here searches by prefix; and
# the search by the start of an address, and its comparison without regard to case, need one on the upper case.
# Room is left in each page for the rows that a sign-in rewrites (HOT), and what changes often is vacuumed often.
POSTGRESQL = [
    "DROP INDEX IF EXISTS identity_accesstoken_token_checksum_7961b1b2_like",
    "DROP INDEX IF EXISTS identity_passwordtries_key_a51be422_like",
    "CREATE INDEX user_email_upper ON identity_user (upper(email::text) varchar_pattern_ops)",
    "ALTER TABLE identity_user SET (fillfactor = 90)",
    "ALTER TABLE identity_session SET (fillfactor = 90)",
    "ALTER TABLE identity_passwordtries SET (autovacuum_vacuum_scale_factor = 0.02)",
]
POSTGRESQL_BACK = [
    "ALTER TABLE identity_passwordtries RESET (autovacuum_vacuum_scale_factor)",
    "ALTER TABLE identity_session RESET (fillfactor)",
    "ALTER TABLE identity_user RESET (fillfactor)",
    "DROP INDEX user_email_upper",
    "CREATE INDEX identity_passwordtries_key_a51be422_like ON identity_passwordtries (key varchar_pattern_ops)",
    "CREATE INDEX identity_accesstoken_token_checksum_7961b1b2_like ON identity_accesstoken"
    " (token_checksum varchar_pattern_ops)",
]


def forwards(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        for statement in POSTGRESQL:
            schema_editor.execute(statement)


def backwards(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        for statement in POSTGRESQL_BACK:
            schema_editor.execute(statement)


class Migration(migrations.Migration):

    dependencies = [
        ('identity', '0005_audit_seals_and_sweeping'),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='refreshtoken',
            name='refresh_token_family',
        ),
        migrations.AlterUniqueTogether(
            name='refreshtoken',
            unique_together=set(),
        ),
        migrations.AlterField(
            model_name='accesstoken',
            name='application',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.OAUTH2_PROVIDER_APPLICATION_MODEL),
        ),
        migrations.AlterField(
            model_name='accesstoken',
            name='user',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AlterField(
            model_name='passwordtries',
            name='locked_until',
            field=models.BigIntegerField(default=0),
        ),
        migrations.AlterField(
            model_name='refreshtoken',
            name='application',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.OAUTH2_PROVIDER_APPLICATION_MODEL),
        ),
        migrations.AlterField(
            model_name='refreshtoken',
            name='user',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AlterField(
            model_name='session',
            name='client',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='sessions', to=settings.OAUTH2_PROVIDER_APPLICATION_MODEL),
        ),
        migrations.AlterField(
            model_name='session',
            name='user',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='sessions', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddIndex(
            model_name='passwordtries',
            index=models.Index(condition=models.Q(('locked_until__gt', 0)), fields=['locked_until'], name='password_tries_locked'),
        ),
        migrations.AddIndex(
            model_name='user',
            index=models.Index(fields=['mobile_phone'], name='user_mobile_phone', opclasses=['varchar_pattern_ops']),
        ),
        migrations.AddIndex(
            model_name='user',
            index=models.Index(condition=models.Q(('is_active', False)), fields=['username_key'], name='user_disabled'),
        ),
        migrations.AddIndex(
            model_name='user',
            index=models.Index(condition=models.Q(('is_approved', False)), fields=['username_key'], name='user_not_approved'),
        ),
        migrations.AddIndex(
            model_name='user',
            index=models.Index(condition=models.Q(('admin_role__gt', 0)), fields=['username_key'], name='user_with_a_role'),
        ),
        migrations.AddIndex(
            model_name='user',
            index=models.Index(condition=models.Q(('locked_by_administrator_at__isnull', False)), fields=['locked_by_administrator_at'], name='user_locked'),
        ),
        migrations.AddConstraint(
            model_name='refreshtoken',
            constraint=models.UniqueConstraint(fields=('token_checksum',), name='refresh_token_checksum'),
        ),
        migrations.RunPython(forwards, backwards),
    ]
