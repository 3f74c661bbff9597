"""Who is asking: the address at the far end of as many proxies as are configured, and no header more."""

from ipaddress import IPv4Address, IPv6Address, ip_address

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """The client's address; forwarded headers are believed only behind `TRUSTED_PROXIES` proxies (ASVS 5.0 4.1.3)."""
    direct: str = request.META.get("REMOTE_ADDR", "")
    if not settings.TRUSTED_PROXIES:
        return direct
    cached = request.META.get("stepward.address")
    if isinstance(cached, str):
        return cached
    # The proxy nearest to us is the connection itself; the rest stand at the end of the header.
    entries = [entry.strip() for entry in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if entry.strip()]
    address = _parsed(entries[-settings.TRUSTED_PROXIES]) if len(entries) >= settings.TRUSTED_PROXIES else ""
    request.META["stepward.address"] = address or direct
    return address or direct


def _parsed(entry: str) -> str:
    """The address in one entry of the header, "" for what holds none.

    Most proxies write an address and nothing else. What has a port, brackets or anything more is for the library.
    """
    try:
        plain = ip_address(entry)
    except ValueError:
        plain = None
    if plain is not None and str(plain) == entry and _is_somebodys(plain):
        return entry
    from python_ipware import IpWare  # Only who stands behind an unusual proxy needs it.

    found = IpWare().get_client_ip({"HTTP_X_FORWARDED_FOR": entry})[0]
    return str(found) if found else ""


def _is_somebodys(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address can be whom a call comes from, as it is written."""
    is_mapped = isinstance(address, IPv6Address) and address.ipv4_mapped is not None
    return not (address.is_unspecified or address.is_multicast or address.is_reserved or is_mapped)
