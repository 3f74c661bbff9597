"""The addresses at which a browser comes from a client."""

from django.urls import URLPattern, path

from mfa.web import authorize

urlpatterns: list[URLPattern] = [
    path("connect/authorize", authorize.authorize, name="authorize"),
    path("connect/endsession", authorize.end_session, name="end_session"),
]
