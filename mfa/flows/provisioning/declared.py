"""What a file declares, as typed values; reading it finds every fault that needs no database to be seen."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator

from identity.flows.clients import CLIENT_ID, MINIMUM_SECRET_LENGTH, fault_of_redirect_uri
from identity.flows.passwords import MAXIMUM_BYTES
from identity.models.client import DEFAULT_GRANT_TYPES, OWN_PAGES, GrantType
from identity.oauth.scopes import SCOPES
from identity.primitives import login_names
from mfa.flows.provisioning.document import parse
from mfa.flows.provisioning.fields import Fields, NotAcceptable
from mfa.models.policy import FirstEnrolment, Mode, every_transport
from mfa.primitives.destinations import canonical_email, canonical_phone

EVERY_CLIENT = "*"
_A_YEAR = 366 * 86400


@dataclass(frozen=True, slots=True)
class DeclaredMfa:
    mode: str
    transports: list[str]
    grace_logins: int
    remember_days: int
    first_enrolment: str
    enrolment_url: str


@dataclass(frozen=True, slots=True)
class DeclaredClient:
    path: str
    client_id: str
    name: str
    secret: str | None
    grant_types: list[str]
    scopes: list[str]
    redirect_uris: list[str]
    mfa: DeclaredMfa | None


@dataclass(frozen=True, slots=True)
class DeclaredGroup:
    path: str
    name: str
    clients: list[str]
    mfa: DeclaredMfa | None


@dataclass(frozen=True, slots=True)
class DeclaredUser:
    path: str
    username: str
    key: str
    password: str | None
    email: str
    email_verified: bool
    mobile_phone: str
    mobile_verified: bool
    is_approved: bool
    is_active: bool
    start_date: datetime | None
    end_date: datetime | None
    must_change_password: bool
    groups: list[str]
    clients: list[str]


@dataclass(frozen=True, slots=True)
class Declared:
    """The whole file. A section that it leaves out is None, or has no entry in `rules`, and stays as it is."""

    clients: list[DeclaredClient]
    groups: list[DeclaredGroup]
    users: list[DeclaredUser]
    mfa: DeclaredMfa | None
    # Columns of the installation's row.
    rules: dict[str, Any]


def read(data: bytes) -> Declared:
    """The declared state in YAML or JSON `data`; raises NotAcceptable with all that is wrong."""
    problems: list[str] = []
    top = Fields(parse(data), "", problems)
    declared = Declared(
        clients=[_client(entry) for entry in top.blocks("clients") or []],
        groups=[_group(entry) for entry in top.blocks("groups") or []],
        users=[_user(entry) for entry in top.blocks("users") or []],
        mfa=_mfa(top.block("mfa")),
        rules=_rules(top),
    )
    top.finish()
    _refuse_repetition([(one.path, "client_id", one.client_id) for one in declared.clients], problems)
    _refuse_repetition([(one.path, "name", one.name) for one in declared.groups], problems)
    _refuse_repetition([(one.path, "username", one.key) for one in declared.users], problems)
    if problems:
        raise NotAcceptable(problems)
    return declared


def _refuse_repetition(named: list[tuple[str, str, str]], problems: list[str]) -> None:
    first: dict[str, str] = {}
    for path, key, name in named:
        if name and name in first:
            problems.append(f"{path}.{key}: is the same as {first[name]}")
        first.setdefault(name, f"{path}.{key}")


def _client(entry: Fields) -> DeclaredClient:
    client_id = entry.text("client_id", required=True)
    if client_id and not CLIENT_ID.fullmatch(client_id):
        entry.refuse("client_id", "may hold letters, digits and . _ ~ @ / + = - only")
    if client_id == OWN_PAGES:
        entry.refuse("client_id", "is the name of the installation's own pages")
    secret = entry.secret("client_secret")
    if secret is not None and len(secret) < MINIMUM_SECRET_LENGTH:
        entry.refuse("client_secret", f"is shorter than {MINIMUM_SECRET_LENGTH} characters")
    grants = [grant.value for grant in GrantType]
    found = DeclaredClient(
        path=entry.path,
        client_id=client_id,
        name=entry.text("name"),
        secret=secret,
        grant_types=entry.texts("grant_types", among=grants) if entry.has("grant_types") else list(DEFAULT_GRANT_TYPES),
        scopes=entry.texts("scopes", among=SCOPES),
        redirect_uris=_redirect_uris(entry),
        mfa=_mfa(entry.block("mfa")),
    )
    if entry.has("scopes") and not found.scopes:
        entry.refuse("scopes", "names no scope; leave the key out for every scope but IdentityServerApi and admin")
    if GrantType.AUTHORIZATION_CODE in found.grant_types and not found.redirect_uris:
        entry.refuse("redirect_uris", "is empty, and authorization_code needs one")
    entry.finish()
    return found


def _redirect_uris(entry: Fields) -> list[str]:
    uris = entry.texts("redirect_uris", longest=2000)
    for index, uri in enumerate(uris):
        fault = fault_of_redirect_uri(uri)
        if fault:
            entry.refuse(f"redirect_uris[{index}]", fault)
    return uris


def _group(entry: Fields) -> DeclaredGroup:
    found = DeclaredGroup(
        path=entry.path,
        name=entry.text("name", longest=150, required=True),
        clients=entry.texts("clients"),
        mfa=_mfa(entry.block("mfa")),
    )
    entry.finish()
    return found


def _mfa(entry: Fields | None) -> DeclaredMfa | None:
    if entry is None:
        return None
    found = DeclaredMfa(
        mode=entry.choice("mode", Mode.REQUIRED, Mode.values),
        transports=entry.texts("transports", among=every_transport()) if entry.has("transports") else every_transport(),
        grace_logins=entry.integer("grace_logins", 0, least=0, most=10_000),
        remember_days=entry.integer("remember_days", 0, least=0, most=365),
        first_enrolment=entry.choice("first_enrolment", FirstEnrolment.PASSWORD, FirstEnrolment.values),
        enrolment_url=entry.text("enrolment_url", longest=200),
    )
    if not found.transports and found.mode != Mode.OFF:
        entry.refuse("transports", "is empty; nobody could ever enrol")
    if found.enrolment_url and not _passes(URLValidator(["http", "https"]), found.enrolment_url):
        entry.refuse("enrolment_url", "must be an http or https address")
    entry.finish()
    return found


def _user(entry: Fields) -> DeclaredUser:
    username = entry.text("username", longest=login_names.MAXIMUM_LENGTH, required=True)
    if username and not login_names.is_acceptable(username):
        entry.refuse("username", "holds characters that a name may not have")
    password = entry.secret("password")
    if password is not None and not 0 < len(password.encode()) <= MAXIMUM_BYTES:
        entry.refuse("password", f"must have between 1 and {MAXIMUM_BYTES} bytes")
    found = DeclaredUser(
        path=entry.path,
        username=username,
        key=login_names.normalise(username),
        password=password,
        email=_email(entry),
        email_verified=entry.boolean("email_verified", False),
        mobile_phone=_mobile_phone(entry),
        mobile_verified=entry.boolean("mobile_verified", False),
        is_approved=entry.boolean("is_approved", True),
        is_active=entry.boolean("is_active", True),
        start_date=entry.instant("start_date"),
        end_date=entry.instant("end_date"),
        must_change_password=entry.boolean("must_change_password", False),
        groups=entry.texts("groups", longest=150),
        clients=entry.texts("clients"),
    )
    if found.email_verified and not entry.has("email"):
        entry.refuse("email_verified", "is true, and there is no email")
    if found.mobile_verified and not entry.has("mobile_phone"):
        entry.refuse("mobile_verified", "is true, and there is no mobile_phone")
    if found.start_date and found.end_date and found.end_date <= found.start_date:
        entry.refuse("end_date", "is not after start_date")
    entry.finish()
    return found


def _email(entry: Fields) -> str:
    """The address as enrolment and delivery spell it."""
    typed = entry.text("email", longest=254)
    email = canonical_email(typed) if typed else ""
    if email is None:
        entry.refuse("email", "is not an e-mail address")
    return email or ""


def _mobile_phone(entry: Fields) -> str:
    """The number in E.164, such as +33612345678."""
    typed = entry.text("mobile_phone", longest=40)
    number = canonical_phone(typed) if typed else ""
    if number is None:
        entry.refuse("mobile_phone", "is not a number with its country code, such as +33612345678")
    return number or ""


def _rules(top: Fields) -> dict[str, Any]:
    rules: dict[str, Any] = {}
    unique = top.boolean("unique_emails", False)
    if top.has("unique_emails"):
        rules["unique_emails"] = unique
    if lockout := top.block("lockout"):
        rules["lockout_attempts"] = lockout.integer("attempts", 5, least=1, most=100)
        rules["lockout_window"] = lockout.integer("window", 900, least=1, most=_A_YEAR)
        rules["lockout_unlock_after"] = lockout.integer("unlock_after", 900, least=1, most=_A_YEAR)
        lockout.finish()
    if password := top.block("password"):
        rules["password_minimum_length"] = password.integer("minimum_length", 12, least=1, most=128)
        rules["password_history"] = password.integer("history", 5, least=0, most=100)
        rules["password_expires_days"] = password.integer("expires_days", 0, least=0, most=36_500)
        rules["password_grace_logins"] = password.integer("grace_logins", 0, least=0, most=10_000)
        password.finish()
    return rules


def _passes(validator: Any, value: str) -> bool:
    try:
        validator(value)
    except ValidationError:
        return False
    return True
