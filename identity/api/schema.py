"""What OpenAPI says of these calls."""

from typing import Any

DISCOVERY: dict[str, Any] = {}
JWKS: dict[str, Any] = {}
USERINFO: dict[str, Any] = {}
USERINFO_POST: dict[str, Any] = {}
INTROSPECTION: dict[str, Any] = {}
REVOCATION: dict[str, Any] = {}
