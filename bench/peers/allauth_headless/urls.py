"""allauth's own paths; `account/` is what its documentation has included beside the headless ones."""

from django.urls import include, path

urlpatterns = [path("accounts/", include("allauth.urls")), path("_allauth/", include("allauth.headless.urls"))]
