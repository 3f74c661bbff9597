"""The tests' settings on a SQLite file that may not grow past a number of pages: what a full disk is to SQLite.

The number stands in the file that STEPWARD_TEST_PAGES names, and is read for each connection, so that a test makes room.
"""

import os
from pathlib import Path
from typing import Any

from django.db.backends.signals import connection_created

from config.settings.test import *  # noqa: F403  As every settings module.


def _limit(connection: Any, **_more: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA max_page_count={int(Path(os.environ['STEPWARD_TEST_PAGES']).read_text())}")


connection_created.connect(_limit)
