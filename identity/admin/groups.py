"""Groups."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from identity.admin.panel import PanelAdmin
from identity.models import Group


@admin.register(Group)
class GroupAdmin(PanelAdmin):
    event = "group"
    may_delete = True
    list_display = ("name", "all_clients", "member_count")
    search_fields = ("name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        found: QuerySet[Any] = super().get_queryset(request).annotate(member_count=Count("members"))
        return found

    @admin.display(description="members", ordering="member_count")
    def member_count(self, group: Any) -> int:
        return int(group.member_count)
