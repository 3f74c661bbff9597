"""The tables of identity."""

from identity.models.audit import AuditEvent, AuditSeal
from identity.models.client import Client, ClientRevision
from identity.models.keys import SealedKey
from identity.models.password_tries import PasswordTries
from identity.models.policies import Installation
from identity.models.sessions import Session
from identity.models.tokens import AccessToken, Grant, IDToken, RefreshToken
from identity.models.user import Group, PasswordHistory, User

__all__ = [
    "AccessToken",
    "AuditEvent",
    "AuditSeal",
    "Client",
    "ClientRevision",
    "Grant",
    "Group",
    "IDToken",
    "Installation",
    "PasswordHistory",
    "PasswordTries",
    "RefreshToken",
    "SealedKey",
    "Session",
    "User",
]
