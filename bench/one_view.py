"""The view that HTTP servers and pools are compared on: one SELECT and one UPDATE of a random row, through DRF.

Needs Django, Django REST framework and psycopg, nothing of ours. BENCH_DATABASE is a URL, BENCH_POOL says `none` (a
connection for each request), `kept` (one for each thread, for good) or the size of psycopg's pool.
"""

import os
import random
from typing import Any, ClassVar
from urllib.parse import urlsplit

import django
from django.conf import settings

ROWS = 1000


def _database() -> dict[str, Any]:
    url, pool = urlsplit(os.environ["BENCH_DATABASE"]), os.environ["BENCH_POOL"]
    database: dict[str, Any] = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": url.path[1:],
        "USER": url.username,
        "PASSWORD": url.password,
        "HOST": url.hostname,
        "PORT": url.port,
        "CONN_MAX_AGE": None if pool == "kept" else 0,
    }
    if pool.isdigit():
        database["OPTIONS"] = {"pool": {"min_size": 2, "max_size": int(pool), "timeout": 10}}
    return database


settings.configure(
    SECRET_KEY="of the bench alone",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    INSTALLED_APPS=["django.contrib.contenttypes", "rest_framework"],
    DATABASES={"default": _database()},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "DEFAULT_PERMISSION_CLASSES": [],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "UNAUTHENTICATED_USER": None,
    },
)
django.setup()

from django.core.asgi import get_asgi_application  # noqa: E402  Django must be set up first.
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import models  # noqa: E402
from django.urls import path  # noqa: E402
from rest_framework.decorators import api_view  # noqa: E402
from rest_framework.request import Request  # noqa: E402
from rest_framework.response import Response  # noqa: E402


class Row(models.Model):
    """A row to read and to count up."""

    seen = models.IntegerField()
    objects: ClassVar[models.Manager["Row"]] = models.Manager()

    class Meta:
        app_label = "bench"
        db_table = "bench_row"

    def __str__(self) -> str:
        return str(self.seen)


@api_view(["POST"])
def one_view(request: Request) -> Response:
    row = Row.objects.get(pk=random.randrange(ROWS))
    Row.objects.filter(pk=row.pk).update(seen=models.F("seen") + 1)
    return Response({"row": row.pk, "seen": row.seen})


urlpatterns = [path("one", one_view)]
wsgi = get_wsgi_application()
asgi = get_asgi_application()
