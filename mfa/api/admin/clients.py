"""Clients. A secret is in one answer, the one that makes it, and in no other."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.http import Http404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from identity.flows import administration
from identity.flows.administration import Fault
from identity.flows.clients import new_client_id, set_grants
from identity.models import Client
from identity.models.client import DEFAULT_GRANT_TYPES, OWN_PAGES, GrantType
from identity.oauth.scopes import NOT_BY_DEFAULT, SCOPES
from mfa.api.admin.base import AdminView, ListView, configuring, described, page_of
from mfa.api.admin.fields import PageQuery, TextField, WordField, WordsField, refuse
from mfa.api.admin.paging import Order

_BY_NUMBER = Order("clients", ("pk",))
_KINDS = {"public": Client.CLIENT_PUBLIC, "confidential": Client.CLIENT_CONFIDENTIAL}


class ClientQuery(PageQuery):
    search = TextField(max_length=255, default="", allow_blank=True, help_text="Part of the name or of the id.")
    client_id = TextField(max_length=255, required=False, help_text="This very one.")
    is_active = serializers.BooleanField(required=False)
    type = WordField(_KINDS, required=False)


class ClientShown(serializers.Serializer[Any]):
    """A client. Its secret is nowhere."""

    id = serializers.IntegerField()
    client_id = serializers.CharField()
    name = serializers.CharField()
    type = serializers.SerializerMethodField(help_text="public or confidential.")
    is_active = serializers.BooleanField()
    grant_types = serializers.ListField(child=serializers.CharField())
    scopes = serializers.ListField(
        child=serializers.CharField(), help_text=f"Empty: every scope but {' and '.join(sorted(NOT_BY_DEFAULT))}."
    )
    redirect_uris = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField(source="created")

    def get_type(self, client: Client) -> str:
        return "public" if client.is_public else "confidential"

    def get_redirect_uris(self, client: Client) -> list[str]:
        return str(client.redirect_uris).split()


class ClientMade(ClientShown):
    """With the secret, which is shown this once."""

    client_secret = serializers.CharField(
        source="shown_once", allow_null=True, help_text="null for a public client. Keep it: it is never shown again."
    )


class SecretMade(serializers.Serializer[Any]):
    """The secret, which is shown this once."""

    client_id = serializers.CharField()
    client_secret = serializers.CharField()


class ClientChange(serializers.Serializer[Any]):
    """What may be written of a client that there is."""

    name = TextField(max_length=255, allow_blank=True, required=False)
    is_active = serializers.BooleanField(required=False)
    grant_types = WordsField(GrantType.values, required=False, allow_empty=False)
    scopes = WordsField(SCOPES, required=False)
    redirect_uris = serializers.ListField(
        child=TextField(max_length=2000), required=False, help_text="Each https, or http on localhost."
    )

    def validate_redirect_uris(self, uris: list[str]) -> str:
        found = administration.redirect_uris(uris)
        if isinstance(found, Fault):
            raise serializers.ValidationError(found.sentence)
        return found


class ClientGiven(ClientChange):
    """What may be written of a new one."""

    client_id = TextField(max_length=255, required=False, help_text="Left out: one in Visual Guard's form is made.")
    confidential = serializers.BooleanField(default=True, help_text="Whether a secret is made.")

    def validate_client_id(self, client_id: str) -> str:
        if fault := administration.fault_of_client_id(client_id):
            raise serializers.ValidationError(fault)
        if Client.objects.filter(client_id=client_id).exists():
            raise serializers.ValidationError("There is a client of this id.")
        return client_id


class ClientsView(ListView):
    row_shown = ClientShown

    @described("clients", "Clients", page_of(ClientShown), refusals=(400,), parameters=[ClientQuery])
    def get(self, request: Request) -> Response:
        asked = self.asked(request, ClientQuery)
        rows, search = _clients(), asked["search"].strip()
        if search:
            rows = rows.filter(Q(name__icontains=search) | Q(client_id__icontains=search))
        exact: dict[str, Any] = {name: asked[name] for name in ("client_id", "is_active") if name in asked}
        if "type" in asked:
            exact["client_type"] = _KINDS[asked["type"]]
        return self.listed(rows.filter(**exact), _BY_NUMBER, asked)

    @described("create_client", "Make a client", ClientMade, status=201, refusals=(400, 409), request=ClientGiven)
    @configuring
    def post(self, request: Request) -> Response:
        given = {"grant_types": list(DEFAULT_GRANT_TYPES), **self.given(request, ClientGiven)}
        client: Any = Client(client_id=given.pop("client_id", "") or new_client_id())
        client.shown_once = administration.make_new_client_ready(client, confidential=given.pop("confidential"))
        _write(client, given)
        client.save()
        administration.record("client", "created", client, self.asking.editor, fields=sorted(given))
        return Response(ClientMade(client).data, status=201)

    def rows_of(self, keys: list[Any]) -> dict[Any, Client]:
        return _clients().in_bulk(keys)


class OneClientView(AdminView):
    @described("client", "A client", ClientShown, refusals=(404,))
    def get(self, request: Request, pk: int) -> Response:
        return Response(ClientShown(_client(pk)).data)

    @described("change_client", "Change some members", ClientShown, refusals=(400, 404, 409), request=ClientChange)
    @configuring
    def patch(self, request: Request, pk: int) -> Response:
        client = _client(pk, locked=True)
        given = self.given(request, ClientChange, partial=True)
        changed = [name for name, value in given.items() if getattr(client, name) != value]
        _write(client, given)
        if changed:
            client.save(update_fields=[*changed, "authorization_grant_type", "updated"])
            administration.record("client", "changed", client, self.asking.editor, fields=sorted(changed))
        return Response(ClientShown(client).data)


class ClientSecretView(AdminView):
    @described(
        "replace_client_secret",
        "A new secret",
        SecretMade,
        refusals=(404,),
        request=None,
        description="The old one is over at once; a public client becomes a confidential one.",
    )
    @configuring
    def post(self, request: Request, pk: int) -> Response:
        client = _client(pk, locked=True)
        secret = administration.replace_secret(client, self.asking.editor)
        return Response({"client_id": client.client_id, "client_secret": secret})


def _clients() -> QuerySet[Client]:
    """Without the installation's own pages, which are nobody's to rename or to give a secret."""
    found: QuerySet[Client] = Client.objects.exclude(client_id=OWN_PAGES)
    return found


def _client(pk: int, *, locked: bool = False) -> Client:
    found = _clients().filter(pk=pk)
    client = (found.select_for_update(no_key=True) if locked else found).first()
    if client is None:
        raise Http404
    return client


def _write(client: Client, given: dict[str, Any]) -> None:
    """Put what is given into the client, or refuse it; the caller saves."""
    for name, value in given.items():
        setattr(client, name, value)
    set_grants(client, list(client.grant_types))
    faults = administration.faults_of_grants(client.grant_types, client.redirect_uris, public=client.is_public)
    if faults:
        refuse(faults)
    try:
        client.clean()
    except ValidationError:
        # The library's own rules about addresses; their sentences repeat what was sent.
        refuse({"redirect_uris": "Each address must be an absolute URI without wildcards."})
