"""What belongs to a person, below that person's page. Nothing here is edited, and no secret is among the columns."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from identity.admin.panel import ReadOnlyInline, moment
from identity.models import Session
from mfa.flows.answers import display
from mfa.models.authenticator import Authenticator

_SESSIONS_SHOWN = 20


class AuthenticatorInline(ReadOnlyInline):
    model = Authenticator
    fields = readonly_fields = ("what", "where", "created", "confirmed", "last_used", "state")
    verbose_name_plural = "authenticators"

    @admin.display(description="kind")
    def what(self, row: Authenticator) -> str:
        return f"{row.get_kind_display()}, {row.label}" if row.label else row.get_kind_display()

    @admin.display(description="goes to")
    def where(self, row: Authenticator) -> str:
        return display(row) if row.destination else "—"

    @admin.display(description="created")
    def created(self, row: Authenticator) -> str:
        return moment(row.created_at)

    @admin.display(description="confirmed")
    def confirmed(self, row: Authenticator) -> str:
        return moment(row.confirmed_at)

    @admin.display(description="last used")
    def last_used(self, row: Authenticator) -> str:
        return moment(row.last_used_at)

    @admin.display(description="state")
    def state(self, row: Authenticator) -> str:
        if row.disabled_at:
            return f"disabled since {moment(row.disabled_at)}: too many wrong codes"
        if row.rest_until and row.is_resting(timezone.now()):
            return f"rests until {row.rest_until:%H:%M:%S}, {row.failures} wrong codes"
        return f"good, {row.failures} wrong codes" if row.failures else "good"


class SessionInline(ReadOnlyInline):
    model = Session
    classes = ("collapse",)
    fields = readonly_fields = ("client", "how", "address", "user_agent", "signed_in", "last_used", "ended")
    verbose_name_plural = f"the last {_SESSIONS_SHOWN} sessions"
    ordering = ("-auth_time",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """The newest of the person whose page it is: a busy account has thousands."""
        rows = super().get_queryset(request).select_related("client")
        match = request.resolver_match
        person = match.kwargs.get("object_id") if match else None
        if person is None or not str(person).isdecimal():
            return rows.none()
        newest = Session.objects.filter(user_id=int(person)).order_by("-auth_time").values("pk")[:_SESSIONS_SHOWN]
        return rows.filter(pk__in=list(newest.values_list("pk", flat=True)))

    @admin.display(description="proved by")
    def how(self, row: Session) -> str:
        return row.amr

    @admin.display(description="signed in")
    def signed_in(self, row: Session) -> str:
        return moment(row.auth_time)

    @admin.display(description="last used")
    def last_used(self, row: Session) -> str:
        return moment(row.last_used_at)

    @admin.display(description="ended")
    def ended(self, row: Session) -> str:
        return f"{moment(row.ended_at)}, {row.end_reason}" if row.ended_at else "—"
