"""The panel: nobody enters it on a password alone."""

from django.contrib.admin import AdminSite


class StepwardAdminSite(AdminSite):
    site_header = "Stepward"
    site_title = "Stepward"
    index_title = "Administration"
