"""`/stateless/`: pairing and checking on a page, made here and kept nowhere.

It is what the home page of AuthenticatorAPI.com offers. Secrets stand in the body of a form, never in an address, and
the page needs no script.
"""

from __future__ import annotations

import base64
from time import time
from typing import Any, Final

from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from mfa.flows import stateless
from mfa.primitives import qr_code, totp

_LONGEST: Final = 200
_PICTURE: Final = 300

# A Referer is left out but for the host: with `no-referrer` browsers send `Origin: null`, and CSRF checks refuse that.
_HEADERS: Final = {"Cache-Control": "no-store", "Pragma": "no-cache", "Referrer-Policy": "strict-origin"}


def _text(label: Any, help_text: Any = "", **attributes: str) -> forms.CharField:
    widget = forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", **attributes})
    return forms.CharField(label=label, help_text=help_text, max_length=_LONGEST, strip=False, widget=widget)


class PairForm(forms.Form):
    prefix = "pair"
    app_name = _text(_("Application name"), _("What the app will show above the code."))
    app_info = _text(_("Account"), _("Whose code it is, usually a user name or an e-mail address."))
    secret_code = _text(
        _("Secret code"),
        _("A new random one, unless you put your own here. Keep it: nothing here stores it."),
        autocapitalize="off",
    )


class ValidateForm(forms.Form):
    prefix = "validate"
    pin = _text(_("PIN"), _("The six digits that the app shows now."), inputmode="numeric", placeholder="123456")
    secret_code = _text(_("Secret code"), _("The one that the app was paired with."), autocapitalize="off")


@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """The two forms; after a POST with what came of one of them."""
    context: dict[str, Any] = {"url": settings.PUBLIC_URL, "mode": settings.STATELESS_SECRET_MODE}
    if request.method == "POST" and "pair" in request.POST:
        context |= _paired(PairForm(request.POST))
    elif request.method == "POST" and "validate" in request.POST:
        context |= _validated(ValidateForm(request.POST))
    else:
        context |= {"pair_form": _fresh_pair_form(), "validate_form": ValidateForm()}
    response = render(request, "stateless/page.html", context)
    for name, value in _HEADERS.items():
        response.headers[name] = value
    return response


def _paired(form: PairForm) -> dict[str, Any]:
    """The QR code and the key; the second form is filled with the same secret."""
    if not form.is_valid():
        return {"pair_form": form, "validate_form": ValidateForm()}
    given = form.cleaned_data
    pairing = stateless.pairing(given["app_name"], given["app_info"], stateless.key_of(given["secret_code"]))
    context = {"pair_form": form, "validate_form": ValidateForm(initial={"secret_code": given["secret_code"]})}
    try:
        picture = base64.b64encode(qr_code.png(pairing.uri, _PICTURE)).decode("ascii")
    except qr_code.DoesNotFit:
        form.add_error(None, _("This is too long for a QR code. Shorten the names."))
        return context
    groups = [pairing.key[at : at + 4] for at in range(0, len(pairing.key), 4)]
    return context | {"picture": f"data:image/png;base64,{picture}", "edge": _PICTURE, "groups": groups, **given}


def _validated(form: ValidateForm) -> dict[str, Any]:
    """Whether the PIN is right, or for how long the secret rests."""
    context: dict[str, Any] = {"pair_form": _fresh_pair_form(), "validate_form": form}
    if form.is_valid():
        key = stateless.key_of(form.cleaned_data["secret_code"])
        pin, window = form.cleaned_data["pin"], stateless.accepted_window()
        context["checked"] = stateless.check(key, pin, now=time(), window=window)
    return context


def _fresh_pair_form() -> PairForm:
    return PairForm(initial={"secret_code": totp.base32(totp.new_secret())})
