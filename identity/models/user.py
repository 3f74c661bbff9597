"""A person's account, and the groups it belongs to."""

import uuid
from typing import ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models

from identity.primitives import login_names


class AdminRole(models.IntegerChoices):
    """What an account may do in the panel; a higher role holds every right of a lower one."""

    NONE = 0, "no administrator"
    AUDITOR = 10, "auditor: reads"
    HELPDESK = 20, "help desk: unlocks and resets people without a role"
    ADMINISTRATOR = 30, "administrator: manages people, groups, clients and policies"
    OWNER = 40, "owner: manages administrators too"


class Group(models.Model):
    """A set of people who share roles in clients, and perhaps an MFA policy."""

    name = models.CharField(max_length=150, unique=True)
    all_clients = models.BooleanField(default=False, help_text="members have a role in every client")
    clients = models.ManyToManyField("identity.Client", blank=True, related_name="member_groups")

    def __str__(self) -> str:
        return self.name


class UserManager(BaseUserManager["User"]):
    """Accounts are looked up by the normalised form of the name."""

    def named(self, typed: str) -> "User | None":
        """The account that `typed` names, or None."""
        return self.filter(username_key=login_names.normalise(typed)).first()

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(username_key=login_names.normalise(username or ""))


class User(AbstractBaseUser):
    """An account. `subject` is what tokens call it; `username_key` is what makes two spellings one account."""

    subject = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    username = models.CharField(max_length=login_names.MAXIMUM_LENGTH)
    username_key = models.CharField(max_length=512, unique=True, editable=False)
    email = models.EmailField(blank=True)
    email_verified_at = models.DateTimeField(null=True, blank=True, editable=False)
    mobile_phone = models.CharField(max_length=20, blank=True, help_text="E.164, such as +33612345678")
    mobile_verified_at = models.DateTimeField(null=True, blank=True, editable=False)
    language = models.CharField(max_length=8, blank=True)

    is_approved = models.BooleanField(default=True)
    is_active = models.BooleanField(default=True)
    start_date = models.DateTimeField(null=True, blank=True)
    end_date = models.DateTimeField(null=True, blank=True)
    locked_by_administrator_at = models.DateTimeField(null=True, blank=True, editable=False)

    must_change_password = models.BooleanField(default=False)
    password_changed_at = models.DateTimeField(null=True, blank=True, editable=False)
    password_grace_used = models.PositiveIntegerField(default=0, editable=False)
    mfa_grace_used = models.PositiveIntegerField(default=0, editable=False)

    groups = models.ManyToManyField(Group, blank=True, related_name="members")
    all_clients = models.BooleanField(default=False, help_text="has a role in every client")
    clients = models.ManyToManyField("identity.Client", blank=True, related_name="role_holders")
    admin_role = models.PositiveSmallIntegerField(choices=AdminRole.choices, default=AdminRole.NONE)

    # Browser sessions carry this number; raising it ends them all.
    session_epoch = models.PositiveIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    USERNAME_FIELD = "username_key"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        # For the panel's list and filters. The partial ones hold exceptions only, and none holds what a sign-in writes.
        indexes = [
            models.Index(fields=["email"], name="user_email"),
            models.Index(fields=["mobile_phone"], opclasses=["varchar_pattern_ops"], name="user_mobile_phone"),
            models.Index(fields=["username_key"], condition=models.Q(is_active=False), name="user_disabled"),
            models.Index(fields=["username_key"], condition=models.Q(is_approved=False), name="user_not_approved"),
            models.Index(fields=["username_key"], condition=models.Q(admin_role__gt=0), name="user_with_a_role"),
            models.Index(
                fields=["locked_by_administrator_at"],
                condition=models.Q(locked_by_administrator_at__isnull=False),
                name="user_locked",
            ),
        ]

    def __str__(self) -> str:
        return self.username

    def save(self, *args: object, **kwargs: object) -> None:
        self.username_key = login_names.normalise(self.username)
        super().save(*args, **kwargs)  # type: ignore[arg-type]

    def clean(self) -> None:
        self.username_key = login_names.normalise(self.username)

    def get_username(self) -> str:
        return self.username

    # What Django's admin asks. Rights come from the role alone; `identity.web.rights` says which.
    @property
    def is_staff(self) -> bool:
        return self.is_active and self.admin_role >= AdminRole.AUDITOR

    @property
    def is_superuser(self) -> bool:
        return False

    def has_perm(self, perm: str, obj: object = None) -> bool:
        if not self.is_staff:
            return False
        return self.admin_role >= AdminRole.ADMINISTRATOR or perm.partition(".")[2].startswith("view_")

    def has_module_perms(self, app_label: str) -> bool:
        return self.is_staff

    def get_session_auth_hash(self) -> str:
        """Ends browser sessions when the password or `session_epoch` changes."""
        from django.utils.crypto import salted_hmac

        return salted_hmac(
            "identity.user.session", f"{self.password}|{self.session_epoch}", algorithm="sha256"
        ).hexdigest()


class PasswordHistory(models.Model):
    """The hash of a password that was in force once."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="old_passwords")
    password = models.CharField(max_length=128)
    replaced_at = models.DateTimeField()

    class Meta:
        ordering = ["-replaced_at"]

    def __str__(self) -> str:
        return f"password until {self.replaced_at:%Y-%m-%d}"
