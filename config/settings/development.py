"""The default: runs with nothing but Python, on SQLite, with secrets made once under `var/`."""

import secrets

from config import env as environment
from config.settings.base import *
from config.settings.base import EMAIL_BACKEND, VAR_DIR, database

DEBUG = False
SECRET_KEY = environment.text("SECRET_KEY") or environment.kept_secret("secret_key", secrets.token_urlsafe(64))
MFA_SECRET_KEYS = environment.sealing_keys(
    environment.text("MFA_SECRET_KEYS") or environment.kept_secret("mfa_secret_keys", environment.new_sealing_key())
)
DATABASES = {"default": database(environment.text("DATABASE_URL") or f"sqlite:///{VAR_DIR / 'stepward.sqlite3'}")}
EMAIL_BACKEND = EMAIL_BACKEND or "django.core.mail.backends.console.EmailBackend"
SMS_TO_CONSOLE = True
