"""Keys: which seal how much, which sign, the rotations there were; owners begin one."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from identity.models import SealedKey
from identity.models.keys import KeyPurpose
from identity.web.rights import Right
from mfa.admin.keys import sealing_keys
from mfa.api.admin.base import AdminView, ListView, described, page_of
from mfa.api.admin.fields import PageQuery
from mfa.api.admin.paging import Order
from mfa.api.admin.people_documents import ActGiven
from mfa.flows import rotation
from mfa.models import KeyRotation
from mfa.models.key_rotation import RotationState

_NEWEST = Order("key-rotations", ("-pk",))


class SealingKeyShown(serializers.Serializer[Any]):
    """One key of MFA_SECRET_KEYS, or one that is missing there, by its name alone."""

    kid = serializers.CharField()
    use = serializers.CharField(help_text="seals, opens or missing.")
    data_keys = serializers.IntegerField(help_text="How many people's data keys it seals.")
    own_keys = serializers.IntegerField(help_text="How many of the installation's own keys it seals.")


class SigningKeyShown(serializers.Serializer[Any]):
    """One key that signs tokens, by its name alone."""

    kid = serializers.CharField()
    created_at = serializers.DateTimeField()
    signs_from = serializers.DateTimeField()
    published_until = serializers.DateTimeField(allow_null=True)


class RotationShown(serializers.Serializer[Any]):
    """A change of the key that seals."""

    id = serializers.IntegerField()
    under = serializers.CharField(help_text="The kid that everything is sealed under.")
    state = serializers.CharField(help_text="running, finished or superseded.")
    begun_at = serializers.DateTimeField()
    begun_by = serializers.CharField(help_text="An owner's name; empty: manage.py.")
    reason = serializers.CharField()
    total = serializers.IntegerField(help_text="Data keys to be sealed anew, when it began.")
    resealed = serializers.IntegerField()
    finished_at = serializers.DateTimeField(allow_null=True)


class KeysShown(serializers.Serializer[Any]):
    """All keys, and how far a rotation is."""

    sealing_keys = SealingKeyShown(many=True)
    signing_keys = SigningKeyShown(many=True)
    data_keys_left = serializers.IntegerField(help_text="Not under the first key; counted at most once a minute.")
    running = RotationShown(allow_null=True)


class RotationBegun(serializers.Serializer[Any]):
    """The rotation that runs now, or null: everything is sealed under the first key already."""

    rotation = RotationShown(allow_null=True)


class KeysView(AdminView):
    @described("keys", "Keys, and how far a rotation is", KeysShown)
    def get(self, request: Request) -> Response:
        signing = SealedKey.objects.filter(purpose=KeyPurpose.SIGNING).order_by("-signs_from")
        shown = {
            "sealing_keys": sealing_keys(),
            "signing_keys": signing.defer("sealed"),
            "data_keys_left": rotation.counts()["left"],
            "running": KeyRotation.objects.filter(state=RotationState.RUNNING).first(),
        }
        return Response(KeysShown(shown).data)


class RotationsView(ListView):
    row_shown = RotationShown

    @described(
        "key_rotations", "Key rotations, newest first", page_of(RotationShown), refusals=(400,), parameters=[PageQuery]
    )
    def get(self, request: Request) -> Response:
        return self.listed(KeyRotation.objects.all(), _NEWEST, self.asked(request, PageQuery))

    @described(
        "begin_key_rotation",
        "Begin a key rotation",
        RotationBegun,
        refusals=(400,),
        request=ActGiven,
        description="Owners alone. The server's own workers go on with it; asked again, it is the one that runs.",
        example={"rotation": None},
    )
    def post(self, request: Request) -> Response:
        self.asking.require(Right.ROTATE_KEYS)
        reason = self.given(request, ActGiven)["reason"]
        actor, origin = self.asking.actor, self.asking.origin
        begun = rotation.begin(self.now, actor=actor, reason=reason, address=origin.address)
        return Response(RotationBegun({"rotation": begun}).data)

    def rows_of(self, keys: list[Any]) -> dict[Any, KeyRotation]:
        return KeyRotation.objects.in_bulk(keys)
