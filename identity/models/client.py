"""A client: an application that asks who somebody is."""

from django.db import models
from oauth2_provider.models import AbstractApplication, ApplicationManager

from identity.models.policies import Installation

# The client that stands for the installation's own pages, /account/ and /admin/.
OWN_PAGES = "stepward"


class GrantType(models.TextChoices):
    VG_AUTHENTICATOR = "VGAuthenticator"
    PASSWORD = "password"
    REFRESH_TOKEN = "refresh_token"
    CLIENT_CREDENTIALS = "client_credentials"
    AUTHORIZATION_CODE = "authorization_code"


DEFAULT_GRANT_TYPES = [GrantType.VG_AUTHENTICATOR.value, GrantType.PASSWORD.value, GrantType.REFRESH_TOKEN.value]


def default_grant_types() -> list[str]:
    return list(DEFAULT_GRANT_TYPES)


class Client(AbstractApplication):
    """An OAuth client. `client_secret` holds a keyed digest, never the secret; a public client has none."""

    # The library's own column knows one grant a client; ours lists all that are allowed.
    grant_types = models.JSONField(default=default_grant_types)
    scopes = models.JSONField(default=list, help_text="empty: every scope but IdentityServerApi and admin")
    is_active = models.BooleanField(default=True)
    # One row, joined so that a sign-in reads client and rules in one statement.
    installation = models.ForeignKey(Installation, on_delete=models.PROTECT, default=1, editable=False)

    objects = ApplicationManager()

    # None: not looked up. Set where a client is read together with its rules, so that a sign-in asks groups for
    # policies only where some group has one.
    some_group_has_a_policy: bool | None = None
    # Which revision of all clients and their rules this one was read at; None: not looked up.
    rules_revision: int | None = None

    class Meta:
        verbose_name = "client"

    def __str__(self) -> str:
        return self.name or self.client_id

    @property
    def is_public(self) -> bool:
        return bool(self.client_type == self.CLIENT_PUBLIC)

    @property
    def is_own_pages(self) -> bool:
        """Whether it is the installation itself: a client in which everybody has a role, and which gets no token."""
        return self.client_id == OWN_PAGES and not self.grant_types

    def allows_grant_type(self, *grant_types: str) -> bool:
        """Whether one of the library's names for a grant, or a name of the wire, is among ours."""
        names = {name.replace("-", "_") for name in grant_types}
        return bool(names & set(self.grant_types))

    def is_usable(self, request: object) -> bool:
        return self.is_active


class ClientRevision(models.Model):
    """One row, whose number triggers change with every change of a client, of the installation or of a policy.

    So a process that keeps clients in memory asks for one number, in the statement that it runs anyway.
    """

    id = models.SmallIntegerField(primary_key=True)
    number = models.BigIntegerField()

    def __str__(self) -> str:
        return f"revision {self.number}"
