"""Filters of the list of people, by MFA state."""

from datetime import timedelta
from typing import Any, ClassVar

from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from identity.models.user import AdminRole


class _YesNo(SimpleListFilter):
    annotation: ClassVar[str]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Yes"), ("no", "No")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in ("yes", "no"):
            return queryset
        return queryset.filter(**{self.annotation: self.value() == "yes"})


class Required(_YesNo):
    title, parameter_name, annotation = "second factor required", "required", "is_required"


class Enrolled(_YesNo):
    title, parameter_name, annotation = "enrolled", "enrolled", "is_enrolled"


class Pending(_YesNo):
    title, parameter_name, annotation = "enrolment pending", "pending", "is_pending"


class Locked(_YesNo):
    title, parameter_name, annotation = "locked", "locked", "is_locked"


class Enabled(_YesNo):
    title, parameter_name, annotation = "enabled", "enabled", "is_active"


class Approved(_YesNo):
    title, parameter_name, annotation = "approved", "approved", "is_approved"


class Role(SimpleListFilter):
    title = "role"
    parameter_name = "role"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(role.value), role.label.partition(":")[0]) for role in AdminRole]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        roles = {str(role.value): role for role in AdminRole}
        chosen = roles.get(self.value() or "")
        return queryset if chosen is None else queryset.filter(admin_role=chosen)


class LastSignIn(SimpleListFilter):
    title = "last sign-in"
    parameter_name = "signed_in"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("1", "In the last day"),
            ("7", "In the last week"),
            ("30", "In the last 30 days"),
            ("older", "Longer ago"),
            ("never", "Never"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value, now = self.value(), timezone.now()
        if value == "never":
            return queryset.filter(last_login__isnull=True)
        if value == "older":
            return queryset.filter(last_login__lt=now - timedelta(days=30))
        if value in ("1", "7", "30"):
            return queryset.filter(last_login__gte=now - timedelta(days=int(value)))
        return queryset
