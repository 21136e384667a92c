"""CEF:0 events that every receiver reads alike.

Sources: OpenText, *ArcSight Common Event Format (CEF) Implementation Standard*, version 27; where it leaves room, or
where parsers differ, the narrowest reading is written: a line that needs no rule on which two parsers disagree.

A document is `{deviceVendor, deviceProduct, deviceVersion, deviceEventClassId, name, severity, extension}`, the last of
them `{key: value}`.
Text is cleaned and cut, so that no dirty name loses an event; a value of the wrong type is refused.
"""

import datetime
import ipaddress
import json
import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Literal, NoReturn

from connector.formats.cef_dictionary import (
    CONSUMER_KEYS,
    CUSTOM_KEY_LENGTH,
    DICTIONARY,
    HEADER_LENGTHS,
    LABELS,
    Key,
    Kind,
)
from connector.model import Document, Identity, Json, JsonObject, Rejected

Timestamps = Literal["epoch_ms", "utc_text"]
"""How times are written: `1684311125000`, or `May 17 2023 08:12:05 UTC` for receivers that read digits as seconds."""

SEVERITY_WORDS = frozenset(("Unknown", "Low", "Medium", "High", "Very-High"))

_LAST_MILLISECOND = 253_402_300_799_999  # of the year 9999
_FIELDS = frozenset((*HEADER_LENGTHS, "severity", "extension"))
_URL_KEYS = frozenset(("request", "requestContext"))
# Several parsers put header and extension into one map, so that a key of the same name would replace the field.
_HEADER_NAMES = frozenset(
    name.lower() for name in (*HEADER_LENGTHS, "severity", "agentSeverity", "version", "cefVersion")
)
# By key, what `_extension` has to know at once: the length of a text, 0 for a label, what whole numbers need no look.
_TEXT_LIMITS = {key: entry.max_length for key, entry in DICTIONARY.items() if entry.kind is Kind.STRING}
_TEXT_LIMITS |= dict.fromkeys(LABELS.values(), 0)
_RANGES = {key: range(entry.lowest, entry.highest + 1) for key, entry in DICTIONARY.items() if entry.highest}
_EPOCHS = {key: range(_LAST_MILLISECOND + 1) for key, entry in DICTIONARY.items() if entry.kind is Kind.TIMESTAMP}
_FULL_NAMES = frozenset(entry.full_name for entry in DICTIONARY.values())

_TO_BLANK = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, 0xFEFF), " ")
_TO_HEADER = str.maketrans('|\\"', "//'")
_TO_CLASS_ID = str.maketrans("=%#", "___")
_LABEL = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
_WHOLE = re.compile(r"[-+]?[0-9]{1,19}\Z")
_NUMBER = re.compile(r"[-+]?[0-9]{1,40}(\.[0-9]{1,40})?([eE][-+]?[0-9]{1,3})?\Z")
_MAC = re.compile(r"[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}\Z")
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MILLISECOND = datetime.timedelta(milliseconds=1)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MAX_SEVERITY = 10
_EXCERPT = 60


