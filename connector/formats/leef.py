"""LEEF 2.0 events that every receiver reads alike.

Source: IBM, *QRadar Log Event Extended Format (LEEF)*: event components, predefined attributes, custom event keys, best
practices. LEEF defines no escapes, so what separates must not occur in what is separated.

A document is `{vendor, product, version, eventId, attributes}`, the last of them `{key: value}`.
Text is cleaned and cut, so that no dirty name loses an event; what identifies something is never cut, but left out.
A value of the wrong type is refused.
"""

import re
from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from types import MappingProxyType

from connector.formats.event_values import EXCERPT, MAC, address, clean, cut, joined, milliseconds, plain, refuse, whole
from connector.model import Document, Json, JsonObject, Refused
from connector.plugin import CONTRACT, FormatKind


class Kind(Enum):
    """The types of attributes."""

    TEXT = "text"
    INTEGER = "a whole number of 64 bits, not negative"
    PORT = "a whole number from 0 to 65535"
    SEVERITY = "a whole number from 1 to 10"
    ADDRESS = "an IPv4 or IPv6 address"
    MAC = "a MAC address"
    TIME = "a time: RFC 3339 text or milliseconds since 1970, in the years 1970 to 2286"


ATTRIBUTES: Mapping[str, Kind] = {
    **dict.fromkeys(("cat", "proto", "usrName", "identHostName", "identNetBios", "identGrpName"), Kind.TEXT),
    **dict.fromkeys(("vSrcName", "accountName", "role", "realm", "policy", "resource", "url"), Kind.TEXT),
    **dict.fromkeys(("groupID", "domain"), Kind.TEXT),
    **dict.fromkeys(("src", "dst", "srcPreNAT", "dstPreNAT", "srcPostNAT", "dstPostNAT"), Kind.ADDRESS),
    **dict.fromkeys(("identSrc", "vSrc"), Kind.ADDRESS),
    **dict.fromkeys(("srcPort", "dstPort", "srcPreNATPort", "dstPreNATPort"), Kind.PORT),
    **dict.fromkeys(("srcPostNATPort", "dstPostNATPort"), Kind.PORT),
    **dict.fromkeys(("srcBytes", "dstBytes", "srcPackets", "dstPackets", "totalPackets"), Kind.INTEGER),
    **dict.fromkeys(("srcMAC", "dstMAC"), Kind.MAC),
    "devTime": Kind.TIME,
    "sev": Kind.SEVERITY,
}
"""The predefined attributes, as far as a producer may set them."""

RESERVED = frozenset(
    ("devTimeFormat", "identMAC", "isLoginEvent", "isLogoutEvent", "identSecondlp", "calLanguage", "calCountryOrRegion")
)
"""Keys that LEEF reserves and nothing reads; and `devTimeFormat`, which `devTime` as written here does not need."""

TEXT_LENGTHS: Mapping[str, int] = dict.fromkeys(
    ("usrName", "identHostName", "identNetBios", "identGrpName", "vSrcName", "accountName"), 255
)
"""In characters, where IBM names a limit."""

VALUE_LENGTH = 2000
"""Characters of any other text, of which IBM says nothing."""

IDENTIFYING = frozenset(("url", "fileHash", "hostName", "entityId", "notificationId", "notificationLink"))
"""Keys whose text names one thing, those of the bundled mapping among them: a longer text is left out, because its
beginning may be the name of another."""

HEADER_FIELDS = ("vendor", "product", "version", "eventId")
HEADER_LENGTH = 255
"""Characters of a header field. IBM says so of the EventID."""

# The delimiter of IBM's own example. Not the tab, which relays rewrite (rsyslog makes it #011).
DELIMITER = "^"

_FIELDS = frozenset((*HEADER_FIELDS, "attributes"))
_PREDEFINED = {key.lower(): key for key in (*ATTRIBUTES, *RESERVED)}
# Some readers look for the other end of a quotation mark, single or double, through all that follows, and take a
# backslash for an escape; and IBM advises against pipes. So each is written as a character like it.
_TO_HEADER = str.maketrans("|\\^\"'", "//-\u201d\u2019")
_TO_VALUE = str.maketrans("|\\^\"'", "¦/\u02c6\u201d\u2019")
_TO_URL = {ord(character): f"%{ord(character):02X}" for character in "|\\^\"'"}
_UNSAFE = re.compile(r"""[|\\^"']""")
_OWN = re.compile(rf"[A-Za-z][A-Za-z0-9]{{0,{EXCERPT - 1}}}\Z")
_LONGEST_TIME = 13
_RANGES = {
    Kind.INTEGER: range(2**63),
    Kind.PORT: range(2**16),
    Kind.SEVERITY: range(1, 11),
}


