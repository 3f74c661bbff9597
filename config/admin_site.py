"""The panel's site: Django's admin, entered only through our own sign-in with password and second factor."""

from django.contrib.admin.apps import AdminConfig


class StepwardAdminConfig(AdminConfig):
    default_site = "mfa.web.admin_site.StepwardAdminSite"
