"""Clients. A secret is shown once, when it is made, and is nowhere to be read afterwards."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from identity.admin.panel import PanelAdmin, editor_of
from identity.flows import administration
from identity.flows.administration import Fault
from identity.flows.clients import new_client_id, set_grants
from identity.models import Client
from identity.models.client import DEFAULT_GRANT_TYPES, OWN_PAGES, GrantType
from identity.oauth.scopes import NOT_BY_DEFAULT, SCOPES
from identity.web.freshness import is_fresh, step_up_url


class ClientForm(forms.ModelForm):  # type: ignore[type-arg]
    grant_types = forms.MultipleChoiceField(
        choices=GrantType.choices, widget=forms.CheckboxSelectMultiple, initial=DEFAULT_GRANT_TYPES
    )
    scopes = forms.MultipleChoiceField(
        choices=[(name, f"{name} — {meaning}") for name, meaning in SCOPES.items()],
        widget=forms.CheckboxSelectMultiple,
        required=False,
        help_text=f"none chosen: every scope but {' and '.join(sorted(NOT_BY_DEFAULT))}",
    )
    confidential = forms.BooleanField(
        required=False,
        initial=True,
        help_text="make a secret, shown once on the next page; without it the client is public",
    )

    class Meta:
        model = Client
        fields = ("client_id", "name", "is_active", "grant_types", "scopes", "redirect_uris")
        widgets = {"redirect_uris": forms.Textarea(attrs={"rows": 3, "cols": 80})}
        help_texts = {"redirect_uris": "one a line: https, or http on localhost"}

    def clean_client_id(self) -> str:
        client_id: str = self.cleaned_data["client_id"]
        if fault := administration.fault_of_client_id(client_id):
            raise forms.ValidationError(fault)
        return client_id

    def clean_redirect_uris(self) -> str:
        found = administration.redirect_uris(self.cleaned_data["redirect_uris"].split())
        if isinstance(found, Fault):
            raise forms.ValidationError(found.sentence)
        return found

    def clean(self) -> dict[str, Any]:
        found: dict[str, Any] = super().clean() or self.cleaned_data
        grants = found.get("grant_types", [])
        public = self.instance.is_public if self.instance.pk else not found.get("confidential")
        faults = administration.faults_of_grants(grants, found.get("redirect_uris", ""), public=public)
        for field, sentence in faults.items():
            self.add_error(field, sentence)
        # The library's own checks, which come next, look at the column that this fills.
        set_grants(self.instance, grants)
        return found


@admin.register(Client)
class ClientAdmin(PanelAdmin):
    event = "client"
    form = ClientForm
    list_display = ("shown_name", "client_id", "kind", "grants", "is_active")
    list_filter = ("is_active", "client_type")
    search_fields = ("name", "client_id")
    change_form_template = "admin/identity/client/change_form.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Without the installation's own pages, which are nobody's to rename or to give a secret."""
        found: QuerySet[Any] = super().get_queryset(request).exclude(client_id=OWN_PAGES)
        return found

    def get_fields(self, request: HttpRequest, obj: Client | None = None) -> Any:
        fields = ["client_id", "name", "is_active", "grant_types", "scopes", "redirect_uris"]
        return [*fields, "kind"] if obj else [*fields, "confidential"]

    def get_readonly_fields(self, request: HttpRequest, obj: Client | None = None) -> list[str]:
        return ["client_id", "kind"] if obj else []

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"client_id": new_client_id()}

    def get_urls(self) -> list[URLPattern]:
        rotate = self.admin_site.admin_view(self.new_secret_view)
        return [path("<int:pk>/secret/", rotate, name="identity_client_secret"), *super().get_urls()]

    def save_model(self, request: HttpRequest, obj: Client, form: "forms.ModelForm[Client]", change: bool) -> None:
        if not change:
            # Kept on the object alone, from here to the page that shows it: never in a session or a message.
            obj.shown_once = administration.make_new_client_ready(  # type: ignore[attr-defined]
                obj, confidential=form.cleaned_data["confidential"]
            )
        super().save_model(request, obj, form, change)

    def response_add(self, request: HttpRequest, obj: Client, post_url_continue: str | None = None) -> HttpResponse:
        secret: str | None = getattr(obj, "shown_once", None)
        return (
            self._shown_once(request, obj, secret) if secret else super().response_add(request, obj, post_url_continue)
        )

    def new_secret_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask, then replace the secret: the old one is over at once."""
        client = self.get_object(request, str(pk))
        if client is None:
            return HttpResponseRedirect(reverse("admin:identity_client_changelist"))
        if not self.may_change(request, client):
            raise PermissionDenied
        if not is_fresh(request, timezone.now()):
            return HttpResponseRedirect(step_up_url(request.path))
        if request.method != "POST":
            return self._page(request, client, "new_secret.html", title="New secret")
        with transaction.atomic():
            secret = administration.replace_secret(client, editor_of(request))
        return self._shown_once(request, client, secret)

    def _shown_once(self, request: HttpRequest, client: Client, secret: str) -> HttpResponse:
        return self._page(request, client, "secret.html", title="The client's secret", secret=secret)

    def _page(self, request: HttpRequest, client: Client, template: str, **said: str) -> HttpResponse:
        context = self.admin_site.each_context(request) | {"client": client, "opts": self.opts, **said}
        return TemplateResponse(request, f"admin/identity/client/{template}", context)

    @admin.display(description="name", ordering="name")
    def shown_name(self, client: Client) -> str:
        return str(client)

    @admin.display(description="type", ordering="client_type")
    def kind(self, client: Client) -> str:
        return "public" if client.is_public else "confidential"

    @admin.display(description="grants")
    def grants(self, client: Client) -> str:
        return ", ".join(client.grant_types)
