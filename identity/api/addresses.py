"""Who is asking: the address at the far end of as many proxies as are configured, and no header more."""

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
    address = direct
    if len(entries) >= settings.TRUSTED_PROXIES:
        from python_ipware import IpWare  # Only who stands behind a proxy needs it.

        parsed = IpWare().get_client_ip({"HTTP_X_FORWARDED_FOR": entries[-settings.TRUSTED_PROXIES]})[0]
        address = str(parsed) if parsed else direct
    request.META["stepward.address"] = address
    return address