class CefFormat:
    """Implements `connector.ports.Format` for CEF:0, without a syslog header (that is the sink's)."""

    def __init__(self, timestamps: Timestamps = "epoch_ms") -> None:
        self._timestamps = timestamps
        self._ranges = _RANGES | _EPOCHS if timestamps == "epoch_ms" else _RANGES

    names: JsonObject = MappingProxyType({})

    def foundation(self) -> Sequence[Document]:
        """None: an event rests on nothing."""
        return ()

    def quote(self, key: str, value: Json) -> str:
        """The value as text; `encode` escapes the whole text afterwards."""
        if isinstance(value, str):
            return value
        return _plain(key, value)

    def complete(self, document: Document) -> Document:
        """The document as it is: an event carries what its mapping says."""
        return document

    def identify(self, document: Document) -> Identity | None:  # noqa: ARG002 -- the port's signature
        """None: an event is new each time."""
        return None

    def encode(self, document: Document) -> bytes:
        """One line `CEF:0|…|…|…|…|…|…|key=value key=value`, UTF-8.

        Empty values are left out, and so is a label whose custom field has no value.

        Raises:
            Rejected: a header field is missing or empty, a key is not one a producer may set, a value is not of its
                key's type, or a custom field has no fit label.
        """
        if not document.keys() <= _FIELDS:
            unknown = min(document.keys() - _FIELDS)
            raise Rejected(f"{unknown} is no part of a CEF event; put it under extension", by="format")
        header = [_header(name, document.get(name), limit) for name, limit in HEADER_LENGTHS.items()]
        severity = _severity(document.get("severity"))
        extension = document.get("extension", {})
        if not isinstance(extension, dict):
            _refuse("extension", extension, "a mapping of keys to values")
        return f"CEF:0|{'|'.join(header)}|{severity}|{self._extension(extension)}".encode()

    def undefined(self, document: Document) -> Mapping[tuple[str, ...], str]:
        """What is no part of an event, and keys that are not in the dictionary, one's own among them."""
        found: dict[tuple[str, ...], str] = {(name,): "a CEF event" for name in document if name not in _FIELDS}
        extension = document.get("extension")
        keys = extension if isinstance(extension, dict) else ()
        return found | {("extension", key): "the CEF dictionary" for key in keys if key not in DICTIONARY}

    def _extension(self, extension: Document) -> str:
        ranges = self._ranges
        pairs: list[str] = []
        labels: list[str] = []
        for key, value in extension.items():
            limit = _TEXT_LIMITS.get(key)
            if limit:
                text = _text(key, value, limit)
            elif limit is not None:
                continue  # a label is written with its field, and not at all without
            elif type(value) is int and key in ranges and value in ranges[key]:
                text = str(value)
            else:
                text = self._other(key, value)
            if not text:
                continue
            if key in LABELS:
                label = extension.get(LABELS[key])
                if not isinstance(label, str) or len(label) > _EXCERPT:
                    _refuse_label(key, label)
                labels.append(label)
                pairs.append(_labelled(key, label) + text)
            else:
                pairs.append(f"{key}={text}")
        if len(set(labels)) != len(labels):
            raise Rejected(f"two custom fields share a label; the labels are {', '.join(labels)}", by="format")
        return " ".join(pairs)

    def _other(self, key: str, value: Json) -> str:
        """The value of a key that does not hold dictionary text: typed, of one's own, or not allowed."""
        entry = DICTIONARY.get(key)
        if entry is None:
            _check_custom(key)
            return _text(key, value, CUSTOM_KEY_LENGTH)
        if isinstance(value, str):
            value = value.strip()
        if value is None or value == "":
            return ""
        return self._timestamp(key, value) if entry.kind is Kind.TIMESTAMP else _typed(key, entry, value)

    def _timestamp(self, key: str, value: Json) -> str:
        milliseconds = _milliseconds(value)
        if milliseconds is None:
            _refuse(key, value, f"{Kind.TIMESTAMP.value}, in the years 1970 to 9999")
        if self._timestamps == "epoch_ms":
            return str(milliseconds)
        moment = _EPOCH + milliseconds * _MILLISECOND
        return f"{_MONTHS[moment.month - 1]} {moment:%d %Y %H:%M:%S} UTC"


def _header(name: str, value: Json, limit: int) -> str:
    if value is None:
        raise Rejected(f"{name} is missing; every CEF header field is required", by="format")
    text = value if isinstance(value, str) else _plain(name, value)
    # Header fields take few values: those of an event's kind.
    return _cached_header_text(name, text, limit) if len(text) <= _EXCERPT else _header_text(name, text, limit)


def _header_text(name: str, text: str, limit: int) -> str:
    # Escapes in the header are where parsers differ most, so there are none.
    text = _clean(text).translate(_TO_HEADER)
    if name == "deviceEventClassId":
        text = text.translate(_TO_CLASS_ID)
    text = text[:limit].rstrip()
    if not text:
        raise Rejected(f"{name} is empty; every CEF header field is required", by="format")
    return text


_cached_header_text = lru_cache(maxsize=512)(_header_text)


def _severity(value: Json) -> str:
    if isinstance(value, str) and value in SEVERITY_WORDS:
        return value
    number = _whole(value)
    if number is None or not 0 <= number <= _MAX_SEVERITY:
        _refuse("severity", value, f"a whole number from 0 to 10 or one of {', '.join(sorted(SEVERITY_WORDS))}")
    return str(number)


def _text(key: str, value: Json, limit: int) -> str:
    """Text as it stands after `key=`: clean, within its limit, escaped; empty when there is nothing to say."""
    if value is None:
        return ""
    text = (value if isinstance(value, str) else _joined(key, value)).strip()
    if not text.isprintable():
        text = _clean(text)
    # Raw or escaped, some parser stumbles over each of these two.
    if "|" in text:
        text = text.replace("|", "%7C" if key in _URL_KEYS else "¦")
    if '"' in text:
        text = text.replace('"', "%22" if key in _URL_KEYS else "'")
    if len(text) > limit:
        text = text[:limit].rstrip()
    if "\\" in text:
        text = text.replace("\\", "\\\\")
    return text.replace("=", "\\=") if "=" in text else text


