"""Filters of the list of people, by MFA state."""

from typing import Any

from django.contrib.admin import SimpleListFilter
from django.db.models import Exists, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from identity.models.user import AdminRole
from mfa.admin import state


class _YesNo(SimpleListFilter):
    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Yes"), ("no", "No")]

    def condition(self) -> Q | Exists:
        raise NotImplementedError

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in ("yes", "no"):
            return queryset
        return queryset.filter(self.condition() if self.value() == "yes" else ~self.condition())


class Required(_YesNo):
    title, parameter_name = "second factor required", "required"

    def condition(self) -> Q:
        return state.required()


class Enrolled(_YesNo):
    title, parameter_name = "enrolled", "enrolled"

    def condition(self) -> Exists:
        return state.enrolled()


class Pending(_YesNo):
    title, parameter_name = "enrolment pending", "pending"

    def condition(self) -> Q:
        return state.pending(timezone.now())


class Locked(_YesNo):
    title, parameter_name = "locked", "locked"

    def condition(self) -> Q:
        return state.locked(timezone.now())


class Enabled(_YesNo):
    title, parameter_name = "enabled", "enabled"

    def condition(self) -> Q:
        return Q(is_active=True)


class Approved(_YesNo):
    title, parameter_name = "approved", "approved"

    def condition(self) -> Q:
        return Q(is_approved=True)


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
        condition = state.signed_in(self.value() or "", timezone.now())
        return queryset if condition is None else queryset.filter(condition)
