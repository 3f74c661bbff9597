"""The address of the stateless page; served only with the stateless calls."""

from __future__ import annotations

from django.urls import path

from mfa.web import stateless

urlpatterns = [path("stateless/", stateless.page, name="stateless")]