def _clean(text: str) -> str:
    if not text.isprintable():  # controls, separators and lone surrogates are not; nor are some that may stay
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").translate(_TO_BLANK)
    return text.strip()


def _joined(key: str, value: Json) -> str:
    """What is not text as text; a list, which CEF does not have, with commas between."""
    if not isinstance(value, list):
        return _plain(key, value)
    return ", ".join([item if isinstance(item, str) else _plain(key, item) for item in value if item is not None])


def _plain(key: str, value: Json) -> str:
    """A number or truth value as JSON writes it."""
    if isinstance(value, dict | list) or (isinstance(value, float) and not math.isfinite(value)):
        _refuse(key, value, "text, a finite number, true or false, or a list of these")
    return str(value) if type(value) is int else json.dumps(value)


def _typed(key: str, entry: Key, value: Json) -> str:
    match entry.kind:
        case Kind.INTEGER | Kind.LONG:
            number = _whole(value)
            text = None if number is None or not entry.lowest <= number <= entry.highest else str(number)
        case Kind.FLOAT:
            text = _float(value)
        case Kind.MAC:
            text = value if isinstance(value, str) and _MAC.match(value) else None
        case _:
            text = _address(value, entry.kind)
    if text is None:
        within = f" from {entry.lowest} to {entry.highest}" if entry.highest else ""
        _refuse(key, value, entry.kind.value + within)
    return text


def _whole(value: Json) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return int(value) if isinstance(value, str) and _WHOLE.match(value) else None


def _float(value: Json) -> str | None:
    if isinstance(value, str):
        value = float(value) if _NUMBER.match(value) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return repr(float(value)) if math.isfinite(value) else None
    except OverflowError:  # an integer beyond any float
        return None


def _address(value: Json, kind: Kind) -> str | None:
    if not isinstance(value, str) or "%" in value:  # a zone is not part of an address that others can use
        return None
    try:
        ipaddress.IPv4Address(value) if kind is Kind.IPV4 else ipaddress.IPv6Address(value)
    except ValueError:
        return None
    return value


def _milliseconds(value: Json) -> int | None:
    if isinstance(value, str):
        try:
            moment = datetime.datetime.fromisoformat(value)
        except ValueError:
            return None
        # Without an offset it would mean another time on each machine (RFC 3339 section 4.4).
        value = (moment - _EPOCH) // _MILLISECOND if moment.tzinfo else None
    number = None if value is None else _whole(value)
    return number if number is not None and 0 <= number <= _LAST_MILLISECOND else None


def _check_custom(key: str) -> None:
    if key in CONSUMER_KEYS:
        raise Rejected(f"the extension key {key} is set by the receiver, not by the producer", by="format")
    if key.lower() in _HEADER_NAMES:
        raise Rejected(f"the extension key {key} has the name of a header field; choose another", by="format")
    if not (key[:1].isupper() and key.isascii() and key.isalnum()) or len(key) > _EXCERPT:
        raise Rejected(
            f"the extension key {key[:_EXCERPT]!r} is not in the CEF dictionary; a key of your own is written "
            f"VendorProductKey: a capital first, then letters and digits, at most {_EXCERPT}",
            by="format",
        )


@lru_cache(maxsize=512)
def _labelled(key: str, label: str) -> str:
    """What stands before the value of a custom field; kept, for there are few and they are in every event."""
    # Some receivers rename the value to its label, where it must not meet another field.
    taken = label in DICTIONARY or label in CONSUMER_KEYS or label in _FULL_NAMES or label.lower() in _HEADER_NAMES
    if taken or not _LABEL.match(label):
        _refuse_label(key, label)
    return f"{LABELS[key]}={label} {key}="


def _refuse_label(key: str, label: Json) -> NoReturn:
    if label is None:
        raise Rejected(f"{key} has a value but no {LABELS[key]}, which says what it means", by="format")
    _refuse(LABELS[key], label, "a short name of letters, digits and _ that is no key of the CEF dictionary")


def _refuse(name: str, value: Any, rule: str) -> NoReturn:
    if isinstance(value, dict | list):
        excerpt = "an object" if isinstance(value, dict) else "a list"
    else:
        excerpt = repr(value[:_EXCERPT] + "…" if isinstance(value, str) and len(value) > _EXCERPT else value)
    raise Rejected(f"{name} is {excerpt} and must be {rule}", by="format")
