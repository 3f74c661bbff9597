"""The addresses of identity."""

from django.urls import URLPattern, path

from identity.api import oauth_views as views

urlpatterns: list[URLPattern] = [
    path(".well-known/openid-configuration", views.DiscoveryView.as_view(), name="discovery"),
    path(".well-known/jwks.json", views.JwksView.as_view(), name="jwks"),
    path("connect/userinfo", views.UserinfoView.as_view(), name="userinfo"),
    path("connect/introspect", views.IntrospectionView.as_view(), name="introspect"),
    path("connect/revocation", views.RevocationView.as_view(), name="revocation"),
]
