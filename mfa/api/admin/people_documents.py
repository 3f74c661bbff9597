"""What is said of a person, and what may be written: never a password, a secret, a digest or the id of a request."""

from datetime import datetime
from typing import Any

from django.conf import settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from identity.flows.administration import Fault
from identity.models import PasswordTries, User
from identity.models.user import AdminRole
from identity.web.rights import Right, may, roles_to_give
from mfa.admin.acts import ACTS, LONGEST_REASON, SHORTEST_REASON, fault_of_reason
from mfa.admin.state import explain
from mfa.api.admin.entrance import Asking
from mfa.api.admin.fields import ClientsField, GroupsField, PageQuery, TextField, WordField
from mfa.flows import administration
from mfa.flows.answers import display
from mfa.flows.recovery import codes_left
from mfa.models import Authenticator
from mfa.models.authentication_request import AuthenticationRequest
from mfa.models.authenticator import Enrolment, EnrolmentState, Kind

ROLES = {role.name.lower(): role for role in AdminRole}
SESSIONS_SHOWN = 20


@extend_schema_field(OpenApiTypes.STR)
class RoleField(WordField):
    """A role by its name."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(ROLES, **kwargs)

    def to_internal_value(self, data: object) -> AdminRole:  # type: ignore[override]
        return ROLES[super().to_internal_value(data)]

    def to_representation(self, value: Any) -> str:
        return AdminRole(value).name.lower()


class KindField(serializers.CharField):
    """A transport by the contract's name."""

    def to_representation(self, value: Any) -> str:
        return Kind(value).label


class PeopleQuery(PageQuery):
    """The panel's search and filters."""

    search = TextField(
        max_length=254, default="", allow_blank=True, help_text="The start of a user name, an address or a number."
    )
    required = serializers.BooleanField(  # type: ignore[assignment]  # A field here, not the attribute.
        required=False, help_text="Whether the installation or a group asks for a second factor."
    )
    enrolled = serializers.BooleanField(
        required=False, help_text="Whether there is an authenticator that can pass a sign-in."
    )
    pending = serializers.BooleanField(required=False, help_text="Whether an enrolment waits for its code.")
    locked = serializers.BooleanField(required=False, help_text="By wrong passwords or by an administrator.")
    enabled = serializers.BooleanField(required=False)
    approved = serializers.BooleanField(required=False)
    role = RoleField(required=False)
    signed_in = WordField(("1", "7", "30", "older", "never"), required=False, help_text="In the last so many days.")


class PersonRow(serializers.Serializer[Any]):
    """A person as the list shows them."""

    subject = serializers.UUIDField()
    username = serializers.CharField()
    email = serializers.CharField()
    mobile_phone = serializers.CharField()
    admin_role = RoleField()
    is_active = serializers.BooleanField()
    is_approved = serializers.BooleanField()
    second_factor_required = serializers.BooleanField(source="is_required")
    enrolled = serializers.SerializerMethodField(help_text="The transports of authenticators that can pass a sign-in.")
    enrolment_pending = serializers.BooleanField(source="is_pending")
    locked = serializers.SerializerMethodField(help_text="null, administrator or wrong_passwords.")
    last_sign_in = serializers.DateTimeField(source="last_login", allow_null=True)

    def get_enrolled(self, person: User) -> list[str]:
        held = (row for row in person.authenticators.all() if row.disabled_at is None)
        return sorted({Kind(row.kind).label for row in held})

    def get_locked(self, person: Any) -> str | None:
        if person.locked_by_administrator_at:
            return "administrator"
        return "wrong_passwords" if person.is_locked else None


class AuthenticatorShown(serializers.Serializer[Any]):
    """What a person holds. Its secret is nowhere."""

    id = serializers.UUIDField()
    kind = KindField()
    label = serializers.CharField()  # type: ignore[assignment]  # A field here, not the attribute.
    destination = serializers.SerializerMethodField(help_text="Masked; empty for an app.")
    is_default = serializers.BooleanField()
    created_at = serializers.DateTimeField()
    confirmed_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True)
    failures = serializers.IntegerField(help_text="Wrong codes in a row.")
    state = serializers.SerializerMethodField(help_text="good, resting or disabled.")
    rest_until = serializers.DateTimeField(allow_null=True)
    disabled_at = serializers.DateTimeField(allow_null=True)

    def get_destination(self, row: Authenticator) -> str:
        return display(row) if row.destination else ""

    def get_state(self, row: Authenticator) -> str:
        if row.disabled_at:
            return "disabled"
        return "resting" if row.is_resting(self.context["now"]) else "good"


