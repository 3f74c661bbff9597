"""Runs a command under production settings with an environment made for this one run: `python -m … manage.py check`.

Keys and passwords are random and end with the process; nothing listens where the URLs point, as `check` opens nothing.
"""

import base64
import os
import secrets
import subprocess
import sys


def environment() -> dict[str, str]:
    """This process's environment with every setting that production requires."""
    # The browser tests set it for their own process; production refuses it.
    kept = {name: value for name, value in os.environ.items() if name != "DJANGO_ALLOW_ASYNC_UNSAFE"}
    return {
        **kept,
        "DJANGO_SETTINGS_MODULE": "config.settings.production",
        "PUBLIC_URL": "https://signin.example.org",
        "SECRET_KEY": secrets.token_urlsafe(64),
        "MFA_SECRET_KEYS": f"k1:{base64.b64encode(secrets.token_bytes(32)).decode()}",
        "DATABASE_URL": f"postgres://stepward:{secrets.token_hex(8)}@127.0.0.1:5432/stepward",
        "REDIS_URL": "redis://127.0.0.1:6379/0",
        "EMAIL_URL": "smtp+tls://mail.example.org:587",
        "DEFAULT_FROM_EMAIL": "sign-in@example.org",
    }


if __name__ == "__main__":
    sys.exit(subprocess.run([sys.executable, *sys.argv[1:]], env=environment(), check=False).returncode)
