"""What every page of the panel has in common: rights on each verb, a fresh second factor, and the audit trail."""

from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern
from django.utils import timezone

from identity.admin.paging import BoundedChangeList
from identity.api.addresses import client_address
from identity.flows import administration
from identity.flows.administration import Editor
from identity.models import User
from identity.web.freshness import is_fresh, step_up_url
from identity.web.rights import Right, may

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
    _TabularInline = admin.TabularInline[Any, Any]
else:  # Django's classes take no parameters while they run.
    _ModelAdmin, _TabularInline = admin.ModelAdmin, admin.TabularInline


class _Moment(forms.DateTimeInput):
    """Date and time in one field. The panel's instants are UTC."""

    input_type = "datetime-local"

    def __init__(self) -> None:
        super().__init__(attrs={"step": "1"}, format="%Y-%m-%dT%H:%M:%S")


def actor_of(request: HttpRequest) -> User:
    """Who acts. The site lets nobody in who is not signed in."""
    assert isinstance(request.user, User)  # noqa: S101
    return request.user


def editor_of(request: HttpRequest) -> Editor:
    """Who edits, and from where."""
    return Editor(actor_of(request), client_address(request), "panel")


class PanelAdmin(_ModelAdmin):
    """Reading for whoever enters; changing for `changing_right` and a fresh second factor; no deletion unless said.

    The site registers no other kind of page, so that no library's own comes in by itself.
    """

    changing_right: ClassVar[Right] = Right.CONFIGURE
    event: ClassVar[str] = ""
    may_add: ClassVar[bool] = True
    may_delete: ClassVar[bool] = False
    # Plain fields of the browser: each has one label, and none needs a script.
    formfield_overrides: ClassVar[dict[Any, dict[str, Any]]] = {
        models.DateTimeField: {"form_class": forms.DateTimeField, "widget": _Moment},
        models.ManyToManyField: {"widget": forms.CheckboxSelectMultiple},
    }
    # Bulk acts would pass by the rule for each object.
    actions = None
    list_per_page = 50
    view_on_site = False
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # Each would count a whole table.

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[BoundedChangeList]:
        return BoundedChangeList

    def described(self, rows: "models.QuerySet[Any]") -> "models.QuerySet[Any]":
        """The rows of one page of the list, with what its columns show besides."""
        return rows

    def may_change(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether the role allows a change of this very object."""
        return may(actor_of(request), self.changing_right, obj if isinstance(obj, User) else None)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return may(actor_of(request), Right.READ)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(actor_of(request), Right.READ)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may_change(request, obj) and is_fresh(request, timezone.now())

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.may_add and self.has_change_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.may_delete and self.has_change_permission(request, obj)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """A change that comes too late after the sign-in is not refused but led to the second factor."""
        if request.method == "POST" and self.may_change(request) and not is_fresh(request, timezone.now()):
            return HttpResponseRedirect(step_up_url(request.get_full_path()))
        said = {"show_save_and_add_another": False, **(extra_context or {})}
        return super().changeform_view(request, object_id, form_url, said)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Without the small windows that edit other tables from within a form: each page has its own rights."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and isinstance(field.widget, RelatedFieldWidgetWrapper):
            for link in ("can_add_related", "can_change_related", "can_delete_related", "can_view_related"):
                setattr(field.widget, link, False)
        return field

    def get_urls(self) -> list[URLPattern]:
        """Without the history of Django's own log: the audit trail tells more, and cannot be edited."""
        return [url for url in super().get_urls() if not (url.name or "").endswith("_history")]

    def save_model(self, request: HttpRequest, obj: Any, form: "forms.ModelForm[Any]", change: bool) -> None:
        super().save_model(request, obj, form, change)
        fields = sorted(form.changed_data)
        if fields or not change:
            self.record(request, obj, "changed" if change else "created", {"fields": fields})

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        self.record(request, obj, "removed", {})
        super().delete_model(request, obj)

    def record(self, request: HttpRequest, obj: models.Model, what: str, detail: dict[str, Any]) -> None:
        """One event of the audit trail, in the transaction of the change."""
        administration.record(self.event, what, obj, editor_of(request), **detail)

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Nothing: Django's log is a table that anybody with the database can edit; `record` writes the trail."""

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Nothing, as above."""

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """Nothing, as above."""


class ReadOnlyAdmin(PanelAdmin):
    """Pages on which nobody changes anything."""

    may_add = False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyInline(_TabularInline):
    """Rows below a page, for reading."""

    extra = 0
    can_delete = False
    show_change_link = False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(actor_of(request), Right.READ)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def moment(instant: datetime | None) -> str:
    """An instant as the panel shows it."""
    return f"{instant:%Y-%m-%d %H:%M}" if instant else "never"
