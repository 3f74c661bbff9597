"""`/account/sign-in`: the password, and where its answer leads; and signing out."""

from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from identity.errors import Overloaded
from identity.web import browser_session
from identity.web.freshness import has_second_factor
from mfa.api.visualguard.token_view import origin_of
from mfa.flows import browser_sign_in
from mfa.flows.answers import SignInAnswer
from mfa.outcomes import Finding
from mfa.web import forms, pages, wording

HELD = "sign_in"


@require_http_methods(["GET", "HEAD", "POST"])
def password(request: HttpRequest) -> HttpResponseBase:
    """The first page: user name and password. `fresh` asks also who is signed in already."""
    following = pages.own_path(request.GET.get("next", ""))
    fresh = bool(request.GET.get("fresh"))
    known = request.user.is_authenticated and has_second_factor(request)
    if request.method != "POST":
        if known and not fresh:
            return HttpResponseRedirect(following)
        username = request.user.get_username() if known and not following.startswith("/connect/") else ""
        form = forms.PasswordForm(initial={"username": username})
        return pages.page(request, "sign_in/password", {"form": form, "again": known and fresh})
    asks_invitation = "invitation" in request.POST
    form = (forms.InvitedPasswordForm if asks_invitation else forms.PasswordForm)(request.POST)
    if not form.is_valid():
        return pages.page(request, "sign_in/password", {"form": form}, status=400)
    given = form.cleaned_data
    try:
        answer = browser_sign_in.begin(
            given["username"], given["password"], given.get("invitation", ""), origin_of(request), timezone.now()
        )
    except Overloaded as overload:
        form.add_error(None, _("Too many people are signing in at this moment. Try again."))
        response = pages.page(request, "sign_in/password", {"form": form}, status=503)
        response["Retry-After"] = str(overload.retry_after)
        return response
    return after_password(request, answer, form, following)


def after_password(request: HttpRequest, answer: SignInAnswer, form: Form, following: str) -> HttpResponseBase:
    """Where the password step's answer leads."""
    if answer.request_id is not None and (answer.available or answer.offer is not None):
        step = "sign_in_code" if answer.available else "sign_in_enrol"
        response = HttpResponseRedirect(reverse(step))
        pages.hold(response, HELD, id=answer.request_id, next=following)
        return response
    if Finding.ENROLMENT_REQUIRED in answer.findings:
        return _ask_invitation(request, answer, form)
    if Finding.MUST_CHANGE_PASSWORD in answer.findings:
        response = HttpResponseRedirect(reverse("new_password"))
        pages.hold(response, "new_password", id="", username=answer.name)
        return response
    form.add_error(None, wording.of_sign_in(answer.findings))
    return pages.page(request, "sign_in/password", {"form": form}, status=400)


def _ask_invitation(request: HttpRequest, answer: SignInAnswer, form: Form) -> HttpResponse:
    """The right password, no second factor, and a policy that wants an invitation to the first one."""
    wrong = bool(form.cleaned_data.get("invitation"))
    asking = forms.InvitedPasswordForm(initial={"username": form.cleaned_data.get("username", answer.name)})
    text = _("This invitation is not good.") if wrong else _("Type your password again, and the invitation code.")
    return pages.page(request, "sign_in/password", {"form": asking, "asks_invitation": True, "text": text}, status=403)


@require_http_methods(["GET", "HEAD", "POST"])
def sign_out(request: HttpRequest) -> HttpResponseBase:
    """A link signs nobody out: it leads to a page that asks."""
    if request.method == "POST":
        browser_session.leave(request, address=origin_of(request).address, now=timezone.now())
        return pages.page(request, "sign_in/signed_out")
    if not request.user.is_authenticated:
        return pages.page(request, "sign_in/signed_out")
    return pages.page(request, "sign_in/sign_out")
