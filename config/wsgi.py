"""The WSGI entry: what the HTTP server imports."""

import gc
import os

import django
from django.db import DatabaseError, connections
from django.urls import get_resolver
from django.utils import timezone

from config.env import say_ready

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.development")
django.setup(set_prefix=False)

from config.handler import Application  # noqa: E402  The settings stand only now.

application = Application()
# Every view is loaded before the first request, which would wait half a second for it otherwise.
get_resolver().url_patterns  # noqa: B018

from config import pool, rate_limit  # noqa: E402
from identity import secret_store  # noqa: E402  Their models exist only once Django is set up.
from mfa.flows import deliveries, sweeping  # noqa: E402

try:
    secret_store.prepare(timezone.now())
except DatabaseError:
    pass  # /readyz says so; the keys are read, or made, when the database is there.
finally:
    connections.close_all()
deliveries.serve(sweeping.sweep)
rate_limit.prepare()
pool.prepare()
# What is loaded by now stays: no collection need look through it again, which took 15 ms at a time.
gc.collect()
gc.freeze()
say_ready()
