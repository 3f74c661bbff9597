"""The tests' settings, and an address that tells which modules the process has loaded."""

from config.settings.test import *  # noqa: F403  As every settings module.

ROOT_URLCONF = "tests.promises.loaded_urls"
