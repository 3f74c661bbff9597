"""Keys: which seal how much, the rotations there were and how far the running one is; owners begin one."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from identity.admin.panel import ReadOnlyAdmin, actor_of, moment
from identity.api.addresses import client_address
from identity.models import SealedKey
from identity.models.keys import KeyPurpose
from identity.secret_store import own_keys_by_kid
from identity.web.freshness import is_fresh, step_up_url
from identity.web.rights import Right, may
from mfa.admin.acts import ReasonForm
from mfa.flows import rotation
from mfa.models import KeyRotation
from mfa.models.key_rotation import RotationState


@dataclass(frozen=True, slots=True)
class SealingKey:
    """One key of MFA_SECRET_KEYS, or one that is missing there."""

    kid: str
    use: str
    data_keys: int
    own_keys: int


@admin.register(KeyRotation)
class KeyRotationAdmin(ReadOnlyAdmin):
    list_display = ("begun", "under", "state", "progress", "finished", "by", "reason")
    list_display_links = None
    ordering = ("-pk",)
    change_list_template = "admin/mfa/keyrotation/change_list.html"

    def get_urls(self) -> list[URLPattern]:
        begin = self.admin_site.admin_view(self.begin_view)
        return [path("begin/", begin, name="mfa_keyrotation_begin"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        running = KeyRotation.objects.filter(state=RotationState.RUNNING).first()
        said = {
            "title": "Keys",
            "sealing_keys": sealing_keys(),
            "signing_keys": SealedKey.objects.filter(purpose=KeyPurpose.SIGNING).order_by("-signs_from"),
            "now": timezone.now(),
            "running": running,
            "may_begin": may(actor_of(request), Right.ROTATE_KEYS),
        }
        return super().changelist_view(request, {**(extra_context or {}), **said})

    def begin_view(self, request: HttpRequest) -> HttpResponse:
        """Ask for the reason, then begin: the server's own workers go on with it."""
        if not may(actor_of(request), Right.ROTATE_KEYS):
            raise PermissionDenied
        if not is_fresh(request, timezone.now()):
            return HttpResponseRedirect(step_up_url(request.path))
        form = ReasonForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            begun = rotation.begin(
                timezone.now(),
                actor=actor_of(request),
                reason=form.cleaned_data["reason"],
                address=client_address(request),
            )
            said = "The rotation is begun." if begun else "Everything is sealed under the first key already."
            messages.success(request, said)
            return HttpResponseRedirect(reverse("admin:mfa_keyrotation_changelist"))
        first = next(iter(settings.MFA_SECRET_KEYS))
        context = self.admin_site.each_context(request) | {
            "title": "Begin a key rotation",
            "first": first,
            "left": rotation.counts()["left"],
            "form": form,
            "opts": self.opts,
        }
        return TemplateResponse(request, "admin/mfa/keyrotation/begin.html", context)

    @admin.display(description="begun (UTC)", ordering="begun_at")
    def begun(self, row: KeyRotation) -> str:
        return moment(row.begun_at)

    @admin.display(description="data keys")
    def progress(self, row: KeyRotation) -> str:
        return f"{row.resealed} of {row.total}"

    @admin.display(description="ended (UTC)", ordering="finished_at")
    def finished(self, row: KeyRotation) -> str:
        return moment(row.finished_at) if row.finished_at else "—"

    @admin.display(description="begun by", ordering="begun_by")
    def by(self, row: KeyRotation) -> str:
        return row.begun_by or "manage.py"


def sealing_keys() -> list[SealingKey]:
    """The keys of MFA_SECRET_KEYS in their order, then those that something is still sealed under and nobody knows."""
    known, data, own = list(settings.MFA_SECRET_KEYS), rotation.counts()["by_kid"], own_keys_by_kid()
    kids = [*known, *sorted((set(data) | set(own)) - set(known))]
    uses = {known[0]: "seals", **dict.fromkeys(known[1:], "opens")}
    return [SealingKey(kid, uses.get(kid, "missing"), data.get(kid, 0), own.get(kid, 0)) for kid in kids]
