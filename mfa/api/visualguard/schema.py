"""What OpenAPI says of these calls."""

from typing import Any

TOKEN: dict[str, Any] = {}
QR_IMAGE: dict[str, Any] = {}
QR_IMAGE_POST: dict[str, Any] = {}
QR_BYTES: dict[str, Any] = {}
QR_BYTES_POST: dict[str, Any] = {}
CONFIRM: dict[str, Any] = {}
SEND: dict[str, Any] = {}
CANCEL: dict[str, Any] = {}
RECOVERY_CODES: dict[str, Any] = {}
INFORMATION: dict[str, Any] = {}
START: dict[str, Any] = {}
PASSWORD: dict[str, Any] = {}
