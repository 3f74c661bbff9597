"""Addresses for probes and Prometheus."""

from django.urls import path

from identity.api import health

urlpatterns = [
    path("healthz", health.healthz),
    path("readyz", health.readyz),
]
