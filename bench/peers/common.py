"""What the floor and the Django peers have in common: the same database, pool and hash parameters as the server."""

import os
from urllib.parse import unquote, urlsplit

from django.contrib.auth.hashers import Argon2PasswordHasher

HOST = "signin.example.org"


class Argon2(Argon2PasswordHasher):
    """Argon2id with the parameters that the server uses."""

    memory_cost, time_cost, parallelism = 19456, 2, 1


def settings(name: str, apps: list[str], middleware: list[str]) -> dict[str, object]:
    """A Django project of these apps; `name` is its package."""
    url = urlsplit(os.environ["DATABASE_URL"])
    return {
        "DEBUG": False,
        "SECRET_KEY": os.environ["SECRET_KEY"],
        "ALLOWED_HOSTS": [HOST],
        "INSTALLED_APPS": ["django.contrib.auth", "django.contrib.contenttypes", *apps],
        "MIDDLEWARE": middleware,
        "ROOT_URLCONF": f"{name}.urls",
        "PASSWORD_HASHERS": ["common.Argon2"],
        "USE_TZ": True,
        "DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField",
        "DATABASES": {
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": url.path.lstrip("/"),
                "USER": url.username,
                "PASSWORD": unquote(url.password or ""),
                "HOST": url.hostname,
                "PORT": url.port,
                "CONN_MAX_AGE": 0,
                "OPTIONS": {"pool": {"min_size": 2, "max_size": int(os.environ["THREADS"]) + 2, "timeout": 5}},
            }
        },
        "REST_FRAMEWORK": {
            "DEFAULT_AUTHENTICATION_CLASSES": [],
            "DEFAULT_PERMISSION_CLASSES": [],
            "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
            "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
            "UNAUTHENTICATED_USER": None,
        },
    }
