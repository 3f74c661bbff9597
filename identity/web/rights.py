"""Who may do what to whom in the panel: one table, asked for every verb and for every object (ATTACKS A63).

A role holds every right of a lower one. Acts on a person look at that person's role too, and nobody acts on
himself: his own account he manages like everybody else, with a fresh second factor, under /account/.
"""

from enum import StrEnum

from identity.models import User
from identity.models.user import AdminRole


class Right(StrEnum):
    READ = "read"
    UNLOCK = "unlock"
    RESET_MFA = "reset_mfa"
    MANAGE_PEOPLE = "manage_people"
    CONFIGURE = "configure"
    ROTATE_KEYS = "rotate_keys"


LEAST_ROLE: dict[Right, AdminRole] = {
    Right.READ: AdminRole.AUDITOR,
    Right.UNLOCK: AdminRole.HELPDESK,
    Right.RESET_MFA: AdminRole.HELPDESK,
    Right.MANAGE_PEOPLE: AdminRole.ADMINISTRATOR,
    Right.CONFIGURE: AdminRole.ADMINISTRATOR,
    Right.ROTATE_KEYS: AdminRole.OWNER,
}
_ON_PEOPLE = {Right.UNLOCK, Right.RESET_MFA, Right.MANAGE_PEOPLE}


def may(actor: User, right: Right, target: User | None = None) -> bool:
    """Whether `actor` holds the right, on this very person when `target` is given."""
    if not actor.is_active or actor.admin_role < LEAST_ROLE[right]:
        return False
    if target is None or right not in _ON_PEOPLE:
        return True
    return target.pk != actor.pk and target.admin_role <= _highest_managed(actor)


def roles_to_give(actor: User) -> list[AdminRole]:
    """The roles that `actor` may put somebody into: an owner every one, an administrator those below his own."""
    if not may(actor, Right.MANAGE_PEOPLE):
        return []
    return [role for role in AdminRole if role <= _highest_managed(actor)]


def _highest_managed(actor: User) -> AdminRole:
    if actor.admin_role >= AdminRole.OWNER:
        return AdminRole.OWNER
    if actor.admin_role >= AdminRole.ADMINISTRATOR:
        return AdminRole.HELPDESK
    return AdminRole.NONE
