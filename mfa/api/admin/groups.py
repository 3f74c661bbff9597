"""Groups."""

from typing import Any

from django.db.models import Count, QuerySet
from django.http import Http404, HttpResponse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from identity.flows import administration
from identity.models import Group
from mfa.api.admin.base import AdminView, ListView, configuring, described, page_of
from mfa.api.admin.fields import ClientsField, PageQuery, TextField
from mfa.api.admin.paging import Order

_BY_NUMBER = Order("groups", ("pk",))


class GroupQuery(PageQuery):
    search = TextField(max_length=150, default="", allow_blank=True, help_text="Part of the name.")


class GroupShown(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    all_clients = serializers.BooleanField()
    clients = ClientsField()
    member_count = serializers.IntegerField()


class GroupGiven(serializers.Serializer[Any]):
    """What may be written of a group; `group` in the context is the one that there is."""

    name = TextField(max_length=150)
    all_clients = serializers.BooleanField(required=False, help_text="Members have a role in every client.")
    clients = ClientsField(required=False)

    def validate_name(self, name: str) -> str:
        group: Group | None = self.context.get("group")
        taken = Group.objects.filter(name=name)
        if (taken.exclude(pk=group.pk) if group else taken).exists():
            raise serializers.ValidationError("There is a group of this name.")
        return name


class GroupsView(ListView):
    row_shown = GroupShown

    @described("groups", "Groups", page_of(GroupShown), refusals=(400,), parameters=[GroupQuery])
    def get(self, request: Request) -> Response:
        asked = self.asked(request, GroupQuery)
        rows, search = Group.objects.all(), asked["search"].strip()
        return self.listed(rows.filter(name__icontains=search) if search else rows, _BY_NUMBER, asked)

    @described("create_group", "Make a group", GroupShown, status=201, refusals=(400, 409), request=GroupGiven)
    @configuring
    def post(self, request: Request) -> Response:
        given = self.given(request, GroupGiven)
        group = Group.objects.create(**{name: value for name, value in given.items() if name != "clients"})
        group.clients.set(given.get("clients", []))
        administration.record("group", "created", group, self.asking.editor, fields=sorted(given))
        return Response(GroupShown(_described().get(pk=group.pk)).data, status=201)

    def rows_of(self, keys: list[Any]) -> dict[Any, Group]:
        return _described().in_bulk(keys)


class OneGroupView(AdminView):
    @described("group", "A group", GroupShown, refusals=(404,))
    def get(self, request: Request, pk: int) -> Response:
        return _shown(pk)

    @described("change_group", "Change some members", GroupShown, refusals=(400, 404, 409), request=GroupGiven)
    @configuring
    def patch(self, request: Request, pk: int) -> Response:
        group = _locked(pk)
        given = self.given(request, GroupGiven, partial=True, context={"group": group})
        columns = given.keys() - {"clients"}
        changed = [name for name in columns if getattr(group, name) != given[name]]
        for name in changed:
            setattr(group, name, given[name])
        if changed:
            group.save(update_fields=changed)
        if "clients" in given and set(group.clients.all()) != set(given["clients"]):
            group.clients.set(given["clients"])
            changed.append("clients")
        if changed:
            administration.record("group", "changed", group, self.asking.editor, fields=sorted(changed))
        return _shown(pk)

    @described(
        "remove_group", "Delete a group", None, status=204, refusals=(404,), description="Its policy goes with it."
    )
    @configuring
    def delete(self, request: Request, pk: int) -> HttpResponse:
        group = _locked(pk)
        administration.record("group", "removed", group, self.asking.editor)
        group.delete()
        return HttpResponse(status=204)


def _described() -> QuerySet[Group]:
    return Group.objects.annotate(member_count=Count("members")).prefetch_related("clients")


def _locked(pk: int) -> Group:
    group = Group.objects.select_for_update().filter(pk=pk).first()
    if group is None:
        raise Http404
    return group


def _shown(pk: int) -> Response:
    group = _described().filter(pk=pk).first()
    if group is None:
        raise Http404
    return Response(GroupShown(group).data)
