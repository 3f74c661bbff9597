"""Migrates and provisions (from standard input) in one process, since each start of Django costs a second or two."""

import django
from django.core.management import call_command

if __name__ == "__main__":
    django.setup()
    call_command("migrate", verbosity=0, interactive=False)
    call_command("provision", "-")
