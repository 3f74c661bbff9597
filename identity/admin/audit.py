"""The audit trail: for reading."""

import json
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html

from identity.admin.panel import ReadOnlyAdmin
from identity.models import AuditEvent

_LONGEST_ID = 20


class When(admin.DateFieldListFilter):
    """The filter by date, under a name that reads well."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = "when"


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    list_display = ("when", "event", "what_came_of_it", "username", "actor_name", "client", "address")
    list_filter = ("outcome", ("at", When), "event")
    search_fields = ("username", "actor_name", "client_id", "address", "request_ref")
    search_help_text = "user, administrator, client, address or request reference"
    exclude = ("detail",)
    readonly_fields = ("facts",)

    @admin.display(description="when (UTC)", ordering="id")
    def when(self, event: AuditEvent) -> str:
        return f"{event.at:%Y-%m-%d %H:%M:%S}"

    @admin.display(description="outcome", ordering="outcome")
    def what_came_of_it(self, event: AuditEvent) -> str:
        return f"{event.outcome}: {event.reason}" if event.reason else event.outcome

    @admin.display(description="client", ordering="client_id")
    def client(self, event: AuditEvent) -> str:
        """Ids in Visual Guard's form are long, and differ at their end."""
        return event.client_id if len(event.client_id) <= _LONGEST_ID else f"…{event.client_id[-_LONGEST_ID:]}"

    @admin.display(description="detail")
    def facts(self, event: AuditEvent) -> str:
        return format_html("<pre>{}</pre>", json.dumps(event.detail, indent=2, ensure_ascii=False))

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """`user_id` is a plain column, so that a person's page can link to that person's events."""
        return lookup in ("user_id", "user_id__exact") or bool(super().lookup_allowed(lookup, value, request))

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> Any:
        found, _ = super().get_search_results(request, queryset, search_term)
        return found, False
