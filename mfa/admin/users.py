"""People: their account, their MFA state, and the acts on them."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from identity.admin.panel import PanelAdmin, actor_of, editor_of
from identity.api.addresses import client_address
from identity.flows import accounts
from identity.flows.administration import lock_both
from identity.models import User
from identity.models.user import AdminRole
from identity.web.freshness import is_fresh, step_up_url
from identity.web.rights import Right, may, roles_to_give
from mfa.admin import filters
from mfa.admin.acts import ACTS, Act, Deed, ReasonForm
from mfa.admin.inlines import AuthenticatorInline, SessionInline
from mfa.admin.state import explain, is_large, starting_with, with_state
from mfa.admin.user_form import UserForm
from mfa.flows import administration
from mfa.models.authenticator import Kind
from mfa.models.recovery_code import RecoveryCode
from mfa.outcomes import Origin

_KIND_NAMES = {Kind.APP: "app", Kind.EMAIL: "e-mail", Kind.SMS: "SMS"}


@admin.register(User)
class UserAdmin(PanelAdmin):
    event = "user"
    changing_right = Right.MANAGE_PEOPLE
    form = UserForm
    list_display = ("name", "email", "required", "enrolled", "pending", "locked", "last_sign_in", "role")
    list_filter = (
        filters.Required,
        filters.Enrolled,
        filters.Pending,
        filters.Locked,
        filters.LastSignIn,
        filters.Enabled,
        filters.Approved,
        filters.Role,
    )
    search_fields = ("username_key", "email", "mobile_phone")
    search_help_text = "the start of a user name, an e-mail address or a number"
    inlines = (AuthenticatorInline, SessionInline)
    change_form_template = "admin/identity/user/change_form.html"
    readonly_fields = (
        "subject",
        "email_verified_at",
        "mobile_verified_at",
        "locked_by_administrator_at",
        "password_changed_at",
        "last_login",
        "created_at",
        "recovery_codes_left",
        "policy_in_force",
    )
    fieldsets = (
        (
            None,
            {"fields": ("username", "email", "email_verified_at", "mobile_phone", "mobile_verified_at", "language")},
        ),
        ("Second factor", {"fields": ("policy_in_force", "recovery_codes_left")}),
        (
            "State",
            {
                "fields": (
                    ("is_approved", "is_active"),
                    "start_date",
                    "end_date",
                    "locked_by_administrator_at",
                    "must_change_password",
                    "password_changed_at",
                    "last_login",
                    "created_at",
                    "subject",
                )
            },
        ),
        ("Roles", {"fields": ("groups", "all_clients", "clients", "admin_role")}),
    )

    def described(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        return with_state(rows, timezone.now()).prefetch_related("authenticators")

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """By name. Where two big tables are compared, in the order of both their indexes: the newest first."""
        compares = {"enrolled", "signed_in"} & request.GET.keys()
        return ("-pk",) if compares and is_large() else ("username_key",)

    def get_sortable_by(self, request: HttpRequest) -> Any:
        """A million are sorted by name alone: another index would be written with each sign-in."""
        return ("name",) if is_large() else super().get_sortable_by(request)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """By prefix: each of the three has an index for that, and none has one for what stands in the middle."""
        return (queryset.filter(starting_with(search_term)) if search_term.strip() else queryset), False

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        return self.fieldsets if obj else (self.fieldsets[0], self.fieldsets[-1])

    def get_inlines(self, request: HttpRequest, obj: User | None) -> Any:
        return self.inlines if obj else ()

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        return self.readonly_fields

    def formfield_for_choice_field(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Nobody gives a role that is not his to give; the form refuses every other number."""
        if db_field.name == "admin_role":
            kwargs["choices"] = [(role.value, role.label) for role in roles_to_give(actor_of(request))]
        return super().formfield_for_choice_field(db_field, request, **kwargs)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.act_view)
        return [path("<int:pk>/act/<slug:name>/", view, name="identity_user_act"), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        person = self.get_object(request, object_id)
        acts = {
            name: act for name, act in ACTS.items() if person is not None and may(actor_of(request), act.right, person)
        }
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), "acts": acts})

    def save_model(self, request: HttpRequest, obj: User, form: "forms.ModelForm[User]", change: bool) -> None:
        if not change:
            obj.set_unusable_password()
        if change:
            _, person = _under_lock(request, obj.pk, Right.MANAGE_PEOPLE)
            # What the page does not change may have changed meanwhile: a lock, for one.
            for field in User._meta.concrete_fields:
                if field.name not in form.changed_data:
                    setattr(obj, field.attname, getattr(person, field.attname))
        super().save_model(request, obj, form, change)
        if change:
            was = {name: form.initial.get(name) for name in form.changed_data}
            administration.follow_up(obj, was, editor_of(request), timezone.now())

    def act_view(self, request: HttpRequest, pk: int, name: str) -> HttpResponse:
        """Ask for the reason, then act. The rule is looked at again under the lock that the act is done in."""
        act, now = ACTS.get(name), timezone.now()
        person = User.objects.filter(pk=pk).first()
        if act is None or person is None:
            raise Http404
        if not may(actor_of(request), act.right, person):
            raise PermissionDenied
        if not is_fresh(request, now):
            return HttpResponseRedirect(step_up_url(request.path))
        form = ReasonForm(request.POST if request.method == "POST" else None)
        if not form.is_valid():
            return self._act_page(request, person, act, "act.html", form=form)
        with transaction.atomic():
            actor, person = _under_lock(request, pk, act.right)
            origin = Origin(client_address(request), request.headers.get("User-Agent", "")[:200])
            shown = act.carry_out(Deed(person, actor, form.cleaned_data["reason"], origin, now))
        if shown:
            return self._act_page(request, person, act, "shown_once.html", shown=shown)
        messages.success(request, act.done)
        return HttpResponseRedirect(reverse("admin:identity_user_change", args=[pk]))

    def _act_page(self, request: HttpRequest, person: User, act: Act, template: str, **said: Any) -> HttpResponse:
        context = self.admin_site.each_context(request) | {
            "title": f"{act.title}: {person}",
            "person": person,
            "act": act,
            "opts": self.opts,
            **said,
        }
        return TemplateResponse(request, f"admin/identity/user/{template}", context)

    @admin.display(description="username", ordering="username_key")
    def name(self, person: User) -> str:
        return person.username

    @admin.display(description="MFA")
    def required(self, person: Any) -> str:
        return "required" if person.is_required else "—"

    @admin.display(description="enrolled")
    def enrolled(self, person: User) -> str:
        held = [row for row in person.authenticators.all() if row.disabled_at is None]
        return ", ".join(sorted({_KIND_NAMES[Kind(row.kind)] for row in held})) or "—"

    @admin.display(description="pending")
    def pending(self, person: Any) -> str:
        return "enrolling now" if person.is_pending else "—"

    @admin.display(description="locked")
    def locked(self, person: Any) -> str:
        if person.locked_by_administrator_at:
            return "by an administrator"
        return "by wrong passwords" if person.is_locked else "—"

    @admin.display(description="last sign-in", ordering="last_login")
    def last_sign_in(self, person: User) -> str:
        return f"{person.last_login:%Y-%m-%d %H:%M}" if person.last_login else "never"

    @admin.display(description="role", ordering="admin_role")
    def role(self, person: User) -> str:
        return AdminRole(person.admin_role).label.partition(":")[0] if person.admin_role else "—"

    @admin.display(description="recovery codes")
    def recovery_codes_left(self, person: User) -> str:
        left = RecoveryCode.objects.filter(set__user=person, spent_at__isnull=True).count()
        return f"{left} left" if hasattr(person, "recovery_codes") else "none made"

    @admin.display(description="policy in force")
    def policy_in_force(self, person: User) -> str:
        return render_to_string("admin/identity/user/policy.html", {"policies": explain(person)})


def _under_lock(request: HttpRequest, pk: int, right: Right) -> tuple[User, User]:
    """Who acts and on whom: whoever acts has lost neither role nor account, and the person has got no higher one."""
    actor, person = lock_both(actor_of(request).pk, pk)
    if not may(actor, right, person) or accounts.states(actor, None, timezone.now()):
        raise PermissionDenied
    return actor, person