class SessionShown(serializers.Serializer[Any]):
    """One sign-in at a client, or in a browser."""

    id = serializers.UUIDField(help_text="The claim `sid` of its tokens.")
    client_id = serializers.CharField(source="client.client_id", allow_null=True, default=None)
    amr = serializers.SerializerMethodField(help_text="What was proved (RFC 8176).")
    acr = serializers.CharField()
    address = serializers.CharField(allow_null=True)
    user_agent = serializers.CharField()
    signed_in_at = serializers.DateTimeField(source="auth_time")
    last_used_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    end_reason = serializers.CharField()

    def get_amr(self, row: Any) -> list[str]:
        return str(row.amr).split()


class RequestShown(serializers.Serializer[Any]):
    """An authentication request that is open. Its id is a bearer secret, and is not here."""

    request_ref = serializers.CharField(source="ref", help_text="As in the audit trail; it opens nothing.")
    client_id = serializers.CharField(source="client.client_id", allow_null=True, default=None)
    purpose = serializers.CharField()
    state = serializers.CharField()
    address = serializers.CharField()
    user_agent = serializers.CharField()
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    failures = serializers.IntegerField()


class EnrolmentShown(serializers.Serializer[Any]):
    """An enrolment that waits for its code."""

    kind = KindField()
    begun_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    failures = serializers.IntegerField()


class LockoutShown(serializers.Serializer[Any]):
    """A lock by wrong passwords, of one network or of all."""

    failures = serializers.IntegerField()
    locked_until = serializers.SerializerMethodField()
    every_network = serializers.SerializerMethodField()

    def get_locked_until(self, row: PasswordTries) -> datetime:
        return datetime.fromtimestamp(row.locked_until / 1000, self.context["now"].tzinfo)

    def get_every_network(self, row: PasswordTries) -> bool:
        return row.window_started == 0


class RecoveryCodesShown(serializers.Serializer[Any]):
    """The set in force."""

    left = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField()
    failures = serializers.IntegerField()
    rest_until = serializers.DateTimeField(allow_null=True)
    disabled_at = serializers.DateTimeField(allow_null=True)

    def get_left(self, row: Any) -> int:
        return codes_left(row.user)


class PolicyInForce(serializers.Serializer[Any]):
    """What is asked of the person in one place, and which policy asks for it."""

    at = serializers.CharField()
    mode = serializers.CharField()
    transports = serializers.ListField(child=serializers.CharField())
    grace_logins = serializers.IntegerField()
    remember_days = serializers.IntegerField()
    first_enrolment = serializers.CharField()
    reasons = serializers.DictField(child=serializers.CharField())


class PersonShown(PersonRow):
    """Everything that the panel shows of a person."""

    language = serializers.CharField()
    email_verified_at = serializers.DateTimeField(allow_null=True)
    mobile_verified_at = serializers.DateTimeField(allow_null=True)
    start_date = serializers.DateTimeField(allow_null=True)
    end_date = serializers.DateTimeField(allow_null=True)
    locked_by_administrator_at = serializers.DateTimeField(allow_null=True)
    must_change_password = serializers.BooleanField()
    password_changed_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    groups = GroupsField()
    all_clients = serializers.BooleanField()
    clients = ClientsField()
    authenticators = serializers.SerializerMethodField()
    recovery_codes = serializers.SerializerMethodField()
    open_requests = serializers.SerializerMethodField()
    pending_enrolments = serializers.SerializerMethodField()
    lockouts = serializers.SerializerMethodField()
    sessions = serializers.SerializerMethodField(help_text=f"The newest {SESSIONS_SHOWN}.")
    policy_in_force = serializers.SerializerMethodField()
    may_change = serializers.SerializerMethodField(help_text="Whether whoever asks may, with a fresh second factor.")
    acts = serializers.SerializerMethodField(help_text="What whoever asks may do, with a fresh second factor.")

    @extend_schema_field(AuthenticatorShown(many=True))
    def get_authenticators(self, person: User) -> Any:
        return self._rows(AuthenticatorShown, sorted(person.authenticators.all(), key=lambda row: row.confirmed_at))

    @extend_schema_field(RecoveryCodesShown(allow_null=True))
    def get_recovery_codes(self, person: User) -> Any:
        held = getattr(person, "recovery_codes", None)
        return RecoveryCodesShown(held).data if held else None

    @extend_schema_field(RequestShown(many=True))
    def get_open_requests(self, person: User) -> Any:
        found = AuthenticationRequest.objects.open_for(person.pk, self.context["now"])
        return self._rows(RequestShown, found.select_related("client"))

    @extend_schema_field(EnrolmentShown(many=True))
    def get_pending_enrolments(self, person: User) -> Any:
        pending = Enrolment.objects.filter(
            user=person, state=EnrolmentState.PENDING, expires_at__gt=self.context["now"]
        )
        return self._rows(EnrolmentShown, pending.order_by("begun_at"))

    @extend_schema_field(LockoutShown(many=True))
    def get_lockouts(self, person: User) -> Any:
        until = int(self.context["now"].timestamp() * 1000)
        return self._rows(LockoutShown, person.password_tries.filter(locked_until__gt=until).order_by("locked_until"))

    @extend_schema_field(SessionShown(many=True))
    def get_sessions(self, person: User) -> Any:
        newest = person.sessions.select_related("client").order_by("-auth_time", "-pk")
        return self._rows(SessionShown, newest[:SESSIONS_SHOWN])

    @extend_schema_field(PolicyInForce(many=True))
    def get_policy_in_force(self, person: User) -> Any:
        return [
            {
                "at": place,
                "mode": policy.mode.value,
                "transports": [kind.label for kind in policy.kinds],
                "grace_logins": policy.grace_logins,
                "remember_days": policy.remember_days,
                "first_enrolment": policy.first_enrolment.value,
                "reasons": policy.reasons,
            }
            for place, policy in explain(person)
        ]

    def get_may_change(self, person: User) -> bool:
        asking: Asking = self.context["asking"]
        return may(asking.actor, Right.MANAGE_PEOPLE, person)

    def get_acts(self, person: User) -> list[str]:
        asking: Asking = self.context["asking"]
        return [name for name, act in ACTS.items() if may(asking.actor, act.right, person)]

    def _rows(self, shown: type[serializers.Serializer[Any]], rows: Any) -> Any:
        return shown(rows, many=True, context=self.context).data


