"""The audit trail: for reading."""

from typing import Any

from django.db.models import Q, QuerySet
from django.http import Http404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from identity.models import AuditEvent, User
from mfa.api.admin.base import AdminView, ListView, described, page_of
from mfa.api.admin.fields import PageQuery, TextField, WordField
from mfa.api.admin.paging import Order

_NEWEST = Order("audit-events", ("-pk",))
_SEARCHED = ("username", "actor_name", "client_id", "address", "request_ref")
_LIKE_IT_IS = {"outcome": "outcome", "client_id": "client_id", "actor": "actor_subject"}


class EventQuery(PageQuery):
    subject = serializers.UUIDField(required=False, help_text="Whose account.")
    event = TextField(max_length=64, required=False)
    outcome = WordField(("success", "refused"), required=False)
    client_id = TextField(max_length=255, required=False)
    actor = serializers.UUIDField(required=False, help_text="The subject of whoever acted.")
    since = serializers.DateTimeField(required=False)
    until = serializers.DateTimeField(required=False)
    search = TextField(
        max_length=64,
        default="",
        allow_blank=True,
        help_text="Part of a user name, an administrator's, a client, an address or a request reference.",
    )


class EventShown(serializers.Serializer[Any]):
    """One event, with the columns of docs/reference/audit-events.md."""

    id = serializers.IntegerField()
    at = serializers.DateTimeField()
    event = serializers.CharField()
    outcome = serializers.CharField()
    reason = serializers.CharField()
    subject = serializers.UUIDField(allow_null=True)
    username = serializers.CharField()
    actor_subject = serializers.UUIDField(allow_null=True)
    actor_name = serializers.CharField()
    client_id = serializers.CharField()
    authenticator = serializers.CharField()
    address = serializers.CharField()
    request_ref = serializers.CharField()
    trace_id = serializers.CharField()
    detail = serializers.JSONField()


class EventsView(ListView):
    row_shown = EventShown

    @described(
        "audit_events", "The audit trail, newest first", page_of(EventShown), refusals=(400,), parameters=[EventQuery]
    )
    def get(self, request: Request) -> Response:
        asked = self.asked(request, EventQuery)
        indexed = _indexed(asked)
        conditions = _conditions(asked)
        return self.listed(indexed.filter(*conditions), _NEWEST, asked, indexed if conditions else None)

    def rows_of(self, keys: list[Any]) -> dict[Any, AuditEvent]:
        return AuditEvent.objects.in_bulk(keys)


class OneEventView(AdminView):
    @described("audit_event", "One event", EventShown, refusals=(404,))
    def get(self, request: Request, pk: int) -> Response:
        event = AuditEvent.objects.filter(pk=pk).first()
        if event is None:
            raise Http404
        return Response(EventShown(event).data)


def _indexed(asked: dict[str, Any]) -> QuerySet[AuditEvent]:
    """What an index finds in the order of the list: a person's events, those of a kind, or all."""
    rows = AuditEvent.objects.all()
    if "event" in asked:
        rows = rows.filter(event=asked["event"])
    if "subject" in asked:
        person = User.objects.filter(subject=asked["subject"]).values_list("pk", flat=True).first()
        return rows.filter(user_id=person) if person is not None else rows.none()
    return rows


def _conditions(asked: dict[str, Any]) -> list[Q]:
    """What no index finds."""
    found = [Q(**{column: asked[name]}) for name, column in _LIKE_IT_IS.items() if name in asked]
    if "since" in asked:
        found.append(Q(at__gte=asked["since"]))
    if "until" in asked:
        found.append(Q(at__lt=asked["until"]))
    if search := asked["search"].strip():
        either = Q()
        for column in _SEARCHED:
            either |= Q(**{f"{column}__icontains": search})
        found.append(either)
    return found
