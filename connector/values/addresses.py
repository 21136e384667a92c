"""IP addresses and networks: their one canonical text, and where they mean something."""

import functools
import ipaddress
import re
import socket

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_LONGEST = 64
_HEXADECIMAL = "0[xX]0{0,32}[0-9a-fA-F]{1,8}"
_NUMBER = f"(?:{_HEXADECIMAL}|0|[1-9][0-9]{{0,9}})"
_NUMBER_OR_OCTAL = f"(?:{_HEXADECIMAL}|[0-9]{{1,11}})"
_NUMBERS = re.compile(rf"{_NUMBER}(?:\.{_NUMBER}){{0,3}}")
_NUMBERS_OR_OCTAL = re.compile(rf"{_NUMBER_OR_OCTAL}(?:\.{_NUMBER_OR_OCTAL}){{0,3}}")
_DOCUMENTATION = tuple(
    ipaddress.ip_network(network)
    for network in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20")
)
"""RFC 5737, RFC 3849, RFC 9637: for Python they are private."""
_CLIENT_PREFIX = 64
"""An IPv6 client has a network of this size, and as many addresses as it likes."""
_SCOPES = ("unspecified", "loopback", "link_local", "multicast", "global", "reserved", "private")
"""In this order, since several may be true of one address: of a loopback address, private as well."""


@functools.lru_cache(maxsize=64)  # of one address several things are asked, one after the other
def parse(text: str) -> Address | Network | None:
    """An IP address or network; None for any other text."""
    # Most hosts are names: what has neither a colon nor a digit at its end cannot be an address.
    if len(text) > _LONGEST or not (":" in text or text[-1:].isdecimal()):
        return None
    try:
        if "/" in text:
            return ipaddress.ip_network(text, strict=False)
        return _address(text)
    except ValueError:
        return None


def _address(text: str) -> Address:
    """An address; the operating system reads most of them, several times as fast as `ipaddress`."""
    try:
        if ":" in text:
            return ipaddress.IPv6Address(socket.inet_pton(socket.AF_INET6, text))
        return ipaddress.IPv4Address(socket.inet_pton(socket.AF_INET, text))
    except (OSError, ValueError):  # what it does not read may still be an address, such as one with a zone
        return ipaddress.IPv6Address(text) if ":" in text else ipaddress.IPv4Address(text)


def canonical(text: str) -> str | None:
    """An address or network in its one canonical form (RFC 5952 for IPv6); None for other text."""
    address = parse(text)
    if address is None or "%" in text:  # a zone means something on its own machine alone
        return None
    if not isinstance(address, Network):
        return text if isinstance(address, ipaddress.IPv4Address) else _written(address)
    first = _written(address.network_address)
    return first if address.prefixlen == address.max_prefixlen else f"{first}/{address.prefixlen}"


def is_ipv4(text: str) -> bool:
    """Whether a text is an IPv4 address in its canonical form; many times faster than `parse`."""
    if not text[-1:].isdecimal():
        return False
    try:
        socket.inet_pton(socket.AF_INET, text)
    except (OSError, ValueError):  # ValueError: of the character NUL, or beyond ASCII
        return False
    return True


def of_numbers(host: str, *, octal: bool = False) -> str | None:
    """The IPv4 address that browsers go to for a host of numbers, such as `0xC0.0.513` (WHATWG URL, "IPv4 parser").

    None for any other text. Of a number with zeros before it only `octal` says what browsers make: other programs read
    it as decimal, or refuse it.
    """
    host = host.removesuffix(".")
    if not (_NUMBERS_OR_OCTAL if octal else _NUMBERS).fullmatch(host):
        return None
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except OSError:
        return None


def written(text: str) -> str | None:
    """As `canonical`, also of blanks around it, and of numbers with one in hexadecimal, such as `0xC0.0.2.1`."""
    text = text.strip()
    return of_numbers(text) if "." in text and "0x" in text.lower() else canonical(text)


def is_loopback(host: str) -> bool:
    """Whether an address or host name stands for this machine alone (RFC 6761 section 6.3 for names)."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return f".{host.lower()}".endswith(".localhost")


def _written(address: Address) -> str:
    # Python's own text of an IPv4-mapped address is not the same in all its versions; this is RFC 5952 section 5.
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(address) if mapped is None else f"::ffff:{mapped}"


@functools.lru_cache(maxsize=64)  # what Python answers takes 5 µs, and one notification names an address several times
def scope(address: Address | Network) -> str:
    """Where it means something: `global`, `private`, `documentation`, …; of a network, where its first address does.

    Source: the IANA registries of special-purpose addresses, as Python's `ipaddress` has them.
    """
    first = address.network_address if isinstance(address, Network) else address
    if isinstance(first, ipaddress.IPv6Address) and first.ipv4_mapped:
        first = first.ipv4_mapped
    if any(first in network for network in _DOCUMENTATION if network.version == first.version):
        return "documentation"
    return next((scope for scope in _SCOPES if getattr(first, f"is_{scope}")), "reserved")


def network_of(client: str) -> str:
    """The network that one client has all of: an IPv4 address, or the /64 of an IPv6 address (RFC 6177)."""
    found = parse(client.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, _CLIENT_PREFIX), strict=False))
    return client
