"""`/api.asmx`: the same two operations for SOAP 1.1 and 1.2, for GET and form POST (XML), and for JSON.

Each way of asking has its way of answering, also for errors; what is asked is the same, and done by the same code as
the `.aspx` pages. `docs/reference/authenticatorapi.md` lists where this departs from ASP.NET.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.template.loader import render_to_string

from identity.api import parameters
from identity.api.parameters import Parameters
from identity.errors import InvalidParameters
from mfa.api.authenticatorapi import soap
from mfa.api.authenticatorapi.answers import HTML, answer, page
from mfa.api.authenticatorapi.pages import html_of, missing_of, paired, validated
from mfa.api.authenticatorapi.soap import Fault

XML: Final = "text/xml; charset=utf-8"
JSON: Final = "application/json; charset=utf-8"

_XML_TYPES: Final = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema"'


Result = list[tuple[str, str]] | bool
"""What an operation returns: the pairing's two texts in their order, or whether the PIN is right."""


class Resting(Exception):
    """Too many wrong PINs for this secret: nothing was evaluated."""

    def __init__(self, retry_after: int) -> None:
        super().__init__()
        self.retry_after = retry_after


@page
def service(request: HttpRequest) -> HttpResponse:
    """`/api.asmx` itself: SOAP by POST, the WSDL and a short description by GET."""
    if request.method == "POST":
        return _soap(request)
    context = {"url": settings.PUBLIC_URL}
    if request.META.get("QUERY_STRING", "").partition("=")[0].lower() == "wsdl":
        return answer(render_to_string("authenticatorapi/service.wsdl", context), XML)
    return answer(render_to_string("authenticatorapi/service.html", context), HTML)


@page
def operation(request: HttpRequest, name: str) -> HttpResponse:
    """`/api.asmx/Pair` and `/api.asmx/ValidatePin`; JSON answers for JSON bodies, XML for anything else."""
    wants_json = request.method == "POST" and (request.content_type or "").lower() == "application/json"
    say = _json_answer if wants_json else _xml_answer
    try:
        return say(OPERATIONS[name](parameters.read(request, query=True)), 200)
    except InvalidParameters as refused:
        return _json_error(refused) if wants_json else answer(refused.detail, status=refused.status)
    except Resting as resting:
        return say(False, 429, resting.retry_after)


def _soap(request: HttpRequest) -> HttpResponse:
    media_type = (request.content_type or "").lower()
    try:
        call = soap.read(_body(request, media_type), media_type)
        if call.operation not in OPERATIONS:
            raise Fault(call.version, "There is no such operation here.")
        try:
            found = OPERATIONS[call.operation](call.parameters)
        except InvalidParameters as refused:
            raise Fault(call.version, refused.detail) from None
        except Resting as resting:
            raise Fault(
                call.version,
                "Too many wrong PINs for this secret; this one was not evaluated.",
                code=call.version.receiver,
                status=429,
                retry_after=resting.retry_after,
            ) from None
        inner = soap.elements(found) if isinstance(found, list) else str(found).lower()
        return answer(soap.result(call, inner), f"{call.version.media_type}; charset=utf-8")
    except Fault as fault:
        return answer(
            soap.fault(fault),
            f"{fault.version.media_type}; charset=utf-8",
            status=fault.status,
            retry_after=fault.retry_after or None,
        )


def _body(request: HttpRequest, media_type: str) -> bytes:
    version = soap.version_of(media_type)
    try:
        return request.body
    except RequestDataTooBig:
        raise Fault(version, "The body is larger than 64 KiB.", status=413) from None
    except UnreadablePostError:
        raise Fault(version, "The body broke off.") from None


def _pair(given: Parameters) -> list[tuple[str, str]]:
    _refuse_missing(given, "appName", "appInfo", "secretCode")
    pairing = paired(given)
    return [("ManualSetupCode", pairing.key), ("Html", html_of(pairing))]


def _validate_pin(given: Parameters) -> bool:
    _refuse_missing(given, "pin", "secretCode")
    checked = validated(given)
    if checked.retry_after:
        raise Resting(checked.retry_after)
    return checked.time_step is not None


OPERATIONS: Final[dict[str, Callable[[Parameters], Result]]] = {"Pair": _pair, "ValidatePin": _validate_pin}


def _refuse_missing(given: Parameters, *names: str) -> None:
    missing = missing_of(given, *names)
    if missing:
        raise InvalidParameters(f"Missing parameter: {missing}.")


def _xml_answer(found: Result, status: int, retry_after: int | None = None) -> HttpResponse:
    if isinstance(found, list):
        inner = f'<PairingInfo {_XML_TYPES} xmlns="{soap.NAMESPACE}">{soap.elements(found)}</PairingInfo>'
    else:
        inner = f'<boolean xmlns="{soap.NAMESPACE}">{str(found).lower()}</boolean>'
    return answer(f'<?xml version="1.0" encoding="utf-8"?>\n{inner}', XML, status=status, retry_after=retry_after)


def _json_answer(found: Result, status: int, retry_after: int | None = None) -> HttpResponse:
    value: Any = found
    if isinstance(found, list):
        value = {"__type": "AuthenticatorAPI.PairingInfo", **dict(found)}
    return answer(json.dumps({"d": value}), JSON, status=status, retry_after=retry_after)


def _json_error(refused: InvalidParameters) -> HttpResponse:
    """ASP.NET's members; there is never a stack trace in them."""
    document = {"Message": refused.detail, "StackTrace": "", "ExceptionType": ""}
    return answer(json.dumps(document), JSON, status=refused.status)
