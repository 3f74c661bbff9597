"""The panel's pages about people, their authenticators and the MFA policies."""

from mfa.admin import policies, users

__all__ = ["policies", "users"]
