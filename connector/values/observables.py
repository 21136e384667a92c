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
_ZONE = re.compile(r"%[^\]]*\]")
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
        value: in its one spelling: a hash in lower case, a URL as `uri.key` has it, an address or network as RFC 5952
            does, a host in lower case and A-labels.
    """

    kind: Kind
    value: str


def recognise(text: str) -> Observable | None:
    """What a text names, by itself and nothing else; None when it names nothing of the kinds there are."""
    text = text.strip()
    if "://" in text:
        spelled = uri.key(text) if len(text) <= _LONGEST_URL else None
        return None if spelled is None else Observable("url", spelled)
    if _HASH.fullmatch(text):
        return Observable("hash", text.lower())
    if (address := text if text[-1:].isdecimal() and _ipv4(text) else addresses.written(text)) is not None:
        return Observable("address", address)
    name = uri.domain(text)
    return None if name is None else Observable("host", name)


def read(text: str) -> Observable | None:
    """What a text names, as `recognise`, also an address with a port or a zone, and a host with a port or a slash.

    What notifications are about, what mappings make of that, and what analysts and lists say are compared by this.
    """
    found = recognise(text)
    if found is not None or "://" in text or len(text) > _LONGEST_URL:
        return found
    text = text.strip()
    if "%" in text and (address := addresses.written(text.partition("%")[0])) is not None:
        return Observable("address", address)
    parts = uri.parts(f"any://{_ZONE.sub(']', text)}")
    is_host = (
        parts is not None and parts["path"] in (None, "/") and parts["query"] is None and parts["fragment"] is None
    )
    if parts is None or not is_host or "@" in text or "\\" in text:
        return None
    host = parts["host"]
    found = recognise(host) if isinstance(host, str) else None
    if found is not None and found.kind == "address" and ":" not in text:
        # Numbers are an address to browsers, and a slip of the pen elsewhere; but with a port they are a host.
        return found if found.value == text.removesuffix("/") else None
    return found


def has_zeros_before_a_number(text: str) -> bool:
    """Whether it is no address only because programs differ in what `010.0.0.1` is."""
    url = text if "://" in text else f"any://{text.strip()}"
    return uri.host(url) is None and uri.octal_address(url) is not None


def written(text: str) -> str:
    """An observable as people write it down: `read`, but a URL as it is sent; any other text in lower case.

    An IPv4 address in the form of an IPv6 address is the IPv4 address.
    """
    found = read(text)
    if found is None:
        return text.strip() if "://" in text else text.strip().lower().rstrip(".")
    if found.kind == "url":
        return uri.spelled(text) or found.value
    if found.kind == "address":
        version, first, length = packed(found.value)
        return network(version, first, length)
    return found.value


def name(text: str) -> str:
    """What all spellings of an observable have in common; of a URL its SHA-256, by which VirusTotal names it too."""
    if "://" in text:
        found = read(text)
        key = text.strip() if found is None else found.value
        return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
    return written(text)


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
            found = read(value)
            return found.value if found is not None and found.kind == "address" else None
        case _:
            return value


def is_usual_host(text: str) -> bool:
    """Whether `read` would give the text itself if it is a host name, and nothing else; it need not be one."""
    return (
        text.islower()
        and text.isascii()
        and text[-1].isalpha()
        and text[0] > " "
        and "." in text
        and ":" not in text
        and "%" not in text
        and "0x" not in text
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
