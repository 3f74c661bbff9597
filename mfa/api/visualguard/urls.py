"""Sections 2 and 3 of the contract. Method names are matched without case."""

from collections.abc import Callable

from django.http import HttpResponseBase
from django.urls import URLPattern, path, re_path

from mfa.api.visualguard import enrolment_views as views
from mfa.api.visualguard.password_view import PasswordView, ResetConfirmView, ResetView
from mfa.api.visualguard.token_view import TokenView
from mfa.models.authenticator import Kind

_CALLS: dict[str, Callable[..., HttpResponseBase]] = {
    "EnrollUserToMicrosoftAuthenticatorByImage": views.QrImageView.as_view(),
    "EnrollUserToMicrosoftAuthenticatorByBytes": views.QrBytesView.as_view(),
    "ValidateMicrosoftTOTP": views.ConfirmView.as_view(kind=Kind.APP),
    "ValidateEmail": views.ConfirmView.as_view(kind=Kind.EMAIL),
    "ValidateMobileNumber": views.ConfirmView.as_view(kind=Kind.SMS),
    "SendEmailVerification": views.SendView.as_view(kind=Kind.EMAIL),
    "SendMobileNumberVerification": views.SendView.as_view(kind=Kind.SMS),
    "CancelEnrollment": views.CancelView.as_view(),
    "GetRecoveryCodes": views.RecoveryCodesView.as_view(),
    "StartEnrollment": views.StartView.as_view(),
    "GetEnrollmentInformation": views.InformationView.as_view(),
}


def _in_any_case(route: str) -> str:
    """The pattern, letter by letter: Django cannot reverse any address of the server past an inline `(?i:…)`."""
    letters = "".join(f"[{mark}{mark.swapcase()}]" if mark.isalpha() else mark for mark in route)
    return f"^{letters}/?$"


urlpatterns: list[URLPattern] = [
    path("connect/token", TokenView.as_view(), name="token"),
    path("api/account/password", PasswordView.as_view(), name="password"),
    path("api/account/password/reset", ResetView.as_view(), name="password_reset"),
    path("api/account/password/reset/confirm", ResetConfirmView.as_view(), name="password_reset_confirm"),
    *[re_path(_in_any_case(f"api/MFAEnrollment/{name}"), view, name=name) for name, view in _CALLS.items()],
]
