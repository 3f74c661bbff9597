"""`/account/`: what people see of their own account, and do to it."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from identity.web import browser_session
from identity.web.freshness import SESSION_ID, is_fresh
from mfa.api.visualguard.token_view import origin_of
from mfa.flows import answers, authenticators, enrolment, own_sessions, recovery
from mfa.flows.authenticators import RemovalRefusal
from mfa.models import Authenticator
from mfa.models.authenticator import Kind
from mfa.primitives import user_agents
from mfa.web import activity_wording, forms, pages, wording
from mfa.web import enrolment as enrolment_page
from mfa.web.pages import person, signed_in, with_fresh_factor

_FEW_CODES = 3


@require_GET
@signed_in
def home(request: HttpRequest) -> HttpResponseBase:
    """Devices and recovery codes."""
    user, now = person(request), timezone.now()
    left = recovery.codes_left(user)
    context = {
        "tab": "devices",
        "devices": [_described(each) for each in authenticators.of(user)],
        "codes_left": left,
        "codes_few": left <= _FEW_CODES,
        "fresh": is_fresh(request, now),
    }
    return pages.page(request, "account/devices", context)


def _described(each: Authenticator) -> dict[str, object]:
    """How a device is shown. A label that nobody has chosen is the kind's own name, in the reader's language."""
    kind = wording.KINDS[Kind(each.kind)]
    named = bool(each.label) and each.label != enrolment.LABELS[Kind(each.kind)]
    return {
        "row": each,
        "kind": kind if named else "",
        "display": "" if each.kind == Kind.APP else answers.display(each),
        "name": each.label if named else kind,
    }


@require_POST
@with_fresh_factor
def add_device(request: HttpRequest) -> HttpResponseBase:
    session_id = request.session[SESSION_ID]
    request_id = enrolment.start_signed_in(person(request), session_id, origin_of(request), timezone.now())
    if request_id is None:
        return HttpResponseRedirect(pages.HOME)
    response = HttpResponseRedirect(reverse("device_enrol"))
    pages.hold(response, enrolment_page.HELD, id=request_id)
    return response


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def rename_device(request: HttpRequest, device: UUID) -> HttpResponseBase:
    found = authenticators.find(person(request), device)
    if found is None:
        return _no_such_device(request)
    form = forms.LabelForm(request.POST or None, initial={"label": found.label})
    if request.method != "POST" or not form.is_valid():
        context = {"tab": "devices", "form": form}
        return pages.page(request, "account/rename", context, status=400 if form.errors else 200)
    authenticators.rename(found, form.cleaned_data["label"], origin_of(request))
    return HttpResponseRedirect(pages.HOME)


@require_POST
@signed_in
def make_default(request: HttpRequest, device: UUID) -> HttpResponseBase:
    found = authenticators.find(person(request), device)
    if found is None:
        return _no_such_device(request)
    authenticators.make_default(found, origin_of(request))
    messages.success(request, _("It is asked for first from now on."))
    return HttpResponseRedirect(pages.HOME)


@require_http_methods(["GET", "HEAD", "POST"])
@with_fresh_factor
def remove_device(request: HttpRequest, device: UUID) -> HttpResponseBase:
    """A page that says what ends with it, and the removal itself."""
    user, now = person(request), timezone.now()
    found = authenticators.find(user, device)
    if found is None:
        return _no_such_device(request)
    if request.method != "POST":
        is_last = user.authenticators.count() == 1
        stays = is_last and not authenticators.may_be_last(user)
        context = {"tab": "devices", "device": _described(found), "is_last": is_last, "stays": stays}
        return pages.page(request, "account/remove", context)
    if authenticators.remove(user, device, origin_of(request), now) == RemovalRefusal.LAST_ONE:
        messages.error(request, _("It is your last one, and you need one. Add another first."))
        return HttpResponseRedirect(pages.HOME)
    browser_session.leave(request, address=origin_of(request).address, now=now)
    messages.success(request, _("It was removed, and every session was ended. Sign in again to go on."))
    return HttpResponseRedirect(reverse("sign_in"))


@require_http_methods(["GET", "HEAD", "POST"])
@with_fresh_factor
def recovery_codes(request: HttpRequest) -> HttpResponseBase:
    """Ten new codes in the one answer that ever shows them."""
    context: dict[str, object] = {"tab": "devices", "codes_left": recovery.codes_left(person(request))}
    if request.method == "POST":
        session_id = request.session[SESSION_ID]
        codes = recovery.make_codes_signed_in(person(request), session_id, timezone.now(), origin_of(request))
        if codes is None:
            return HttpResponseRedirect(pages.HOME)
        context["codes"] = codes
    return pages.page(request, "account/recovery_codes", context)


@require_GET
@signed_in
def sessions(request: HttpRequest) -> HttpResponseBase:
    """Where the account is signed in, and which devices are remembered."""
    user, now = person(request), timezone.now()
    this = browser_session.own(request)
    rows = [
        {
            "row": each,
            "is_this": this is not None and each.pk == this.pk,
            "program": user_agents.described(each.user_agent),
        }
        for each in own_sessions.sessions(user, now)
    ]
    remembered = [
        {"row": each, "program": user_agents.described(each.user_agent)} for each in own_sessions.remembered(user, now)
    ]
    context = {"tab": "sessions", "sessions": rows, "remembered": remembered, "others": len(rows) > 1}
    return pages.page(request, "account/sessions", context)


@require_POST
@signed_in
def end_session(request: HttpRequest, session: UUID) -> HttpResponseBase:
    if own_sessions.end(person(request), session, origin_of(request), timezone.now()):
        messages.success(request, _("The session has ended."))
    return HttpResponseRedirect(reverse("account_sessions"))


@require_POST
@signed_in
def end_other_sessions(request: HttpRequest) -> HttpResponseBase:
    this = browser_session.own(request)
    if this is not None:
        own_sessions.end_others(person(request), this, origin_of(request), timezone.now())
        messages.success(request, _("All other sessions have ended."))
    return HttpResponseRedirect(reverse("account_sessions"))


@require_POST
@signed_in
def forget_device(request: HttpRequest, device: int) -> HttpResponseBase:
    if own_sessions.forget_device(person(request), device, origin_of(request), timezone.now()):
        messages.success(request, _("The device is not remembered any more."))
    return HttpResponseRedirect(reverse("account_sessions"))


@require_GET
@signed_in
def activity(request: HttpRequest) -> HttpResponseBase:
    """What happened to the account, a page at a time."""
    before = request.GET.get("before", "")
    number = int(before) if before.isascii() and before.isdigit() and len(before) <= 18 else None
    events = own_sessions.activity(person(request), number)
    names = own_sessions.names_of_clients(events)
    context = {
        "tab": "activity",
        "events": [
            {"row": each, "text": activity_wording.of(each), "application": names.get(each.client_id, "")}
            for each in events
        ],
        "next": events[-1].pk if len(events) == own_sessions.ACTIVITY_OF_A_PAGE else None,
    }
    return pages.page(request, "account/activity", context)


def _no_such_device(request: HttpRequest) -> HttpResponseBase:
    return pages.over(request, _("There is no such device"), _("It may have been removed meanwhile."), status=404)
