"""Every address of the server, by the storey that serves it."""

from django.conf import settings
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from mfa.api import metrics

# What programs call, without cookies: `config.middleware.CallsMiddleware` serves them past everything made for pages.
calls: list[URLPattern | URLResolver] = [
    path("", include("identity.api.health_urls")),
    path("metrics", metrics.view),
    path("", include("identity.api.urls")),
    path("", include("mfa.api.visualguard.urls")),
    path("api/admin/", include("mfa.api.admin.urls")),
]

pages: list[URLPattern | URLResolver] = [
    path("", include("mfa.web.urls")),
    path("", include("mfa.web.authorize_urls")),
    path("", include("config.openapi")),
    path("admin/", admin.site.urls),
]

if settings.STATELESS_API:
    calls += [
        path("", include("mfa.api.authenticatorapi.urls")),
        path("", include("mfa.api.totp.urls")),
    ]
    pages += [path("", include("mfa.web.stateless_urls"))]

urlpatterns = [*calls, *pages]

handler400 = "identity.api.problems.bad_request"
handler403 = "identity.api.problems.forbidden"
handler404 = "mfa.web.errors.not_found"
handler500 = "identity.api.problems.server_error"
