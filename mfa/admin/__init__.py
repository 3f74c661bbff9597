"""The panel's pages about people, their authenticators, the MFA policies and the keys."""

from mfa.admin import keys, policies, users

__all__ = ["keys", "policies", "users"]
