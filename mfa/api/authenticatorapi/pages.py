"""`/pair.aspx`, `/qr.aspx` and `/Validate.aspx`: no database, no session, no REST framework."""

from __future__ import annotations

import re
from time import time
from typing import Final
from urllib.parse import quote

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from identity.api import parameters
from identity.api.parameters import Parameters
from identity.errors import InvalidParameters
from mfa.api.authenticatorapi.answers import HTML, answer, page
from mfa.flows import stateless
from mfa.flows.stateless import Checked, Pairing
from mfa.primitives import qr_code

_LONGEST: Final = 1000
"""Characters of a QR code's text. The service that the original redirects to takes 900."""
_SIZE: Final = re.compile(r"([0-9]{1,5})[xX]([0-9]{1,5})")


@page
def pair(request: HttpRequest) -> HttpResponse:
    """The link and picture that the caller puts into a page of its own."""
    given = parameters.read(request, query=True)
    missing = missing_of(given, "AppName", "AppInfo", "SecretCode")
    if missing:
        return answer(f"Pass '{missing}' in QueryString")
    return answer(html_of(paired(given)), HTML)


@page
def qr(request: HttpRequest) -> HttpResponse:
    """The picture itself, drawn here."""
    given = parameters.read(request, query=True)
    missing = missing_of(given, "data")
    if missing:
        return answer(f"Pass '{missing}' in QueryString")
    try:
        return answer(qr_code.png(given.text("data", limit=_LONGEST), _edge(given.text("size"))), "image/png")
    except qr_code.DoesNotFit as refused:
        raise InvalidParameters(f"{str(refused).capitalize()}.") from None


@page
def validate(request: HttpRequest) -> HttpResponse:
    """`True` or `False`, and nothing else."""
    given = parameters.read(request, query=True)
    missing = missing_of(given, "Pin", "SecretCode")
    if missing:
        return answer(f"Pass '{missing}' in QueryString")
    checked = validated(given)
    if checked.retry_after:
        return answer("False", status=429, retry_after=checked.retry_after)
    return answer("False" if checked.time_step is None else "True")


def missing_of(given: Parameters, *names: str) -> str | None:
    """The first of these parameters that is missing or empty."""
    return next((name for name in names if given.get(name) in (None, "")), None)


def paired(given: Parameters) -> Pairing:
    """The pairing that `AppName`, `AppInfo`, `SecretCode` and perhaps `SecretEncoding` ask for."""
    return stateless.pairing(given.text("AppName"), given.text("AppInfo"), _key_of(given))


def validated(given: Parameters) -> Checked:
    """Whether `Pin` is right for `SecretCode`, now. Any Pin may be asked about: what is no PIN is a wrong one."""
    return stateless.check(_key_of(given), given.get("Pin"), now=time(), window=stateless.accepted_window())


def html_of(pairing: Pairing) -> str:
    """Byte for byte what the original service answers, with our address in it (the contract's section 4)."""
    data = quote(pairing.uri, safe="")
    return (
        f"<a title='Manually pair with {pairing.key}' href='{settings.PUBLIC_URL}'>"
        f"<img src='{settings.PUBLIC_URL}/qr.aspx?size=300x300&data={data}' border=0></a>"
    )


def _key_of(given: Parameters) -> bytes:
    return stateless.key_of(given.text("SecretCode"), given.text("SecretEncoding"))


def _edge(size: str) -> int:
    """The edge of the square picture: the smaller side, brought into our bounds; 300 pixels without a size."""
    if not size:
        return 300
    found = _SIZE.fullmatch(size)
    if not found:
        raise InvalidParameters("size is width x height in pixels, such as 300x300.")
    return max(qr_code.SMALLEST, min(qr_code.LARGEST, *map(int, found.groups())))
