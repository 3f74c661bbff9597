"""The tests' settings on a SQLite file that may not grow past STEPWARD_TEST_PAGES pages: what a full disk is to SQLite."""

import os

from config.settings.test import *  # noqa: F403  As every settings module.
from config.settings.test import DATABASES

DATABASES["default"]["OPTIONS"]["init_command"] += f" PRAGMA max_page_count={int(os.environ['STEPWARD_TEST_PAGES'])};"
