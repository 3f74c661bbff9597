"""Addresses of the stateless JSON calls."""

from __future__ import annotations

from django.urls import path

from mfa.api.totp import views

urlpatterns = [
    path("api/totp/generate", views.GenerateView.as_view(), name="totp-generate"),
    path("api/totp/pair", views.PairView.as_view(), name="totp-pair"),
    path("api/totp/validate", views.ValidateView.as_view(), name="totp-validate"),
]
