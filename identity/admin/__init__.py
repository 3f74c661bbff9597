"""The panel's pages about clients, groups, the installation and the audit trail."""

from identity.admin import audit, clients, groups, installation

__all__ = ["audit", "clients", "groups", "installation"]
