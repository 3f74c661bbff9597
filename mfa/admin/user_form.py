"""What an administrator may type about a person, and how it is spelt when kept."""

from django import forms
from django.conf import settings

from identity.models import Installation, User
from identity.primitives import login_names
from mfa.primitives.destinations import canonical_email, canonical_phone


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
        if not login_names.is_acceptable(username):
            raise forms.ValidationError("It holds characters that a name may not have.")
        taken = User.objects.named(username)
        if taken is not None and taken.pk != self.instance.pk:
            raise forms.ValidationError(f"{taken.username} is the same name.")
        return username

    def clean_email(self) -> str:
        typed = self.cleaned_data["email"]
        email = canonical_email(typed) if typed else ""
        if email is None:
            raise forms.ValidationError("It is not an e-mail address.")
        shared = User.objects.filter(email__iexact=email).exclude(pk=self.instance.pk)
        if email and Installation.current().unique_emails and shared.exists():
            raise forms.ValidationError("Another account has this address.")
        return email

    def clean_mobile_phone(self) -> str:
        typed = self.cleaned_data["mobile_phone"]
        number = canonical_phone(typed) if typed else ""
        if number is None:
            raise forms.ValidationError("Write it with its country code, such as +33612345678.")
        return number

    def clean(self) -> None:
        super().clean()
        start, end = self.cleaned_data.get("start_date"), self.cleaned_data.get("end_date")
        if start and end and end <= start:
            self.add_error("end_date", "It is not after the start.")
