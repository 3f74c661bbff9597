"""Bringing clients, groups, policies and users to the state that a file declares (the contract's section 6)."""

from mfa.flows.provisioning.bring_about import bring_about
from mfa.flows.provisioning.declared import Declared, read
from mfa.flows.provisioning.fields import NotAcceptable

__all__ = ["Declared", "NotAcceptable", "bring_about", "read"]
