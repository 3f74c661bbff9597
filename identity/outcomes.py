"""What identity's steps end with."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from identity.models import Client, User


class AccountState(StrEnum):
    """Why an account may not sign in although its password is right."""

    NOT_APPROVED = "not_approved"
    DISABLED = "disabled"
    LOCKED_BY_ADMINISTRATOR = "locked_by_administrator"
    NOT_YET_AVAILABLE = "not_yet_available"
    EXPIRED = "expired"
    NOT_AUTHORIZED = "not_authorized"


class PasswordState(StrEnum):
    """What is to be said about a right password."""

    MUST_CHANGE = "must_change"
    TOO_WEAK = "too_weak"
    EXPIRED = "expired"
    LAST_GRACE_LOGIN = "last_grace_login"


class PasswordRefusal(StrEnum):
    WRONG = "wrong"
    LOCKED_OUT = "locked_out"


@dataclass(frozen=True, slots=True)
class Admission:
    """A counted try, and whom it is for. `number` says the how-manieth in the window it is."""

    keys: tuple[str, str]
    number: int
    limit: int
    user_pk: int | None
    encoded: str | None = field(repr=False)

    @property
    def one_left_after_this(self) -> bool:
        return self.limit - self.number == 1


@dataclass(frozen=True, slots=True)
class PasswordVerdict:
    """The password step's own answer. `admission` and `encoded` are there only when the password was right.

    `account` is whom the name belongs to when it was wrong, if anybody: for the audit trail, and for nothing else.
    """

    admission: Admission | None = None
    encoded: str = field(default="", repr=False)
    account: "User | None" = None
    account_locked_now: bool = False
    refusal: PasswordRefusal | None = None
    one_try_left: bool = False

    @property
    def user_pk(self) -> int | None:
        """Whose password it is; None when it was wrong."""
        return self.admission.user_pk if self.admission else None


@dataclass(frozen=True, slots=True)
class CompletedSignIn:
    """The proof that somebody signed in, and how. Tokens are given for nothing else.

    Only `mfa.flows.sign_in` makes one; `tests/promises` looks that nobody else does.
    """

    user: "User"
    client: "Client"
    scopes: tuple[str, ...]
    amr: tuple[str, ...]
    acr: str
    auth_time: datetime
    address: str
    user_agent: str
    request_ref: str


@dataclass(frozen=True, slots=True)
class IssuedTokens:
    """What the client gets. Lifetimes in seconds."""

    access_token: str
    expires_in: int
    scope: str
    refresh_token: str | None
    id_token: str | None
    session_id: str
