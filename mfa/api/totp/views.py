"""`POST /api/totp/generate`, `/pair` and `/validate`: the secret stands in the body, never in a URL."""

from __future__ import annotations

import base64
from time import time
from typing import Any, Final

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from identity.api import parameters
from identity.api.problems import CONTENT_TYPE, problem
from identity.errors import InvalidParameters
from mfa.api.totp import examples
from mfa.api.totp.serializers import (
    GenerateAnswer,
    GenerateRequest,
    PairAnswer,
    PairRequest,
    Problem,
    ValidateAnswer,
    ValidateRequest,
)
from mfa.flows import stateless
from mfa.primitives import qr_code, totp
from mfa.primitives.provisioning_uri import provisioning_uri

_SECRET_BYTES: Final = {"SHA1": 20, "SHA256": 32, "SHA512": 64}
_MICROSOFT: Final = {"digits": 6, "period": 30, "algorithm": "SHA1"}
_HEADERS: Final = {"Cache-Control": "no-store", "Pragma": "no-cache", "Referrer-Policy": "no-referrer"}
_TAGS: Final = ["Stateless TOTP"]
_PROBLEMS: Final = {(status, CONTENT_TYPE): Problem for status in (400, 405, 406, 413, 415, 429)}


class _Picture(BaseRenderer):
    """Takes part in the choice by `Accept`; the picture itself is answered by the view."""

    charset = None

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> Any:
        return data


class _Png(_Picture):
    media_type, format = "image/png", "png"


class _Svg(_Picture):
    media_type, format = "image/svg+xml", "svg"


class _Call(APIView):
    """Reads the body once, by the rules of every call, and refuses in the form of every error."""

    taken: type[serializers.Serializer[Any]]

    def post(self, request: Request) -> HttpResponse | Response:
        try:
            taken = self.taken(data=dict(parameters.read(request._request)))
            response = self.answer(request, taken.validated_data) if taken.is_valid() else _refused(taken)
        except InvalidParameters as refused:
            response = problem(refused.status, refused.detail)
        for name, value in _HEADERS.items():
            response.headers[name] = value
        return response

    def answer(self, request: Request, given: dict[str, Any]) -> HttpResponse | Response:
        raise NotImplementedError


@extend_schema_view(
    post=extend_schema(
        operation_id="totp_generate",
        summary="Make a secret",
        description="A new secret from the operating system's random source. It is not kept: store it, encrypted.",
        tags=_TAGS,
        request=GenerateRequest,
        responses={200: GenerateAnswer, **_PROBLEMS},
        examples=examples.GENERATE,
        auth=[],
    )
)
class GenerateView(_Call):
    taken = GenerateRequest

    def answer(self, request: Request, given: dict[str, Any]) -> Response:
        secret = totp.new_secret(_SECRET_BYTES[given["algorithm"]])
        warnings = _warnings(secret, given)
        return Response({**_key(secret), "bits": len(secret) * 8, "warnings": warnings})


@extend_schema_view(
    post=extend_schema(
        operation_id="totp_pair",
        summary="Pair an app",
        description=(
            "The key to type and the QR code to scan. With `Accept: image/png` or `image/svg+xml` the answer is the "
            "picture alone."
        ),
        tags=_TAGS,
        request=PairRequest,
        responses={
            (200, "application/json"): PairAnswer,
            (200, "image/png"): OpenApiTypes.BINARY,
            (200, "image/svg+xml"): OpenApiTypes.STR,
            **_PROBLEMS,
        },
        examples=examples.PAIR,
        auth=[],
    )
)
class PairView(_Call):
    taken = PairRequest
    renderer_classes = [JSONRenderer, _Png, _Svg]

    def answer(self, request: Request, given: dict[str, Any]) -> HttpResponse | Response:
        secret, size = given["secret"], given["size"]
        names = {name: given[name] for name in ("issuer", "account", *_MICROSOFT)}
        uri = provisioning_uri(secret, **names)
        wanted = getattr(request.accepted_renderer, "format", "json")
        try:
            if wanted == "png":
                return HttpResponse(qr_code.png(uri, size), content_type="image/png")
            if wanted == "svg":
                return HttpResponse(qr_code.svg(uri, size), content_type="image/svg+xml")
            qr = _qr(given["qr"], uri, size)
        except qr_code.DoesNotFit:
            raise InvalidParameters(
                "The names are too long for a QR code of this size. Ask for a larger one."
            ) from None
        return Response({**_key(secret), "uri": uri, "qr": qr, "warnings": _warnings(secret, given)})


@extend_schema_view(
    post=extend_schema(
        operation_id="totp_validate",
        summary="Check a PIN",
        description=(
            "Whether the PIN is right now. After ten wrong PINs within a minute the secret rests: 429, and no PIN is "
            "evaluated. A PIN stays right for its whole window, so keep `time_step` and send it as `after_step`."
        ),
        tags=_TAGS,
        request=ValidateRequest,
        responses={200: ValidateAnswer, **_PROBLEMS},
        examples=examples.VALIDATE,
        auth=[],
    )
)
class ValidateView(_Call):
    taken = ValidateRequest

    def answer(self, request: Request, given: dict[str, Any]) -> HttpResponse | Response:
        how = {name: given[name] for name in ("window", "after_step", *_MICROSOFT)}
        checked = stateless.check(given["secret"], given["pin"], now=time(), **how)
        if checked.retry_after:
            detail = "Too many wrong PINs for this secret; this one was not evaluated."
            return problem(429, detail, retry_after=checked.retry_after)
        return Response(
            {
                "valid": checked.time_step is not None,
                "time_step": checked.time_step,
                "warnings": _warnings(given["secret"], given),
            }
        )


def _refused(taken: serializers.Serializer[Any]) -> HttpResponse:
    """400, and for each field at fault what it takes."""
    errors = [{"field": field, "detail": str(detail)} for field, found in taken.errors.items() for detail in found]
    return problem(400, "Some fields cannot be accepted.", extra={"errors": errors})


def _key(secret: bytes) -> dict[str, str]:
    key = totp.base32(secret)
    return {"secret": key, "manual_key": " ".join(key[at : at + 4] for at in range(0, len(key), 4))}


def _qr(kind: str, uri: str, size: int) -> str | None:
    if kind == "svg":
        return qr_code.svg(uri, size)
    if kind == "none":
        return None
    encoded = base64.b64encode(qr_code.png(uri, size)).decode("ascii")
    return encoded if kind == "png" else f"data:image/png;base64,{encoded}"


def _warnings(secret: bytes, given: dict[str, Any]) -> list[str]:
    """What works here and fails, or is weak, elsewhere."""
    warnings = [
        f"Microsoft Authenticator ignores `{name}` and always uses {usual}: its codes will be wrong."
        for name, usual in _MICROSOFT.items()
        if given.get(name, usual) != usual
    ]
    if len(secret) < 16:
        warnings.append(f"This secret has {len(secret) * 8} bits. RFC 4226 asks for 128 at least, better 160.")
    return warnings
