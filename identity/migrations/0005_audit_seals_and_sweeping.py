"""The chain of seals over the audit trail, deletion of what it says is swept, and the indexes of the sweep."""

from typing import Any

from django.db import migrations, models

POSTGRESQL = """
CREATE OR REPLACE FUNCTION identity_auditevent_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND OLD.id <= (SELECT max(swept_id) FROM identity_auditseal WHERE swept_number IS NOT NULL) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the audit trail is append-only';
END $$;
CREATE FUNCTION identity_auditseal_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND OLD.number <= (SELECT max(swept_number) FROM identity_auditseal WHERE swept_number IS NOT NULL)
    THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the audit trail is append-only';
END $$;
CREATE TRIGGER identity_auditseal_append_only BEFORE UPDATE OR DELETE ON identity_auditseal
    FOR EACH ROW EXECUTE FUNCTION identity_auditseal_append_only();
"""
POSTGRESQL_BACK = """
DROP TRIGGER identity_auditseal_append_only ON identity_auditseal;
DROP FUNCTION identity_auditseal_append_only();
CREATE OR REPLACE FUNCTION identity_auditevent_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail is append-only';
END $$;
"""
ABORT = "BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END"
SWEPT_ID = "(SELECT coalesce(max(swept_id), 0) FROM identity_auditseal WHERE swept_number IS NOT NULL)"
SWEPT_NUMBER = "(SELECT coalesce(max(swept_number), 0) FROM identity_auditseal)"
SQLITE = [
    "DROP TRIGGER identity_auditevent_no_delete",
    "CREATE TRIGGER identity_auditevent_no_delete BEFORE DELETE ON identity_auditevent "
    f"WHEN OLD.id > {SWEPT_ID} {ABORT}",
    f"CREATE TRIGGER identity_auditseal_no_update BEFORE UPDATE ON identity_auditseal {ABORT}",
    "CREATE TRIGGER identity_auditseal_no_delete BEFORE DELETE ON identity_auditseal "
    f"WHEN OLD.number > {SWEPT_NUMBER} {ABORT}",
]
SQLITE_BACK = [
    "DROP TRIGGER identity_auditseal_no_update",
    "DROP TRIGGER identity_auditseal_no_delete",
    "DROP TRIGGER identity_auditevent_no_delete",
    f"CREATE TRIGGER identity_auditevent_no_delete BEFORE DELETE ON identity_auditevent {ABORT}",
]


def forwards(apps: Any, schema_editor: Any) -> None:
    for statement in [POSTGRESQL] if schema_editor.connection.vendor == "postgresql" else SQLITE:
        schema_editor.execute(statement)


def backwards(apps: Any, schema_editor: Any) -> None:
    for statement in [POSTGRESQL_BACK] if schema_editor.connection.vendor == "postgresql" else SQLITE_BACK:
        schema_editor.execute(statement)


class Migration(migrations.Migration):

    dependencies = [
        ('identity', '0004_sessions_by_last_use'),
    ]

    operations = [
        migrations.CreateModel(
            name='AuditSeal',
            fields=[
                ('number', models.BigIntegerField(primary_key=True, serialize=False)),
                ('sealed_at', models.DateTimeField(db_index=True)),
                ('last_id', models.BigIntegerField()),
                ('events', models.BinaryField(help_text="each event's id (8 bytes) and digest (16 bytes)")),
                ('swept_number', models.BigIntegerField(db_index=True, null=True)),
                ('swept_id', models.BigIntegerField(help_text='the `last_id` of that link', null=True)),
                ('swept_mac', models.CharField(blank=True, max_length=64)),
                ('previous', models.CharField(blank=True, help_text="the link before's `mac`", max_length=64)),
                ('mac', models.CharField(max_length=64)),
            ],
            options={
                'ordering': ['number'],
            },
        ),
        migrations.RunPython(forwards, backwards),
        migrations.AlterField(
            model_name='passwordtries',
            name='updated',
            field=models.BigIntegerField(),
        ),
        migrations.AddIndex(
            model_name='grant',
            index=models.Index(fields=['expires'], name='grant_expires'),
        ),
        migrations.AddIndex(
            model_name='passwordtries',
            index=models.Index(condition=models.Q(('window_started__gt', 0)), fields=['updated'], name='password_tries_network'),
        ),
        migrations.AddIndex(
            model_name='passwordtries',
            index=models.Index(condition=models.Q(('window_started', 0)), fields=['updated'], name='password_tries_in_a_row'),
        ),
        migrations.AddIndex(
            model_name='passwordtries',
            index=models.Index(condition=models.Q(('user__isnull', True), ('window_started', 0)), fields=['updated'], name='password_tries_of_nobody'),
        ),
    ]
