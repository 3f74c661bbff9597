"""The installation's own rules: one row."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from identity.admin.panel import PanelAdmin
from identity.models import Installation


@admin.register(Installation)
class InstallationAdmin(PanelAdmin):
    event = "installation"
    may_add = False
    fieldsets = (
        (None, {"fields": ("unique_emails",)}),
        ("Lockout", {"fields": ("lockout_attempts", "lockout_window", "lockout_unlock_after")}),
        (
            "Passwords",
            {
                "fields": (
                    "password_minimum_length",
                    "password_history",
                    "password_expires_days",
                    "password_grace_logins",
                )
            },
        ),
    )

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """There is nothing to choose from."""
        return HttpResponseRedirect(reverse("admin:identity_installation_change", args=[Installation.current().pk]))
