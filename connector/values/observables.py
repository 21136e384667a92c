"""What a text names that can be observed on a network or a disk: a file's hash, a URL, an address, a host.

Each has one spelling here, so that two texts that name the same are equal.
"""

import hashlib
import ipaddress
import re
import socket
from typing import Literal, NamedTuple

from connector.values import addresses, uri

Kind = Literal["hash", "url", "address", "host"]

_HASH = re.compile(r"(?:[0-9a-fA-F]{32}|[0-9a-fA-F]{40}|[0-9a-fA-F]{64})")
"""MD5, SHA-1, SHA-256."""
_MAPPED = 96
"""Bits of a prefix: ::ffff:0:0/96 has the IPv4 addresses (RFC 4291 section 2.5.5.2). On a list it stands for this
form, not for all IPv4 addresses."""
_NAT64 = 0x0064FF9B << 64
"""64:ff9b::/96, without the last 32 bits."""
_6TO4 = 0x2002
"""2002::/16, without all further bits."""
_LAST_OF_ITS_OWN = 0xFFFF
"""Below ::1:0 are ::, ::1 and what nobody writes as an IPv4 address."""
_FOUR, _SIX = ipaddress.IPv4Address, ipaddress.IPv6Address
_LONGEST_URL = 8192
"""Characters; what is longer names nothing here."""


class Observable(NamedTuple):
    """What a text names.

    Attributes:
        value: in its one spelling: a hash in lower case, a URL as `uri.canonical` has it, an address or network as
            RFC 5952 does, a host in lower case and A-labels.
    """

    kind: Kind
    value: str


def recognise(text: str) -> Observable | None:
    """What a text names; None when it names nothing of the kinds there are."""
    text = text.strip()
    if "://" in text:
        spelled = uri.canonical(text) if len(text) <= _LONGEST_URL else None
        return None if spelled is None else Observable("url", spelled)
    if "." not in text and ":" not in text:
        return Observable("hash", text.lower()) if _HASH.fullmatch(text) else None
    if ":" in text or text[-1].isdecimal():
        address = text if _ipv4(text) else addresses.canonical(text)
        return None if address is None else Observable("address", address)
    name = uri.domain(text)
    return None if name is None else Observable("host", name)


def name(text: str) -> str:
    """What all spellings of an observable have in common; of a URL its SHA-256, by which VirusTotal names it too."""
    written = uri.one_spelling(text)
    if "://" in written:
        return hashlib.sha256(written.encode("utf-8", "surrogatepass")).hexdigest()
    return written


def of_entity(entity_type: str, value: str | None) -> str | None:
    """The value of an entity as it is looked up, sent and logged; None where it names nothing that could be.

    Of an address the port or zone behind it is left out. A file is named by a hash. A type that is not known keeps its
    value as it is.
    """
    if value is None:
        return None
    match entity_type:
        case "file":
            return value.lower() if _HASH.fullmatch(value) else None
        case "url":
            return uri.spelled(value)
        case "domain":
            return uri.domain(value)
        case "ip_address":
            parts = uri.parts(f"ip://{value.strip()}") or {}
            host = parts.get("host") if parts.get("port") else value.strip().partition("%")[0]
            return addresses.canonical(host) if isinstance(host, str) else None
        case _:
            return value


def is_usual_host(text: str) -> bool:
    """Whether `recognise` would give the text itself if it is a host name, and nothing else; it need not be one."""
    return (
        text.islower() and text.isascii() and text[-1].isalpha() and text[0] > " " and "." in text and ":" not in text
    )


def host_of(url: str) -> Observable | None:
    """The host or address to which browsers go for a URL (WHATWG URL); None when it names none."""
    host = uri.host(url) or uri.octal_address(url)
    found = recognise(host) if host else None
    return found if found is not None and found.kind in ("host", "address") else None


def packed(address: str) -> tuple[int, int, int]:
    """An address or network as numbers: its version, its first address, and the length of its prefix in bits.

    An IPv4 address in the form of an IPv6 address is the IPv4 address.

    Raises:
        ValueError: it is none.
    """
    if four := _ipv4(address):
        return 4, int.from_bytes(four, "big"), 32
    network = ipaddress.ip_network(address, strict=False)
    first, length = network.network_address, network.prefixlen
    if isinstance(first, ipaddress.IPv6Address) and first.ipv4_mapped and length > _MAPPED:
        return 4, int(first.ipv4_mapped), length - _MAPPED
    return network.version, int(first), length


def carried(address: str) -> str | None:
    """The IPv4 address to which packets for an IPv6 address go; None when it is none that carries one.

    NAT64 (RFC 6052), 6to4 (RFC 3056), and the former IPv4-compatible addresses (RFC 4291 section 2.5.5.1).
    """
    if ":" not in address or "/" in address:
        return None
    number = int(ipaddress.IPv6Address(address))
    if number >> 112 == _6TO4:
        number >>= 80
    elif number >> 32 != _NAT64 and not (number >> 32 == 0 and number > _LAST_OF_ITS_OWN):
        return None
    return str(_FOUR(number & 0xFFFFFFFF))


def _ipv4(text: str) -> bytes | None:
    """The bytes of an IPv4 address; None for any other text. It is many times faster than `ipaddress`."""
    if ":" in text or "/" in text:
        return None
    try:
        return socket.inet_pton(socket.AF_INET, text)
    except (OSError, ValueError):  # ValueError: of the character NUL
        return None


def network(version: int, first: int, length: int) -> str:
    """What `packed` was given, in its one spelling."""
    return str(addresses.canonical(f"{(_FOUR if version == 4 else _SIX)(first)}/{length}"))  # noqa: PLR2004
