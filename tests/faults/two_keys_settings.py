"""The tests' settings in the middle of a rotation: a new key seals, the old one still opens."""

from config.settings.test import *  # noqa: F403  As every settings module.
from config.settings.test import MFA_SECRET_KEYS as OLD

MFA_SECRET_KEYS = {"new": b"a second key for rotating in tests"[:32], **OLD}
