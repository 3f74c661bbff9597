"""The installation's one row, and an audit trail that the database itself refuses to change."""

from typing import Any

from django.db import migrations

POSTGRESQL = """
CREATE FUNCTION identity_auditevent_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('stepward.audit_retention', true) = 'on' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the audit trail is append-only';
END $$;
CREATE TRIGGER identity_auditevent_append_only BEFORE UPDATE OR DELETE ON identity_auditevent
    FOR EACH ROW EXECUTE FUNCTION identity_auditevent_append_only();
"""
SQLITE = [
    "CREATE TRIGGER identity_auditevent_no_update BEFORE UPDATE ON identity_auditevent "
    "BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END",
    "CREATE TRIGGER identity_auditevent_no_delete BEFORE DELETE ON identity_auditevent "
    "BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END",
]


def forwards(apps: Any, schema_editor: Any) -> None:
    apps.get_model("identity", "Installation").objects.get_or_create(pk=1)
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(POSTGRESQL)
    else:
        for statement in SQLITE:
            schema_editor.execute(statement)


def backwards(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP TRIGGER identity_auditevent_append_only ON identity_auditevent")
        schema_editor.execute("DROP FUNCTION identity_auditevent_append_only()")
    else:
        schema_editor.execute("DROP TRIGGER identity_auditevent_no_update")
        schema_editor.execute("DROP TRIGGER identity_auditevent_no_delete")


class Migration(migrations.Migration):
    dependencies = [("identity", "0001_initial")]
    operations = [migrations.RunPython(forwards, backwards)]
