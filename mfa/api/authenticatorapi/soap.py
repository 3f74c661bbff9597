"""SOAP 1.1 and 1.2 envelopes: read without entities, external references or a schema, and written by hand.

Sources: SOAP 1.1 (W3C note), sections 4 and 6; SOAP 1.2 part 1, section 5, and part 2, section 7.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from xml.etree.ElementTree import Element, ParseError, TreeBuilder
from xml.sax.saxutils import escape

from defusedxml.ElementTree import DefusedXMLParser

from identity.api.parameters import Parameters
from identity.errors import InvalidParameters

NAMESPACE: Final = "http://authenticatorapi.com/"


@dataclass(frozen=True, slots=True)
class Version:
    """One of the two versions, with the words in which they differ."""

    envelope: str
    media_type: str
    sender: str
    receiver: str


SOAP_11: Final = Version("http://schemas.xmlsoap.org/soap/envelope/", "text/xml", "Client", "Server")
SOAP_12: Final = Version("http://www.w3.org/2003/05/soap-envelope", "application/soap+xml", "Sender", "Receiver")
VERSIONS: Final = (SOAP_11, SOAP_12)


@dataclass(frozen=True, slots=True)
class Call:
    """What an envelope asks for: the operation's local name, its parameters, and the version to answer in."""

    operation: str
    parameters: Parameters
    version: Version


class Fault(Exception):
    """An envelope that cannot be obeyed. `code` is a name in the version's own vocabulary; the text quotes nothing."""

    def __init__(self, version: Version, text: str, *, code: str = "", status: int = 400, retry_after: int = 0) -> None:
        super().__init__(text)
        self.version = version
        self.text = text
        self.code = code or version.sender
        self.status = status
        self.retry_after = retry_after


def version_of(media_type: str) -> Version:
    """The version that a Content-Type speaks of; 1.1 where it speaks of neither."""
    return SOAP_12 if media_type == SOAP_12.media_type else SOAP_11


def read(body: bytes, media_type: str) -> Call:
    """The call in an envelope. Its namespace decides about the version, not the Content-Type. Raises Fault."""
    spoken = version_of(media_type)
    try:
        envelope = _tree(body)
    except (ParseError, ValueError, LookupError):  # Of entities and DTDs, of encodings that nobody knows, of no XML.
        raise Fault(spoken, "The body is not XML that is read here.") from None
    version = next((known for known in VERSIONS if envelope.tag == f"{{{known.envelope}}}Envelope"), None)
    if version is None:
        raise Fault(spoken, "The body is not a SOAP envelope.", code="VersionMismatch")
    _refuse_what_must_be_understood(envelope, version)
    body_element = envelope.find(f"{{{version.envelope}}}Body")
    operation = None if body_element is None else next(iter(body_element), None)
    if operation is None:
        raise Fault(version, "The envelope has no body, or an empty one.")
    namespace, name = _split(operation.tag)
    if namespace != NAMESPACE:
        raise Fault(version, "There is no such operation here.")
    return Call(name, _parameters(operation, version), version)


class _FewElements(TreeBuilder):
    """A call has ten elements at most, security headers included perhaps fifty. Thousands only cost time to read."""

    most = 200

    def start(self, tag: str, attrs: dict[str, str], /) -> Element:
        self.most -= 1
        if self.most < 0:
            raise ValueError("too many elements")
        return super().start(tag, attrs)


def _tree(body: bytes) -> Element:
    """The document's root. Raises ParseError, ValueError (a DTD, an entity, too many elements) or LookupError."""
    parser = DefusedXMLParser(target=_FewElements(), forbid_dtd=True)
    parser.feed(body)
    root: Element = parser.close()
    return root


def _refuse_what_must_be_understood(envelope: Element, version: Version) -> None:
    """SOAP 1.1, section 4.2.3: a header that must be understood and is not ends the call."""
    header = envelope.find(f"{{{version.envelope}}}Header")
    for block in header if header is not None else ():
        if block.get(f"{{{version.envelope}}}mustUnderstand", "").strip() in ("1", "true"):
            raise Fault(version, "A header that must be understood is not.", code="MustUnderstand")


def _parameters(operation: Element, version: Version) -> Parameters:
    """The operation's children as text, in whichever namespace: clients differ in how they qualify them."""
    try:
        return Parameters([(_split(child.tag)[1], child.text or "") for child in operation])
    except InvalidParameters as refused:
        raise Fault(version, refused.detail) from None


def _split(tag: str) -> tuple[str, str]:
    namespace, _, name = tag.rpartition("}")
    return namespace.removeprefix("{"), name


def result(call: Call, inner: str) -> str:
    """The answer to a call; `inner` is XML."""
    name = call.operation
    return _envelope(
        call.version,
        f'<{name}Response xmlns="{NAMESPACE}"><{name}Result>{inner}</{name}Result></{name}Response>',
    )


def fault(raised: Fault) -> str:
    """A fault in the words of its version."""
    text = escape(raised.text)
    if raised.version is SOAP_11:
        inner = f"<faultcode>soap:{raised.code}</faultcode><faultstring>{text}</faultstring><detail />"
    else:
        inner = (
            f"<soap:Code><soap:Value>soap:{raised.code}</soap:Value></soap:Code>"
            f'<soap:Reason><soap:Text xml:lang="en">{text}</soap:Text></soap:Reason>'
        )
    return _envelope(raised.version, f"<soap:Fault>{inner}</soap:Fault>")


def elements(pairs: Iterable[tuple[str, str]]) -> str:
    """`<name>value</name>` for each pair, values escaped."""
    return "".join(f"<{name}>{escape(value)}</{name}>" for name, value in pairs)


def _envelope(version: Version, inner: str) -> str:
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        f'<soap:Envelope xmlns:soap="{version.envelope}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        f'xmlns:xsd="http://www.w3.org/2001/XMLSchema"><soap:Body>{inner}</soap:Body></soap:Envelope>'
    )
