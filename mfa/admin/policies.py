"""MFA policies: of the installation, of clients, of groups."""

from typing import Any

from django import forms
from django.contrib import admin

from identity.admin.panel import PanelAdmin
from mfa.flows import administration
from mfa.models.authenticator import Kind
from mfa.models.policy import MfaPolicy, every_transport


class _Address(forms.URLField):
    """An address; one without a scheme is https."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, assume_scheme="https")


class MfaPolicyForm(forms.ModelForm):  # type: ignore[type-arg]
    transports = forms.MultipleChoiceField(
        choices=[(name, name) for name in every_transport()],
        widget=forms.CheckboxSelectMultiple,
        initial=every_transport(),
        required=False,
    )

    class Meta:
        model = MfaPolicy
        fields = (
            "installation",
            "client",
            "group",
            "mode",
            "transports",
            "grace_logins",
            "remember_days",
            "first_enrolment",
            "enrolment_url",
        )
        field_classes = {"enrolment_url": _Address}

    def clean(self) -> None:
        super().clean()
        given = self.cleaned_data
        fault = administration.fault_of_subjects(given.get(name) for name in ("installation", "client", "group"))
        if fault and not self.errors:
            raise forms.ValidationError(fault)
        if fault := administration.fault_of_transports(given.get("mode", ""), given.get("transports", [])):
            self.add_error("transports", fault)


@admin.register(MfaPolicy)
class MfaPolicyAdmin(PanelAdmin):
    event = "policy"
    may_delete = True
    form = MfaPolicyForm
    list_display = ("__str__", "mode", "allowed", "grace_logins", "remember_days", "first_enrolment")
    list_filter = ("mode", "first_enrolment")
    list_select_related = ("installation", "client", "group")

    @admin.display(description="transports")
    def allowed(self, policy: MfaPolicy) -> str:
        return "all" if len(policy.transports) == len(Kind) else ", ".join(policy.transports)
