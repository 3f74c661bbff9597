"""The ASGI entry, for servers that speak it; the WSGI entry is what `manage.py serve` runs."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.development")
application = get_asgi_application()