class LeefFormat:
    """Implements `connector.ports.Format` for LEEF 2.0, without a syslog header (that is the sink's)."""

    names: JsonObject = MappingProxyType({})

    def quote(self, key: str, value: Json) -> str:
        """The value as text; `encode` cleans the whole text afterwards."""
        return value if isinstance(value, str) else plain(key, value)

    def encode(self, document: Document) -> bytes:
        """One line `LEEF:2.0|…|…|…|…|^|key=value^key=value`, UTF-8. Empty values are left out.

        Raises:
            Refused: a header field is missing or empty, there is no attribute, a key is not one a producer may set,
                or a value is not of its key's type.
        """
        if not document.keys() <= _FIELDS:
            unknown = min(document.keys() - _FIELDS)
            raise Refused(f"{unknown} is no part of a LEEF event; put it under attributes", by="format")
        header = [_header(name, document.get(name)) for name in HEADER_FIELDS]
        attributes = document.get("attributes")
        if not isinstance(attributes, dict):
            refuse("attributes", attributes, "a mapping of keys to values")
        pairs = [f"{key}={text}" for key, value in attributes.items() if (text := _attribute(key, value))]
        if not pairs:
            raise Refused("the event has no attribute; LEEF wants one at least", by="format")
        return f"LEEF:2.0|{'|'.join(header)}|{DELIMITER}|{DELIMITER.join(pairs)}".encode()


def _header(name: str, value: Json) -> str:
    if value is None:
        raise Refused(f"{name} is missing; every LEEF header field is required", by="format")
    text = value if isinstance(value, str) else plain(name, value)
    # Header fields take few values: those of an event's kind.
    return _cached_header_text(name, text) if len(text) <= EXCERPT else _header_text(name, text)


def _header_text(name: str, text: str) -> str:
    text = clean(text).translate(_TO_HEADER)[:HEADER_LENGTH].rstrip()
    if not text:
        raise Refused(f"{name} is empty; every LEEF header field is required", by="format")
    return text


_cached_header_text = lru_cache(maxsize=512)(_header_text)


def _attribute(key: str, value: Json) -> str:
    """The value as it stands after `key=`; empty when there is nothing to say."""
    kind = ATTRIBUTES.get(key)
    if kind is None:
        _check_own(key)
        kind = Kind.TEXT
    if value is None:
        return ""
    if kind is Kind.TEXT:
        return _text(key, value)
    if isinstance(value, str):
        value = value.strip()
        if not value:
            return ""
    text = _typed(kind, value)
    if text is None:
        refuse(key, value, kind.value)
    return text


def _text(key: str, value: Json) -> str:
    text = clean(joined(key, value))
    if _UNSAFE.search(text):
        text = text.translate(_TO_URL if key == "url" else _TO_VALUE)
    limit = TEXT_LENGTHS.get(key, VALUE_LENGTH)
    if len(text) <= limit:
        return text
    return "" if key in IDENTIFYING else cut(text, limit)


def _typed(kind: Kind, value: Json) -> str | None:
    if kind is Kind.ADDRESS:
        return address(value, 4, 6)
    if kind is Kind.MAC:
        return value if isinstance(value, str) and MAC.match(value) else None
    if kind is Kind.TIME:
        since_1970 = milliseconds(value)
        # QRadar knows milliseconds since 1970 by there being 13 digits.
        text = "" if since_1970 is None else f"{since_1970:0{_LONGEST_TIME}d}"
        return text if len(text) == _LONGEST_TIME else None
    number = whole(value)
    return str(number) if number is not None and number in _RANGES[kind] else None


@lru_cache(maxsize=512)
def _check_own(key: str) -> None:
    if key in RESERVED:
        raise Refused(f"the attribute {key} is reserved by LEEF; leave it out", by="format")
    if key.lower() in _PREDEFINED:
        raise Refused(f"the attribute {key} is spelt {_PREDEFINED[key.lower()]} in LEEF", by="format")
    if not _OWN.match(key):
        raise Refused(
            f"the attribute {key[:EXCERPT]!r} is not predefined by LEEF; a key of your own is a letter, then letters "
            f"and digits, at most {EXCERPT}",
            by="format",
        )


KIND = FormatKind(contract=CONTRACT, make=lambda _: LeefFormat())
