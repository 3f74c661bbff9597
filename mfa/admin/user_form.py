"""What an administrator may type about a person, and how it is spelt when kept."""

from django import forms
from django.conf import settings

from identity.flows.administration import Fault
from identity.models import User
from mfa.flows import administration


class UserForm(forms.ModelForm):  # type: ignore[type-arg]
    language = forms.ChoiceField(choices=[("", "as the browser asks"), *settings.LANGUAGES], required=False)

    class Meta:
        model = User
        fields = (
            "username",
            "email",
            "mobile_phone",
            "language",
            "is_approved",
            "is_active",
            "start_date",
            "end_date",
            "must_change_password",
            "groups",
            "all_clients",
            "clients",
            "admin_role",
        )
        help_texts = {
            "start_date": "UTC",
            "end_date": "UTC",
            "email": "a change takes the mark and the authenticator at the old address away, and ends sessions",
        }

    def clean_username(self) -> str:
        username: str = self.cleaned_data["username"]
        if fault := administration.fault_of_username(username, self.instance.pk):
            raise forms.ValidationError(fault)
        return username

    def clean_email(self) -> str:
        return _kept(administration.email_of(self.cleaned_data["email"], self.instance.pk))

    def clean_mobile_phone(self) -> str:
        return _kept(administration.number_of(self.cleaned_data["mobile_phone"]))

    def clean(self) -> None:
        super().clean()
        if fault := administration.fault_of_period(
            self.cleaned_data.get("start_date"), self.cleaned_data.get("end_date")
        ):
            self.add_error("end_date", fault)


def _kept(found: str | Fault) -> str:
    if isinstance(found, Fault):
        raise forms.ValidationError(found.sentence)
    return found
