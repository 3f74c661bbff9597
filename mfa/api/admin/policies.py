"""MFA policies: of the installation, of clients, of groups."""

from typing import Any

from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from identity.flows.administration import record
from identity.models import Client, Group, Installation
from identity.models.client import OWN_PAGES
from mfa.api.admin.base import AdminView, ListView, configuring, described, page_of
from mfa.api.admin.fields import PageQuery, TextField, WordField, WordsField, refuse
from mfa.api.admin.paging import Order
from mfa.flows import administration
from mfa.models import MfaPolicy
from mfa.models.policy import FirstEnrolment, Mode, every_transport

_BY_NUMBER = Order("policies", ("pk",))
_SUBJECTS = ("installation", "client", "group")
_MOST = 2**31 - 1


class PolicyQuery(PageQuery):
    mode = WordField(Mode.values, required=False)
    first_enrolment = WordField(FirstEnrolment.values, required=False)


class PolicyShown(serializers.Serializer[Any]):
    """A policy belongs to the installation, to one client or to one group."""

    id = serializers.IntegerField()
    installation = serializers.SerializerMethodField()
    client = serializers.CharField(source="client.client_id", allow_null=True, default=None, help_text="A client_id.")
    group = serializers.CharField(source="group.name", allow_null=True, default=None, help_text="A name.")
    mode = serializers.CharField()
    transports = serializers.ListField(child=serializers.CharField())
    grace_logins = serializers.IntegerField()
    remember_days = serializers.IntegerField()
    first_enrolment = serializers.CharField()
    enrolment_url = serializers.CharField()

    def get_installation(self, policy: MfaPolicy) -> bool:
        return policy.installation_id is not None


class PolicyGiven(serializers.Serializer[Any]):
    """What may be written; exactly one of installation, client and group is set."""

    installation = serializers.BooleanField(required=False)
    client = TextField(max_length=255, required=False, allow_null=True, help_text="A client_id.")
    group = TextField(max_length=150, required=False, allow_null=True, help_text="A name.")
    mode = WordField(Mode.values, required=False)
    transports = WordsField(every_transport(), required=False)
    grace_logins = serializers.IntegerField(min_value=0, max_value=_MOST, required=False)
    remember_days = serializers.IntegerField(min_value=0, max_value=365, required=False)
    first_enrolment = WordField(FirstEnrolment.values, required=False)
    enrolment_url = serializers.URLField(max_length=200, allow_blank=True, required=False)

    def validate_installation(self, chosen: bool) -> Installation | None:
        return Installation.current() if chosen else None

    def validate_client(self, client_id: str | None) -> Client | None:
        return _named(Client.objects.exclude(client_id=OWN_PAGES), client_id=client_id) if client_id else None

    def validate_group(self, name: str | None) -> Group | None:
        return _named(Group.objects.all(), name=name) if name else None


class PoliciesView(ListView):
    row_shown = PolicyShown

    @described("policies", "MFA policies", page_of(PolicyShown), refusals=(400,), parameters=[PolicyQuery])
    def get(self, request: Request) -> Response:
        asked = self.asked(request, PolicyQuery)
        exact = {name: asked[name] for name in ("mode", "first_enrolment") if name in asked}
        return self.listed(MfaPolicy.objects.filter(**exact), _BY_NUMBER, asked)

    @described("create_policy", "Make a policy", PolicyShown, status=201, refusals=(400, 409), request=PolicyGiven)
    @configuring
    def post(self, request: Request) -> Response:
        policy = MfaPolicy()
        given = self.given(request, PolicyGiven)
        _write(policy, given)
        policy.save()
        record("policy", "created", policy, self.asking.editor, fields=sorted(given))
        return Response(PolicyShown(policy).data, status=201)

    def rows_of(self, keys: list[Any]) -> dict[Any, MfaPolicy]:
        return _policies().in_bulk(keys)


class OnePolicyView(AdminView):
    @described("policy", "A policy", PolicyShown, refusals=(404,))
    def get(self, request: Request, pk: int) -> Response:
        policy = _policies().filter(pk=pk).first()
        if policy is None:
            raise Http404
        return Response(PolicyShown(policy).data)

    @described("change_policy", "Change some members", PolicyShown, refusals=(400, 404, 409), request=PolicyGiven)
    @configuring
    def patch(self, request: Request, pk: int) -> Response:
        policy = _locked(pk)
        given = self.given(request, PolicyGiven, partial=True)
        changed = [name for name, value in given.items() if getattr(policy, name) != value]
        _write(policy, given)
        if changed:
            policy.save(update_fields=changed)
            record("policy", "changed", policy, self.asking.editor, fields=sorted(changed))
        return Response(PolicyShown(policy).data)

    @described("remove_policy", "Delete a policy", None, status=204, refusals=(404,))
    @configuring
    def delete(self, request: Request, pk: int) -> HttpResponse:
        policy = _locked(pk)
        record("policy", "removed", policy, self.asking.editor)
        policy.delete()
        return HttpResponse(status=204)


def _policies() -> QuerySet[MfaPolicy]:
    return MfaPolicy.objects.select_related("client", "group")


def _locked(pk: int) -> MfaPolicy:
    policy = _policies().select_for_update(of=("self",)).filter(pk=pk).first()
    if policy is None:
        raise Http404
    return policy


def _named(rows: QuerySet[Any], **name: str) -> Any:
    found = rows.filter(**name).first()
    if found is None:
        raise serializers.ValidationError("There is none of this name.")
    return found


def _write(policy: MfaPolicy, given: dict[str, Any]) -> None:
    """Put what is given into the policy, or refuse it; the caller saves."""
    for name, value in given.items():
        setattr(policy, name, value)
    subjects = {name: getattr(policy, name) for name in _SUBJECTS}
    if fault := administration.fault_of_subjects(subjects.values()):
        refuse({"": fault})
    if fault := administration.fault_of_transports(policy.mode, policy.transports):
        refuse({"transports": fault})
    for name, subject in subjects.items():
        if subject and MfaPolicy.objects.filter(**{name: subject}).exclude(pk=policy.pk).exists():
            refuse({name: "It has a policy already."})
