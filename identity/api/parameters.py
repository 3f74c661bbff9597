"""Parameters: from a form, a JSON body and, where a call allows it, the query; names without case, each once."""

import json
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, UnreadablePostError

from identity.errors import InvalidParameters

_MAXIMUM_FIELDS = 100
_FORM, _JSON = "application/x-www-form-urlencoded", "application/json"


class Parameters(Mapping[str, object]):
    """Read-only; `parameters["username"]` finds `Username`. Values are text, or what JSON held."""

    def __init__(self, pairs: Iterable[tuple[str, object]]) -> None:
        self._values: dict[str, object] = {}
        for name, value in pairs:
            key = name.casefold()
            if not _is_unicode(key):
                raise InvalidParameters("A parameter's name is not Unicode text.")
            if key in self._values:
                raise InvalidParameters("A parameter is given twice.")
            self._values[key] = value

    def __getitem__(self, name: str) -> object:
        return self._values[name.casefold()]

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def text(self, name: str, *, limit: int = 4096) -> str:
        """The parameter as text, "" when it is not there or null. Anything but text is refused, never converted.

        A name too long or holding a NUL is refused as well: no store or comparison ever meets one.
        """
        value = self._values.get(name.casefold())
        if value is None:
            return ""
        if not isinstance(value, str):
            raise InvalidParameters(f"{name} is not text.")
        if len(value) > limit or "\x00" in value:
            raise InvalidParameters(f"{name} is too long or holds a character that is not allowed.")
        if not _is_unicode(value):
            raise InvalidParameters(f"{name} is not Unicode text.")
        return value

    def switch(self, name: str) -> bool:
        """A yes or no, as JSON or as text; "" and absence are no."""
        value = self._values.get(name.casefold())
        if isinstance(value, bool):
            return value
        if value is None or (isinstance(value, str) and value.casefold() in ("", "false", "0")):
            return False
        if isinstance(value, str) and value.casefold() in ("true", "1"):
            return True
        raise InvalidParameters(f"{name} is neither true nor false.")


def _is_unicode(text: str) -> bool:
    """JSON can name half of a surrogate pair, which no store and no address can hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def read(request: HttpRequest, *, query: bool = False) -> Parameters:
    """Everything the request gives, or InvalidParameters (400, 413 or 415). Reads at most 64 KiB of body."""
    pairs: list[tuple[str, object]] = list(_query(request)) if query else []
    body = _body(request)
    if body:
        media_type = (request.content_type or "").lower()
        if media_type == _JSON:
            pairs += _json(body)
        elif media_type in (_FORM, ""):
            pairs += _form(body)
        else:
            raise InvalidParameters(f"Send the body as {_FORM} or {_JSON}.", status=415)
    return Parameters(pairs)


def _body(request: HttpRequest) -> bytes:
    if not request.META.get("CONTENT_LENGTH") and "wsgi.input" in request.META:
        return b""  # WSGI reads no body without a length, and most calls by GET have neither.
    try:
        body = request.body
    except RequestDataTooBig:
        raise InvalidParameters("The body is larger than 64 KiB.", status=413) from None
    except UnreadablePostError:
        raise InvalidParameters("The body broke off.") from None
    if len(body) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
        raise InvalidParameters("The body is larger than 64 KiB.", status=413)
    return body


def _query(request: HttpRequest) -> list[tuple[str, object]]:
    return _pairs(request.META.get("QUERY_STRING", ""), "query")


def _form(body: bytes) -> list[tuple[str, object]]:
    try:
        return _pairs(body.decode(), "body")
    except UnicodeDecodeError:
        raise InvalidParameters("The body is not UTF-8.") from None


def _pairs(text: str, where: str) -> list[tuple[str, object]]:
    try:
        return [*parse_qsl(text, keep_blank_values=True, max_num_fields=_MAXIMUM_FIELDS, errors="strict")]
    except ValueError:  # UnicodeDecodeError is one.
        raise InvalidParameters(f"The {where} could not be read.") from None


def _json(body: bytes) -> list[tuple[str, object]]:
    try:
        pairs = json.loads(body, object_pairs_hook=_Object)
    except (ValueError, RecursionError):
        raise InvalidParameters("The body is not JSON.") from None
    if not isinstance(pairs, _Object):
        raise InvalidParameters("The body is not a JSON object.")
    return list(pairs)


class _Object(list[tuple[str, object]]):
    """A JSON object as its pairs, so that a name given twice is seen."""
