"""Addresses of the AuthenticatorAPI.com compatible calls: at the root, and in any mixture of cases, as with IIS."""

from __future__ import annotations

from typing import Any

from django.urls import URLPattern
from django.urls.resolvers import RoutePattern

from mfa.api.authenticatorapi import asmx, pages


class _AnyCase(RoutePattern):
    """A route without parameters that matches in any case. Logs and metrics name it as it is written here."""

    def match(self, path: str) -> tuple[str, tuple[Any, ...], dict[str, Any]] | None:
        return ("", (), {}) if path.lower() == str(self).lower() else None


def _address(route: str, view: Any, **given: str) -> URLPattern:
    name = "authenticatorapi-" + route.replace("/", "-")
    return URLPattern(_AnyCase(route, name=name, is_endpoint=True), view, given, name)


urlpatterns = [
    _address("Validate.aspx", pages.validate),
    _address("pair.aspx", pages.pair),
    _address("qr.aspx", pages.qr),
    _address("api.asmx", asmx.service),
    *(_address(f"api.asmx/{name}", asmx.operation, name=name) for name in asmx.OPERATIONS),
]
