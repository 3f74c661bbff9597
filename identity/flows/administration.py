"""What administrators do to clients and groups, by the panel or by REST: the rules and the audit trail of both."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from django.db import models

from identity.flows import audit
from identity.flows.clients import CLIENT_ID, fault_of_redirect_uri, new_secret, set_secret
from identity.models import Client, User
from identity.models.client import OWN_PAGES, GrantType


@dataclass(frozen=True, slots=True)
class Editor:
    """Who edits, from where, and by which door."""

    actor: User
    address: str
    by: Literal["panel", "api"]


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a value cannot be accepted, in a sentence that does not repeat it."""

    sentence: str


def lock_both(actor_pk: int, target_pk: int) -> tuple[User, User]:
    """Who acts and on whom, as they are now, under their locks; inside a transaction.

    Both, in one order: of two owners who take each other's role in the same instant the second has none any more.
    """
    rows = User.objects.select_for_update(no_key=True).filter(pk__in={actor_pk, target_pk}).order_by("pk")
    found = {row.pk: row for row in rows}
    return found[actor_pk], found[target_pk]


def record(subject: str, what: str, obj: models.Model, editor: Editor, **detail: Any) -> None:
    """One event of the audit trail, in the transaction of the change: `record("group", "changed", …)`."""
    audit.record(
        f"{subject}.{what}",
        user=obj if isinstance(obj, User) else None,
        client=obj if isinstance(obj, Client) else None,
        actor=editor.actor,
        address=editor.address,
        detail={"by": editor.by, "of": str(obj), **detail},
    )


def fault_of_client_id(client_id: str) -> str:
    """Why it cannot be a client's id; empty when it can."""
    if not CLIENT_ID.fullmatch(client_id):
        return "Letters, digits and . _ ~ @ / + = - only."
    return "That is the name of the installation's own pages." if client_id == OWN_PAGES else ""


def redirect_uris(given: Iterable[str]) -> str | Fault:
    """The addresses as the column holds them, one a line."""
    uris = [uri.strip() for uri in given if uri.strip()]
    for uri in uris:
        if fault := fault_of_redirect_uri(uri):
            return Fault(f"Each address {fault}.")
    return "\n".join(uris)


def faults_of_grants(grants: Iterable[str], uris: str, *, public: bool) -> Mapping[str, str]:
    """What keeps the client from having these grants, by the field to mend."""
    found, asked = {}, set(grants)
    if GrantType.AUTHORIZATION_CODE in asked and not uris:
        found["redirect_uris"] = "authorization_code needs one."
    if GrantType.CLIENT_CREDENTIALS in asked and public:
        found["grant_types"] = "client_credentials needs a secret (RFC 6749, 4.4)."
    return found


def make_new_client_ready(client: Client, *, confidential: bool) -> str | None:
    """What a client gets that an administrator makes: its secret, shown once. The caller saves."""
    secret = new_secret() if confidential else None
    set_secret(client, secret)
    # First-party applications, named by an administrator: there is nobody whose consent could be asked.
    client.skip_authorization = True
    return secret


def replace_secret(client: Client, editor: Editor) -> str:
    """A new secret, shown once; the old one is over at once. Inside a transaction."""
    secret = new_secret()
    set_secret(client, secret)
    client.save(update_fields=["client_secret", "client_type", "hash_client_secret", "updated"])
    audit.record(
        "client.secret_replaced",
        client=client,
        actor=editor.actor,
        address=editor.address,
        detail={"by": editor.by, "of": str(client)},
    )
    return secret
