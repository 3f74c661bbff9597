"""`/account/bootstrap/{token}`: the first administrator, or who was given a link, sets a password and goes on."""

from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from mfa.api.visualguard.token_view import origin_of
from mfa.flows import bootstrap, browser_sign_in
from mfa.web import forms, pages, sign_in


@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest, token: str) -> HttpResponseBase:
    """The link works until a password was set through it."""
    user = bootstrap.open_link(token, timezone.now())
    if user is None:
        text = _("It was used before, has run out, or is not known here. Ask whoever runs this server for a new one.")
        return pages.over(request, _("This link is over"), text)
    form = forms.FirstPasswordForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        status = 400 if form.errors else 200
        return pages.page(request, "bootstrap/password", {"form": form, "user_asked": user}, status=status)
    problems = bootstrap.set_first_password(token, form.cleaned_data["new"], timezone.now(), origin=origin_of(request))
    if problems:
        for problem in problems:
            form.add_error("new", problem)
        return pages.page(request, "bootstrap/password", {"form": form, "user_asked": user}, status=400)
    answer = browser_sign_in.begin_after_bootstrap(user, form.cleaned_data["new"], origin_of(request), timezone.now())
    asking = forms.PasswordForm({"username": user.username, "password": "-"})
    asking.is_valid()
    return sign_in.after_password(request, answer, asking, "/admin/" if user.is_staff else "/account/")
