"""IP addresses and networks: their one canonical text, and where they mean something."""

import functools
import ipaddress
from bisect import bisect
from collections.abc import Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_LONGEST = 64
_SPECIAL = (
    # RFC 6890 and the IANA registries of special-purpose addresses; the specification of IPv6 for what it reserves.
    (
        "0.0.0.0/8 0.0.0.0/32 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 "
        "192.0.0.0/29 192.0.0.8/32 192.0.0.9/32 192.0.0.10/32 192.0.0.170/31 192.0.2.0/24 192.31.196.0/24 "
        "192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 "
        "224.0.0.0/4 240.0.0.0/4 255.255.255.255/32"
    ),
    (
        "::/128 ::1/128 ::/8 ::ffff:0:0/96 64:ff9b::/96 64:ff9b:1::/48 100::/8 100::/64 200::/7 400::/6 800::/5 "
        "1000::/4 2001::/23 2001::/32 2001:1::1/128 2001:1::2/128 2001:1::3/128 2001:2::/48 2001:3::/32 "
        "2001:4:112::/48 2001:10::/28 2001:20::/28 2001:30::/28 2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20 "
        "4000::/3 5f00::/16 6000::/3 8000::/3 a000::/3 c000::/3 e000::/4 f000::/5 f800::/6 fc00::/7 fe00::/9 "
        "fe80::/10 fec0::/10 ff00::/8"
    ),
)
_DOCUMENTATION = tuple(
    ipaddress.ip_network(network)
    for network in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20")
)
_SCOPES = ("unspecified", "loopback", "link_local", "multicast", "global", "reserved", "private")


@functools.lru_cache(maxsize=64)  # of one address several things are asked, one after the other
def parse(text: str) -> Address | Network | None:
    """An IP address or network; None for any other text."""
    # Most hosts are names: what has neither a colon nor a digit at its end cannot be an address.
    if len(text) > _LONGEST or not (":" in text or text[-1:].isdecimal()):
        return None
    try:
        if "/" in text:
            return ipaddress.ip_network(text, strict=False)
        return ipaddress.IPv6Address(text) if ":" in text else ipaddress.IPv4Address(text)
    except ValueError:
        return None


def canonical(text: str) -> str | None:
    """An address or network in its one canonical form (RFC 5952 for IPv6); None for other text."""
    address = parse(text)
    if address is None or "%" in text:  # a zone means something on its own machine alone
        return None
    if not isinstance(address, Network):
        return text if address.version == 4 else _written(address)  # noqa: PLR2004 -- which has no other text
    first = _written(address.network_address)
    return first if address.prefixlen == address.max_prefixlen else f"{first}/{address.prefixlen}"


def _written(address: Address) -> str:
    # Python's own text of an IPv4-mapped address is not the same in all its versions; this is RFC 5952 section 5.
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(address) if mapped is None else f"::ffff:{mapped}"


def scope(address: Address | Network) -> str:
    """Where it means something: `global`, `private`, `documentation`, …; of a network, where its first address does."""
    first = address.network_address if isinstance(address, Network) else address
    if isinstance(first, ipaddress.IPv6Address) and first.ipv4_mapped:
        first = first.ipv4_mapped
    starts, scopes = _ranges(first.version)
    return scopes[bisect(starts, int(first)) - 1]


@functools.cache
def _ranges(version: int) -> tuple[Sequence[int], Sequence[str]]:
    """Where each run of addresses of one scope begins, in order, and the scopes: to ask Python each time is slow."""
    make = ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address  # noqa: PLR2004 -- IPv4
    starts = {0}
    for text in _SPECIAL[version == 6].split():  # noqa: PLR2004 -- IPv6
        network = ipaddress.ip_network(text)
        starts |= {int(network.network_address), int(network.broadcast_address) + 1}
    ordered = sorted(starts)
    last = 2 ** (32 if version == 4 else 128)  # noqa: PLR2004 -- IPv4
    return ordered, [_scope(make(start)) if start < last else "" for start in ordered]


def _scope(address: Address) -> str:
    if any(address in network for network in _DOCUMENTATION if network.version == address.version):
        return "documentation"
    return next((scope for scope in _SCOPES if getattr(address, f"is_{scope}")), "reserved")
