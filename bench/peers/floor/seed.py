"""Fills the floor: `python -m floor.seed` reads calls as lines of JSON.

["people", COUNT]      the table, and so many rows
"""

import json
import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "floor.settings")


def people(count: int) -> None:
    from django.core.management import call_command
    from django.db import connection
    from floor.models import Holder

    call_command("migrate", verbosity=0)
    with connection.schema_editor() as editor:
        editor.create_model(Holder)
    Holder.objects.bulk_create([Holder(name=f"p{n}", secret=b"s" * 60) for n in range(count)], 5000)


if __name__ == "__main__":
    django.setup()
    for line in sys.stdin:
        verb, *given = json.loads(line)
        print(json.dumps({"people": people}[verb](*given)), flush=True)
