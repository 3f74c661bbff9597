"""The forms of the hosted pages. They read; what is right is decided by the flows."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from identity.flows.passwords import MAXIMUM_BYTES
from identity.primitives import login_names


class CodeInput(forms.TextInput):
    """A field for six digits, which telephones fill in by themselves from a message."""

    def __init__(self, **attributes: str) -> None:
        super().__init__(
            attrs={
                "autocomplete": "one-time-code",
                "inputmode": "numeric",
                "autocapitalize": "off",
                "spellcheck": "false",
                "class": "code",
                **attributes,
            }
        )


def _password(label: Any, autocomplete: str, help_text: Any = "") -> forms.CharField:
    widget = forms.PasswordInput(attrs={"autocomplete": autocomplete})
    return forms.CharField(label=label, help_text=help_text, strip=False, max_length=MAXIMUM_BYTES, widget=widget)


class PasswordForm(forms.Form):
    username = forms.CharField(
        label=_("User name"),
        max_length=login_names.MAXIMUM_LENGTH,
        strip=False,
        widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "off", "spellcheck": "false"}),
    )
    password = _password(_("Password"), "current-password")


class InvitedPasswordForm(PasswordForm):
    invitation = forms.CharField(
        label=_("Invitation code"),
        help_text=_("Your administrator gives it to you. It is needed once, to set up your second factor."),
        max_length=128,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false"}),
    )


class CodeForm(forms.Form):
    code = forms.CharField(label=_("Six-digit code"), max_length=20, widget=CodeInput())


class RecoveryCodeForm(forms.Form):
    code = forms.CharField(
        label=_("Recovery code"),
        help_text=_("Sixteen letters and digits. Hyphens and case do not matter. Each works once."),
        max_length=64,
        widget=CodeInput(inputmode="text", autocomplete="off"),
    )


class EmailForm(forms.Form):
    destination = forms.CharField(
        label=_("E-mail address"),
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "email", "inputmode": "email"}),
    )


class PhoneForm(forms.Form):
    destination = forms.CharField(
        label=_("Mobile number"),
        help_text=_("With + and the country code, such as +33 6 12 34 56 78."),
        max_length=32,
        widget=forms.TextInput(attrs={"autocomplete": "tel", "inputmode": "tel", "type": "tel"}),
    )


class LabelForm(forms.Form):
    label = forms.CharField(label=_("Name"), max_length=64, widget=forms.TextInput(attrs={"autocomplete": "off"}))


class FirstPasswordForm(forms.Form):
    new = _password(_("New password"), "new-password")
    again = _password(_("New password, once more"), "new-password")

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        if given.get("new") and given.get("again") and given["new"] != given["again"]:
            self.add_error("again", _("The two are not the same."))
        return given


class NewPasswordForm(FirstPasswordForm):
    present = _password(_("Present password"), "current-password")
    field_order = ["present", "new", "again"]
