"""What the three calls take and give. No message repeats what was sent: it may be a secret."""

from __future__ import annotations

from typing import Any, Final

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from mfa.flows.stateless import SHORTEST_BASE32
from mfa.primitives import qr_code, totp

MOST_BASE32: Final = 256
WIDEST_WINDOW: Final = 10
QR_FORMATS: Final = ("data_uri", "png", "svg", "none")


@extend_schema_field(OpenApiTypes.STR)
class TextField(serializers.CharField):
    """Text as it is: not trimmed, and not made of a number."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: object) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


@extend_schema_field(OpenApiTypes.STR)
class SecretField(TextField):
    """A Base32 secret as people copy it; its bytes."""

    default_error_messages = {
        "alphabet": "A secret is Base32: the letters A to Z and the digits 2 to 7; spaces and hyphens are ignored.",
        "short": f"A secret has at least {SHORTEST_BASE32} Base32 characters (80 bits). Better are 32 (160 bits).",
        "long": f"A secret has at most {MOST_BASE32} characters.",
        "length": "No whole number of bytes has so many Base32 characters; one is missing, or one is too many.",
    }

    def to_internal_value(self, data: object) -> bytes:  # type: ignore[override]
        text = super().to_internal_value(data)
        if len(text) > MOST_BASE32:
            self.fail("long")
        decoded = totp.decoded_base32(text, at_least=SHORTEST_BASE32)
        if decoded is None:
            characters = text.replace(" ", "").replace("-", "").rstrip("=")
            if not _is_base32(characters):
                self.fail("alphabet")
            self.fail("short" if len(characters) < SHORTEST_BASE32 else "length")
        return decoded


class _Choice(serializers.ChoiceField):
    """A choice whose refusal names what may be chosen, instead of what was sent."""

    def __init__(self, choices: tuple[str, ...], **kwargs: Any) -> None:
        super().__init__(choices=list(choices), **kwargs)
        self.error_messages["invalid_choice"] = f"This is one of {', '.join(choices)}."


class _Parameters(serializers.Serializer[Any]):
    """What an app may be told beside the secret. Microsoft Authenticator ignores all three."""

    digits = serializers.IntegerField(min_value=6, max_value=8, default=6, help_text="How long a PIN is.")
    period = serializers.IntegerField(
        min_value=15, max_value=300, default=30, help_text="For how many seconds a PIN is shown."
    )
    algorithm = _Choice(tuple(totp.ALGORITHMS), default="SHA1", help_text="The hash function of RFC 6238.")


class GenerateRequest(serializers.Serializer[Any]):
    algorithm = _Choice(
        tuple(totp.ALGORITHMS), default="SHA1", help_text="The secret becomes as long as its hash (RFC 6238, 5.1)."
    )


class GenerateAnswer(serializers.Serializer[Any]):
    secret = serializers.CharField(help_text="Base32, upper case, without padding. Store it encrypted.")
    manual_key = serializers.CharField(help_text="The same in groups of four, to be typed into an app.")
    bits = serializers.IntegerField()
    warnings = serializers.ListField(child=serializers.CharField())


class PairRequest(_Parameters):
    secret = SecretField(help_text="Base32, 16 to 256 characters.")
    issuer = TextField(max_length=128, help_text="Your application, as the app will show it.")
    account = TextField(max_length=128, help_text="Whose account it is, as the app will show it.")
    qr = _Choice(QR_FORMATS, default="data_uri", help_text="`png` is Base64, `svg` is markup, `data_uri` a PNG.")
    size = serializers.IntegerField(
        min_value=qr_code.SMALLEST, max_value=qr_code.LARGEST, default=300, help_text="The picture's edge in pixels."
    )


class PairAnswer(serializers.Serializer[Any]):
    secret = serializers.CharField()
    manual_key = serializers.CharField()
    uri = serializers.CharField(help_text="What the QR code says: an otpauth URI.")
    qr = serializers.CharField(allow_null=True)
    warnings = serializers.ListField(child=serializers.CharField())


class ValidateRequest(_Parameters):
    secret = SecretField(help_text="Base32, 16 to 256 characters.")
    pin = TextField(max_length=64, allow_blank=True, help_text="As the person typed it.")
    window = serializers.IntegerField(
        min_value=0, max_value=WIDEST_WINDOW, default=1, help_text="How many periods early or late a PIN may be."
    )
    after_step = serializers.IntegerField(
        min_value=-1,
        max_value=2**62,
        default=-1,
        help_text="The `time_step` of the last PIN that you accepted: it and those before it are refused.",
    )


class ValidateAnswer(serializers.Serializer[Any]):
    valid = serializers.BooleanField()
    time_step = serializers.IntegerField(
        allow_null=True, help_text="The period whose PIN it was. Keep it, and send it as `after_step` next time."
    )
    warnings = serializers.ListField(child=serializers.CharField())


class FieldError(serializers.Serializer[Any]):
    field = serializers.CharField()
    detail = serializers.CharField()


class Problem(serializers.Serializer[Any]):
    """RFC 9457."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    errors = FieldError(many=True, required=False)  # type: ignore[assignment]  # A field here, not the property.


def _is_base32(characters: str) -> bool:
    """Whether each character by itself is one of Base32."""
    return all(totp.decoded_base32(character * 2) is not None for character in set(characters))
