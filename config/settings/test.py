"""For the test suite: cheap hashes by smaller parameters (never another algorithm), everything else as served."""

import base64

from config import env as environment
from config.settings.base import *
from config.settings.base import EMAIL_BACKEND, VAR_DIR, database

DEBUG = False
SECRET_KEY = "a key that only the tests know, long enough for every check of Django's"
MFA_SECRET_KEYS = environment.sealing_keys(f"test:{base64.b64encode(b'only the tests know these bytes.').decode()}")
PASSWORD_ARGON2 = {"memory_cost": 8, "time_cost": 1, "parallelism": 1}
DATABASES = {
    "default": database(environment.env.str("DATABASE_URL", default="") or f"sqlite:///{VAR_DIR / 'test.sqlite3'}")
}
# Tests open and close their own connections; a pool would keep databases busy that they want to drop.
DATABASES["default"].get("OPTIONS", {}).pop("pool", None)
RATE_LIMIT = 0
EMAIL_BACKEND = EMAIL_BACKEND or "django.core.mail.backends.locmem.EmailBackend"
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
