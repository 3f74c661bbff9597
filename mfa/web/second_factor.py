"""`/account/sign-in/code` and what follows: a code, a link or an enrolment, then a browser session."""

from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from identity.web import browser_session
from mfa.api.visualguard.token_view import origin_of
from mfa.flows import browser_sign_in
from mfa.flows.answers import SignInAnswer
from mfa.flows.browser_sign_in import Choice, Pending
from mfa.flows.second_step import Action
from mfa.outcomes import Finding
from mfa.web import forms, pages, wording
from mfa.web.sign_in import HELD

_RECOVERY = "recovery"


@require_http_methods(["GET", "HEAD", "POST"])
def code(request: HttpRequest) -> HttpResponseBase:
    """The second page: a code of the chosen authenticator, or the buttons that send one."""
    facts, waiting = _waiting(request)
    if waiting is None:
        return _start_again()
    if waiting.is_passed and waiting.is_password_change:
        return _to_new_password(facts, waiting)
    if waiting.is_passed or not waiting.choices:
        return HttpResponseRedirect(reverse("sign_in_enrol"))
    chosen = _chosen(request, waiting)
    if request.method == "POST" and "send" in request.POST and chosen is not None:
        return _send(request, facts, waiting, chosen)
    form = (forms.CodeForm if chosen else forms.RecoveryCodeForm)(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        return _code_page(request, waiting, chosen, form)
    answer = browser_sign_in.go_on(
        facts["id"],
        Action.AUTHENTICATE_OTP,
        origin_of(request),
        timezone.now(),
        factor_id=chosen.factor_id if chosen else "",
        code=form.cleaned_data["code"],
    )
    if answer.session is None and Finding.CODE_WRONG in answer.findings and Finding.CANCELLED not in answer.findings:
        form.add_error("code", wording.of_sign_in(answer.findings))
        return _code_page(request, waiting, chosen, form)
    return _after(request, facts, answer)


def _chosen(request: HttpRequest, waiting: Pending) -> Choice | None:
    """The authenticator that the address names, else the default one; None for a recovery code."""
    named = request.GET.get("by", "")
    if named == _RECOVERY:
        return None
    return next((each for each in waiting.choices if each.factor_id == named), waiting.choices[0])


def _code_page(request: HttpRequest, waiting: Pending, chosen: Choice | None, form: Form) -> HttpResponse:
    context = {
        "form": form,
        "chosen": chosen,
        "others": [each for each in waiting.choices if each != chosen],
        "sent": "sent" in request.GET,
        "changes_password": waiting.is_password_change,
    }
    return pages.page(request, "sign_in/code", context, status=400 if form.errors else 200)


def _send(request: HttpRequest, facts: dict[str, str], waiting: Pending, chosen: Choice) -> HttpResponseBase:
    by_link = request.POST["send"] == "link"
    action = Action.SEND_LINK if by_link else Action.SEND_OTP
    answer = browser_sign_in.go_on(facts["id"], action, origin_of(request), timezone.now(), factor_id=chosen.factor_id)
    if Finding.WAITING not in answer.findings:
        messages.error(request, wording.of_sign_in(answer.findings))
        return HttpResponseRedirect(f"{reverse('sign_in_code')}?by={chosen.factor_id}")
    if by_link:
        return HttpResponseRedirect(f"{reverse('sign_in_link')}?by={chosen.factor_id}")
    return HttpResponseRedirect(f"{reverse('sign_in_code')}?by={chosen.factor_id}&sent")


@require_http_methods(["GET", "HEAD", "POST"])
def link(request: HttpRequest) -> HttpResponseBase:
    """Waiting for the click on a link; a script looks for it, and without one a button does."""
    facts, waiting = _waiting(request)
    if waiting is None:
        return _start_again()
    if waiting.link is None and not waiting.is_passed:
        return HttpResponseRedirect(reverse("sign_in_code"))
    if request.method == "POST":
        answer = browser_sign_in.go_on(facts["id"], Action.POLL, origin_of(request), timezone.now())
        if Finding.LINK_TIMED_OUT in answer.findings:
            messages.error(request, wording.of_sign_in(answer.findings))
            return HttpResponseRedirect(reverse("sign_in_code"))
        if Finding.WAITING not in answer.findings:
            return _after(request, facts, answer)
        messages.info(request, _("Nobody has approved it yet."))
        return HttpResponseRedirect(request.get_full_path())
    return pages.page(request, "sign_in/link", {"chosen": _chosen(request, waiting)})


@require_GET
def link_state(request: HttpRequest) -> HttpResponseBase:
    """Whether the page that waits for a link should ask again."""
    _facts, waiting = _waiting(request)
    decided = waiting is None or browser_sign_in.link_is_decided(waiting, timezone.now())
    return JsonResponse({"decided": decided})


@require_POST
def finish(request: HttpRequest) -> HttpResponseBase:
    """After the enrolment: redeem the request for a session."""
    facts, waiting = _waiting(request)
    if waiting is None:
        return _start_again()
    if not waiting.is_passed or waiting.is_password_change:
        return HttpResponseRedirect(reverse("sign_in_code"))
    return _after(request, facts, browser_sign_in.go_on(facts["id"], None, origin_of(request), timezone.now()))


@require_POST
def cancel(request: HttpRequest) -> HttpResponseBase:
    facts, waiting = _waiting(request)
    if waiting is not None:
        browser_sign_in.go_on(facts["id"], Action.CANCEL_OTP, origin_of(request), timezone.now())
    return _start_again(facts.get("next", ""))


def _waiting(request: HttpRequest) -> tuple[dict[str, str], Pending | None]:
    facts = pages.held(request, HELD)
    return facts, browser_sign_in.pending(facts["id"], timezone.now()) if facts else None


def _to_new_password(facts: dict[str, str], waiting: Pending) -> HttpResponseBase:
    response = HttpResponseRedirect(reverse("new_password"))
    pages.drop(response, HELD)
    pages.hold(response, "new_password", id=facts["id"], username=waiting.request.user.username)
    return response


def _after(request: HttpRequest, facts: dict[str, str], answer: SignInAnswer) -> HttpResponseBase:
    """The end of the ceremony: a session, or the reason why there is none."""
    if answer.session is not None:
        return _enter(request, facts, answer)
    if Finding.MUST_CHANGE_PASSWORD in answer.findings and answer.request_id is not None:
        waiting = browser_sign_in.pending(facts["id"], timezone.now())
        return _to_new_password(facts, waiting) if waiting else _start_again()
    if answer.findings <= {Finding.FAILURE, Finding.CANCELLED}:
        messages.error(request, _("This sign-in was refused or has ended. Begin again."))
    elif Finding.CANCELLED in answer.findings:
        messages.error(request, _("Too many wrong codes: this sign-in has ended. Begin again."))
    else:
        messages.error(request, wording.of_sign_in(answer.findings))
    return _start_again(facts.get("next", ""))


def _enter(request: HttpRequest, facts: dict[str, str], answer: SignInAnswer) -> HttpResponseBase:
    assert answer.session is not None  # noqa: S101  The caller has looked.
    browser_session.enter(request, answer.session)
    if Finding.PASSWORD_EXPIRED in answer.findings:
        messages.warning(request, _("Your password has expired. Change it now, before you are asked to."))
    following = pages.own_path(facts.get("next", ""))
    response: HttpResponseBase
    if following.startswith("/connect/"):
        # The next address leads on to the client's; browsers follow no such redirect from a form (CSP, form-action).
        response = pages.page(request, "sign_in/onward", {"following": following})
        response["Refresh"] = f"0;url={following}"
    else:
        response = HttpResponseRedirect(following)
    pages.drop(response, HELD)
    return response


def _start_again(following: str = "") -> HttpResponseBase:
    response = HttpResponseRedirect(reverse("sign_in") + (f"?{urlencode({'next': following})}" if following else ""))
    pages.drop(response, HELD)
    return response
