"""Network addresses as units of blame: an IPv4 /24 or an IPv6 /64 (the contract's section 2.1)."""

import ipaddress


def network_of(address: str) -> str:
    """The network that tries are counted for; what is no address counts as one network of its own."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    return str(ipaddress.ip_network((parsed, 24 if parsed.version == 4 else 64), strict=False))
