"""A number that changes with every change of clients and of what applies to them, kept by the database itself.

On SQLite a later migration that makes one of these tables anew must make its triggers anew as well
(`tests/identity/oauth/test_client_authentication.py` looks for them).
"""

from typing import Any

from django.db import migrations, models

TABLES = ("identity_client", "identity_installation")
FUNCTION = """
CREATE FUNCTION identity_client_rules_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO identity_clientrevision (id, number) VALUES (1, (random() * 9e18)::bigint)
        ON CONFLICT (id) DO UPDATE SET number = excluded.number;
    RETURN NULL;
END $$
"""
SQLITE = (
    "BEGIN INSERT INTO identity_clientrevision (id, number) VALUES (1, abs(random() / 2)) "
    "ON CONFLICT (id) DO UPDATE SET number = excluded.number; END"
)


def watch(schema_editor: Any, tables: tuple[str, ...]) -> None:
    """Have every change of the tables draw another number."""
    for table in tables:
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(
                f"CREATE TRIGGER {table}_revision AFTER INSERT OR UPDATE OR DELETE ON {table} "
                "FOR EACH STATEMENT EXECUTE FUNCTION identity_client_rules_changed()"
            )
        else:
            for act in ("insert", "update", "delete"):
                schema_editor.execute(f"CREATE TRIGGER {table}_revision_{act} AFTER {act.upper()} ON {table} {SQLITE}")


def unwatch(schema_editor: Any, tables: tuple[str, ...]) -> None:
    for table in tables:
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(f"DROP TRIGGER {table}_revision ON {table}")
        else:
            for act in ("insert", "update", "delete"):
                schema_editor.execute(f"DROP TRIGGER {table}_revision_{act}")


def forwards(apps: Any, schema_editor: Any) -> None:
    apps.get_model("identity", "ClientRevision").objects.create(pk=1, number=1)
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(FUNCTION)
    watch(schema_editor, TABLES)


def backwards(apps: Any, schema_editor: Any) -> None:
    unwatch(schema_editor, TABLES)
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP FUNCTION identity_client_rules_changed()")


class Migration(migrations.Migration):

    dependencies = [
        ('identity', '0006_fewer_indexes'),
    ]

    operations = [
        migrations.CreateModel(
            name='ClientRevision',
            fields=[
                ('id', models.SmallIntegerField(primary_key=True, serialize=False)),
                ('number', models.BigIntegerField()),
            ],
        ),
        migrations.RunPython(forwards, backwards),
    ]
