"""Changing the own password: from the account page, or because the sign-in asks for it."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from identity.errors import Overloaded
from identity.flows import clients
from identity.web import browser_session
from mfa.api.visualguard.token_view import origin_of
from mfa.flows import password_change
from mfa.flows.password_change import Change, ChangeOutcome, ChangeRefusal
from mfa.web import forms, pages, wording
from mfa.web.pages import person, with_fresh_factor

HELD = "new_password"


@require_http_methods(["GET", "HEAD", "POST"])
@with_fresh_factor
def change(request: HttpRequest) -> HttpResponseBase:
    """With the present password, whose tries the sign-in's own limiter counts (ATTACKS A58), and a fresh factor."""
    form = forms.NewPasswordForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        return _page(request, form, "account/password")
    outcome = _try(request, form, person(request).username, request_id="")
    if outcome is None or outcome.refusal is not None:
        return _refused(request, form, outcome, "account/password")
    return _changed(request)


@require_http_methods(["GET", "HEAD", "POST"])
def must_change(request: HttpRequest) -> HttpResponseBase:
    """For who may not sign in before the password is another; a second factor, where there is one, has passed."""
    facts = pages.held(request, HELD)
    if not facts:
        return HttpResponseRedirect(reverse("sign_in"))
    form = forms.NewPasswordForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        return _page(request, form, "sign_in/new_password")
    outcome = _try(request, form, facts["username"], request_id=facts["id"])
    if outcome is None or outcome.refusal is not None:
        return _refused(request, form, outcome, "sign_in/new_password")
    response = _changed(request)
    pages.drop(response, HELD)
    return response


def _try(request: HttpRequest, form: forms.NewPasswordForm, username: str, *, request_id: str) -> ChangeOutcome | None:
    """The flow's outcome; None when too many hashes wait at this moment."""
    asked = Change(
        client=clients.own_pages(),
        username=username,
        password=form.cleaned_data["present"],
        new_password=form.cleaned_data["new"],
        request_id=request_id,
        origin=origin_of(request),
        session=browser_session.own(request),
    )
    try:
        return password_change.change(asked, timezone.now())
    except Overloaded:
        return None


def _changed(request: HttpRequest) -> HttpResponseBase:
    """A change of password ends every session, this one as well."""
    browser_session.leave(request, address=origin_of(request).address, now=timezone.now())
    messages.success(request, _("Your password was changed, and every session was ended. Sign in with the new one."))
    return HttpResponseRedirect(reverse("sign_in"))


def _refused(
    request: HttpRequest, form: forms.NewPasswordForm, outcome: ChangeOutcome | None, template: str
) -> HttpResponse:
    if outcome is None:
        form.add_error(None, _("Too many people are signing in at this moment. Try again."))
    elif outcome.refusal == ChangeRefusal.NOT_ACCEPTABLE:
        for problem in outcome.problems:
            form.add_error("new", problem)
    elif outcome.refusal is not None:
        wrong = outcome.refusal == ChangeRefusal.WRONG_PASSWORD
        form.add_error("present" if wrong else None, wording.of_password(outcome.refusal))
    return _page(request, form, template)


def _page(request: HttpRequest, form: forms.NewPasswordForm, template: str) -> HttpResponse:
    return pages.page(request, template, {"form": form, "tab": "password"}, status=400 if form.errors else 200)
