"""The scopes there are, and which of them a client may ask for."""

from collections.abc import Iterable

from oauth2_provider.scopes import BaseScopes

from identity.models import Client

SCOPES: dict[str, str] = {
    "openid": "An ID token",
    "profile": "Name and locale",
    "offline_access": "A refresh token",
    "VGToken": "Visual Guard: the token itself in VGResponse",
    "VGProfile": "Visual Guard: the profile",
    "VGRoles": "Visual Guard: the groups",
    "VGPermissions": "Visual Guard: the permissions",
    "VGApplications": "Visual Guard: the clients in which there is a role",
    "VGActivityDate": "Visual Guard: the last sign-in",
    "VGIsApproved": "Visual Guard: whether the account is approved",
    "VGIsLocked": "Visual Guard: whether the account is locked",
    "VGDeveloper": "Visual Guard: developer",
    "IdentityServerApi": "Calls of this server's own API",
    "admin": "The administrators' API",
}
NOT_BY_DEFAULT = {"IdentityServerApi", "admin"}


def allowed_for(client: Client) -> set[str]:
    return set(client.scopes) if client.scopes else set(SCOPES) - NOT_BY_DEFAULT


def granted(client: Client, asked: Iterable[str]) -> list[str] | None:
    """The scopes asked for, in their own order and each once; all that the client may have when none is named.

    None when one is unknown or not the client's (`invalid_scope`, RFC 6749, 5.2).
    """
    wanted = list(dict.fromkeys(asked))
    allowed = allowed_for(client)
    if not wanted:
        return [scope for scope in SCOPES if scope in allowed and scope != "offline_access"]
    return wanted if allowed.issuperset(wanted) else None


class ClientScopes(BaseScopes):
    """What django-oauth-toolkit asks."""

    def get_all_scopes(self) -> dict[str, str]:
        return dict(SCOPES)

    def get_available_scopes(
        self, application: Client | None = None, request: object = None, *args: object, **kwargs: object
    ) -> list[str]:
        return sorted(allowed_for(application) if application else SCOPES)

    def get_default_scopes(
        self, application: Client | None = None, request: object = None, *args: object, **kwargs: object
    ) -> list[str]:
        return (granted(application, []) or []) if application else []
