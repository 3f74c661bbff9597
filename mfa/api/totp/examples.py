"""Examples for the OpenAPI page: each request with its answer. The secret is that of RFC 6238, appendix B."""

from __future__ import annotations

from typing import Any, Final

from drf_spectacular.utils import OpenApiExample

SECRET: Final = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
MANUAL_KEY: Final = "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ"
URI: Final = (
    f"otpauth://totp/Example:ada%40example.com?secret={SECRET}&issuer=Example&algorithm=SHA1&digits=6&period=30"
)


def _pair(name: str, asked: dict[str, Any], answered: dict[str, Any]) -> list[OpenApiExample]:
    return [
        OpenApiExample(name, value=asked, request_only=True),
        OpenApiExample(f"{name}: the answer", value=answered, response_only=True, status_codes=["200"]),
    ]


GENERATE: Final = _pair("A new secret", {}, {"secret": SECRET, "manual_key": MANUAL_KEY, "bits": 160, "warnings": []})
PAIR: Final = _pair(
    "The QR code as a data URI",
    {"secret": SECRET, "issuer": "Example", "account": "ada@example.com"},
    {
        "secret": SECRET,
        "manual_key": MANUAL_KEY,
        "uri": URI,
        "qr": "data:image/png;base64,iVBORw0KGgo…",
        "warnings": [],
    },
)
VALIDATE: Final = [
    *_pair(
        "A right PIN",
        {"secret": SECRET, "pin": "081804"},
        {"valid": True, "time_step": 37037036, "warnings": []},
    ),
    *_pair(
        "The same PIN again",
        {"secret": SECRET, "pin": "081804", "after_step": 37037036},
        {"valid": False, "time_step": None, "warnings": []},
    ),
]
