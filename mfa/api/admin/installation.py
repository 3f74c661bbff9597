"""The installation's own rules, and what the panel's first page tells."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from identity.flows import administration
from identity.models import Installation
from identity.models.policies import BOUNDS
from identity.web.rights import Right, may
from mfa.admin.state import at_a_glance
from mfa.api.admin.base import AdminView, configuring, described
from mfa.api.admin.people_documents import RoleField


def _whole(name: str, help_text: str = "") -> serializers.IntegerField:
    least, most = BOUNDS[name]
    return serializers.IntegerField(min_value=least, max_value=most, required=False, help_text=help_text)


class InstallationRules(serializers.Serializer[Any]):
    """The rules about passwords and lockout."""

    unique_emails = serializers.BooleanField(required=False)
    lockout_attempts = _whole("lockout_attempts", "Wrong passwords in the window.")
    lockout_window = _whole("lockout_window", "Seconds in which wrong passwords add up.")
    lockout_unlock_after = _whole("lockout_unlock_after", "Seconds a lock lasts.")
    password_minimum_length = _whole("password_minimum_length")
    password_history = _whole("password_history", "How many old passwords may not come back.")
    password_expires_days = _whole("password_expires_days", "0: never.")
    password_grace_logins = _whole("password_grace_logins", "Sign-ins after a password has expired.")


class InstallationShown(InstallationRules):
    """All of them."""


class InstallationView(AdminView):
    @described("installation", "Rules about passwords and lockout", InstallationShown)
    def get(self, request: Request) -> Response:
        return Response(InstallationShown(Installation.current()).data)

    @described("change_installation", "Change some", InstallationShown, refusals=(400,), request=InstallationRules)
    @configuring
    def patch(self, request: Request) -> Response:
        Installation.current()
        rules = Installation.objects.select_for_update(no_key=True).get(pk=1)
        given = self.given(request, InstallationRules, partial=True)
        changed = [name for name, value in given.items() if getattr(rules, name) != value]
        for name in changed:
            setattr(rules, name, given[name])
        if changed:
            rules.save(update_fields=changed)
            administration.record("installation", "changed", rules, self.asking.editor, fields=sorted(changed))
        return Response(InstallationShown(rules).data)


class GlanceShown(serializers.Serializer[Any]):
    """How many people there are, are enrolled, should be and are not, are locked."""

    people = serializers.IntegerField()
    enrolled = serializers.IntegerField()
    missing = serializers.IntegerField()
    locked = serializers.IntegerField()
    is_estimate = serializers.BooleanField(help_text="In a large installation: from a random sample.")


class AskingShown(serializers.Serializer[Any]):
    """Whoever asks."""

    subject = serializers.UUIDField()
    username = serializers.CharField()
    admin_role = RoleField()
    rights = serializers.ListField(child=serializers.CharField())


class Overview(serializers.Serializer[Any]):
    """The panel's first page."""

    asking = AskingShown()
    glance = GlanceShown()


class OverviewView(AdminView):
    @described("overview", "At a glance, and who you are here", Overview)
    def get(self, request: Request) -> Response:
        actor = self.asking.actor
        rights = [right.value for right in Right if may(actor, right)]
        asking = {
            "subject": actor.subject,
            "username": actor.username,
            "admin_role": actor.admin_role,
            "rights": rights,
        }
        return Response(Overview({"asking": asking, "glance": at_a_glance(self.now)}).data)
