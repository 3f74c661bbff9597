"""The panel: nobody enters it on a password alone, and nothing is in it that was not put there on purpose."""

from collections.abc import Callable
from functools import update_wrapper
from typing import Any

from django.conf import settings
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, reverse
from django.utils import timezone, translation
from django.utils.http import url_has_allowed_host_and_scheme, urlencode

_NOT_OURS = {"password_change", "password_change_done", "view_on_site", "autocomplete"}
_NAMES = {
    "User": "People",
    "Group": "Groups",
    "Client": "Clients",
    "MfaPolicy": "MFA policies",
    "Installation": "Rules about passwords and lockout",
    "AuditEvent": "Audit trail",
    "KeyRotation": "Keys",
}


class StepwardAdminSite(AdminSite):
    """Django's admin behind password and second factor, for accounts with a role."""

    site_header = "Stepward"
    site_title = "Stepward"
    index_title = "Administration"
    site_url = "/account/"
    enable_nav_sidebar = False

    def has_permission(self, request: HttpRequest) -> bool:
        """A role, an account that is open now, and a session that the second factor opened (A28)."""
        from identity.flows import accounts
        from identity.models import User
        from identity.web.freshness import has_second_factor
        from identity.web.rights import Right, may

        user = request.user
        return (
            isinstance(user, User)
            and may(user, Right.READ)
            and not accounts.states(user, None, timezone.now())
            and has_second_factor(request)
        )

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Only pages made for this panel: a library's own would show tokens or pass by the rights (A55)."""
        from identity.admin.panel import PanelAdmin

        if admin_class is not None and issubclass(admin_class, PanelAdmin):
            super().register(model_or_iterable, admin_class, **options)

    def get_urls(self) -> list[URLPattern | URLResolver]:
        return [url for url in super().get_urls() if getattr(url, "name", None) not in _NOT_OURS]

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Any:
        """A refusal inside the panel is a page that says so."""

        def with_refusal(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            try:
                # Nobody translates half a page: the panel's own words are English, and so are Django's beside them.
                translation.activate("en-gb")
                return view(request, *args, **kwargs)
            except PermissionDenied:
                context = self.each_context(request) | {"title": "Not allowed"}
                return TemplateResponse(request, "admin/not_allowed.html", context, status=403)

        return super().admin_view(update_wrapper(with_refusal, view), cacheable)

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        from identity.web.freshness import is_fresh, step_up_url
        from identity.web.rights import Right, may

        context: dict[str, Any] = super().each_context(request)
        if context["has_permission"] and may(request.user, Right.UNLOCK) and not is_fresh(request, timezone.now()):  # type: ignore[arg-type]
            context["step_up_url"] = step_up_url(request.get_full_path())
        return context

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        from mfa.admin.state import at_a_glance

        return super().index(request, {**(extra_context or {}), "glance": at_a_glance(timezone.now())})

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """One list, people first, in words that say what a page is about."""
        found = super().get_app_list(request, app_label)
        rows = [row for app in found for row in app["models"] if row["object_name"] in _NAMES]
        for row in rows:
            row["name"] = _NAMES[row["object_name"]]
        rows.sort(key=lambda row: list(_NAMES).index(row["object_name"]))
        return [found[0] | {"name": "Administration", "models": rows}] if rows else []

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """No form of its own: the hosted sign-in asks for both factors and leads back."""
        from identity.web.freshness import step_up_url

        index = reverse("admin:index", current_app=self.name)
        following = request.GET.get("next", "")
        if not following.startswith(index) or not url_has_allowed_host_and_scheme(following, allowed_hosts=None):
            following = index
        if self.has_permission(request):
            return HttpResponseRedirect(following)
        if request.user.is_authenticated:
            if not request.user.is_staff:
                return TemplateResponse(request, "admin/not_allowed.html", {"title": "Not allowed"}, status=403)
            return HttpResponseRedirect(step_up_url(following))
        return HttpResponseRedirect(f"{settings.LOGIN_URL}?{urlencode({'next': following})}")

    def logout(  # type: ignore[override]  # There is no page to show: it leads to the sign-in.
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """End the session, in the browser and in the table."""
        from identity.api.addresses import client_address
        from identity.web import browser_session

        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        browser_session.leave(request, address=client_address(request), now=timezone.now())
        return HttpResponseRedirect(settings.LOGIN_URL)