class PersonGiven(serializers.Serializer[Any]):
    """What an administrator may write of a person, and nothing else; `person` in the context is the one there is."""

    username = TextField(max_length=64)
    email = TextField(max_length=254, allow_blank=True, required=False)
    mobile_phone = TextField(max_length=32, allow_blank=True, required=False)
    language = WordField(["", *(code for code, _ in settings.LANGUAGES)], allow_blank=True, required=False)
    is_approved = serializers.BooleanField(required=False)
    is_active = serializers.BooleanField(required=False)
    start_date = serializers.DateTimeField(allow_null=True, required=False)
    end_date = serializers.DateTimeField(allow_null=True, required=False)
    must_change_password = serializers.BooleanField(required=False)
    groups = GroupsField(required=False)
    all_clients = serializers.BooleanField(required=False)
    clients = ClientsField(required=False)
    admin_role = RoleField(required=False)

    @property
    def _person(self) -> User | None:
        found: User | None = self.context.get("person")
        return found

    @property
    def _pk(self) -> int | None:
        return self._person.pk if self._person else None

    def validate_username(self, typed: str) -> str:
        if fault := administration.fault_of_username(typed, self._pk):
            raise serializers.ValidationError(fault)
        return typed

    def validate_email(self, typed: str) -> str:
        return _kept(administration.email_of(typed, self._pk))

    def validate_mobile_phone(self, typed: str) -> str:
        return _kept(administration.number_of(typed))

    def validate_admin_role(self, role: AdminRole) -> AdminRole:
        """Nobody gives a role that is not his to give."""
        if role not in roles_to_give(self.context["actor"]):
            raise serializers.ValidationError("This role is not yours to give.")
        return role

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        start, end = (attrs.get(name, getattr(self._person, name, None)) for name in ("start_date", "end_date"))
        if fault := administration.fault_of_period(start, end):
            raise serializers.ValidationError({"end_date": fault})
        return attrs


class ActGiven(serializers.Serializer[Any]):
    """Every act asks for it."""

    reason = TextField(
        min_length=SHORTEST_REASON,
        max_length=LONGEST_REASON,
        help_text="Kept in the audit trail: who asked, how you know it was them, the ticket.",
    )

    def validate_reason(self, reason: str) -> str:
        if fault := fault_of_reason(reason):
            raise serializers.ValidationError(fault)
        return reason


class ActDone(serializers.Serializer[Any]):
    """What was done."""

    act = serializers.CharField()
    done = serializers.CharField()
    shown_once = serializers.CharField(
        allow_null=True, help_text="An invitation's code or a password link; it is never shown again."
    )


def _kept(found: str | Fault) -> str:
    if isinstance(found, Fault):
        raise serializers.ValidationError(found.sentence)
    return found
