"""Messages on their way and over: where to and how it went, never what they say."""

from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from identity.models import User
from identity.primitives import masking
from mfa.api.admin.base import ListView, described, page_of
from mfa.api.admin.fields import PageQuery, WordField
from mfa.api.admin.paging import Order
from mfa.api.admin.people_documents import KindField
from mfa.models import Delivery
from mfa.models.authenticator import Kind
from mfa.models.delivery import DeliveryState
from mfa.primitives.destinations import country_code

# Each in the order of an index; a person's few are put in order when they are read.
_WAITING = Order("deliveries.waiting", ("next_attempt_at", "pk"))
_OVER = Order("deliveries.over", ("-finished_at", "-pk"))
_OF_A_PERSON = Order("deliveries.person", ("-created_at", "-pk"))


class DeliveryQuery(PageQuery):
    subject = serializers.UUIDField(required=False, help_text="To whom; the newest first.")
    state = WordField(
        DeliveryState.values,
        required=False,
        help_text="waiting: the next to be sent first. Without a state or a person: all that are over, the last first.",
    )


class DeliveryShown(serializers.Serializer[Any]):
    """One message. What it says is sealed, and wiped once it is over."""

    id = serializers.UUIDField()
    subject = serializers.UUIDField(source="user.subject")
    username = serializers.CharField(source="user.username")
    kind = KindField()
    template = serializers.CharField()
    language = serializers.CharField()
    destination = serializers.SerializerMethodField(help_text="Masked.")
    state = serializers.CharField()
    attempts = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    not_after = serializers.DateTimeField(allow_null=True)
    next_attempt_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)
    last_error = serializers.CharField()

    def get_destination(self, row: Delivery) -> str:
        if row.kind == Kind.EMAIL:
            return masking.mask_email(row.destination)
        return masking.mask_phone(row.destination, country_code(row.destination))


class DeliveriesView(ListView):
    row_shown = DeliveryShown

    @described("deliveries", "Messages", page_of(DeliveryShown), refusals=(400,), parameters=[DeliveryQuery])
    def get(self, request: Request) -> Response:
        asked = self.asked(request, DeliveryQuery)
        state = {"state": asked["state"]} if "state" in asked else {}
        if "subject" in asked:
            rows = Delivery.objects.filter(user__in=User.objects.filter(subject=asked["subject"]).values("pk"))
            return self.listed(rows.filter(**state), _OF_A_PERSON, asked)
        if asked.get("state") == DeliveryState.WAITING:
            return self.listed(Delivery.objects.filter(**state), _WAITING, asked)
        over: QuerySet[Delivery] = Delivery.objects.filter(finished_at__isnull=False)
        return self.listed(over.filter(**state), _OVER, asked, over if state else None)

    def rows_of(self, keys: list[Any]) -> dict[Any, Delivery]:
        return Delivery.objects.select_related("user").defer("sealed_context").in_bulk(keys)
