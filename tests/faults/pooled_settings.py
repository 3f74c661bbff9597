"""The tests' settings with production's pool of connections: what a restart leaves in it must go unnoticed."""

import os

from config.settings.base import database
from config.settings.test import *  # noqa: F403  As every settings module.

DATABASES = {"default": database(os.environ["DATABASE_URL"])}
