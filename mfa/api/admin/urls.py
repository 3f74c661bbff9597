"""Addresses of the panel by REST."""

from django.urls import URLPattern, path

from mfa.api.admin import audit_events, clients, deliveries, groups, installation, keys, people, policies

urlpatterns: list[URLPattern] = [
    path("", installation.OverviewView.as_view(), name="api-admin"),
    path("people", people.PeopleView.as_view()),
    path("people/<uuid:subject>", people.OnePersonView.as_view()),
    path("people/<uuid:subject>/acts/<slug:act>", people.ActView.as_view()),
    path("people/<uuid:subject>/authenticators", people.AuthenticatorsView.as_view()),
    path("people/<uuid:subject>/sessions", people.SessionsView.as_view()),
    path("groups", groups.GroupsView.as_view()),
    path("groups/<int:pk>", groups.OneGroupView.as_view()),
    path("clients", clients.ClientsView.as_view()),
    path("clients/<int:pk>", clients.OneClientView.as_view()),
    path("clients/<int:pk>/secret", clients.ClientSecretView.as_view()),
    path("policies", policies.PoliciesView.as_view()),
    path("policies/<int:pk>", policies.OnePolicyView.as_view()),
    path("installation", installation.InstallationView.as_view()),
    path("audit-events", audit_events.EventsView.as_view()),
    path("audit-events/<int:pk>", audit_events.OneEventView.as_view()),
    path("deliveries", deliveries.DeliveriesView.as_view()),
    path("keys", keys.KeysView.as_view()),
    path("key-rotations", keys.RotationsView.as_view()),
]
