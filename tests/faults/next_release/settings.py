"""The tests' settings of a server one release ahead: its migrations are those that there are, and the ones beside this."""

from config.settings.base import MIGRATION_MODULES as OWN
from config.settings.test import *  # noqa: F403  As every settings module.

MIGRATION_MODULES = {
    **OWN,
    "identity": "tests.faults.next_release.identity.migrations",
    "mfa": "tests.faults.next_release.mfa.migrations",
}
