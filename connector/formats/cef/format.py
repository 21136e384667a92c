"""CEF:0 events that every receiver reads alike.

Sources: OpenText, *ArcSight Common Event Format (CEF) Implementation Standard*, version 27; where it leaves room, or
where parsers differ, the narrowest reading is written: a line that needs no rule on which two parsers disagree.

A document is `{deviceVendor, deviceProduct, deviceVersion, deviceEventClassId, name, severity, extension}`, the last of
them `{key: value}`.
Text is cleaned and cut, so that no dirty name loses an event; what identifies something is never cut, but left out.
A value of the wrong type is refused.
"""

import datetime
import math
import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import NoReturn

from connector.formats.cef.dictionary import (
    CONSUMER_KEYS,
    CUSTOM_KEY_LENGTH,
    DICTIONARY,
    HEADER_LENGTHS,
    IDENTIFYING,
    LABELS,
    Key,
    Kind,
)
from connector.formats.event_values import (
    EXCERPT,
    LAST_MILLISECOND,
    MAC,
    address,
    clean,
    cut,
    joined,
    milliseconds,
    plain,
    refuse,
    whole,
)
from connector.model import Document, Json, JsonObject, Refused
from connector.plugin import CONTRACT, FormatKind

SEVERITY_WORDS = frozenset(("Unknown", "Low", "Medium", "High", "Very-High"))

_FIELDS = frozenset((*HEADER_LENGTHS, "severity", "extension"))
_URL_KEYS = frozenset(("request", "requestContext"))
# Several parsers put header and extension into one map, so that a key of the same name would replace the field.
_HEADER_NAMES = frozenset(
    name.lower() for name in (*HEADER_LENGTHS, "severity", "agentSeverity", "version", "cefVersion")
)
# By key: how long its text may be (0: it is a label; None: `_other` knows), how its pair begins, its label's key.
_Plan = tuple[int | None, str, str | None]
_PLANS: dict[str, _Plan] = {
    key: (entry.max_length if entry.kind is Kind.STRING and key not in _URL_KEYS else None, f"{key}=", LABELS.get(key))
    for key, entry in DICTIONARY.items()
}
_PLANS |= dict.fromkeys(LABELS.values(), (0, "", None))
# Whole numbers that are within their key's range need nothing else.
_RANGES = {key: range(entry.lowest, entry.highest + 1) for key, entry in DICTIONARY.items() if entry.highest}
_RANGES |= {key: range(LAST_MILLISECOND + 1) for key, entry in DICTIONARY.items() if entry.kind is Kind.TIMESTAMP}
_FULL_NAMES = frozenset(entry.full_name for entry in DICTIONARY.values())

_SPECIAL = b'|"\\=\n'
_PLAIN = bytes(range(0x20, 0x7F)).translate(None, _SPECIAL)
"""ASCII that stands in a value as it is."""
_UNSAFE_IN_URL = frozenset('|"')
# Raw or escaped, some parser stumbles over each of the first two. The backslash is escaped before it escapes another.
_WRITTEN = {"|": "¦", '"': "'", "\\": "\\\\", "=": "\\="}
_TO_HEADER = str.maketrans('|\\"', "//'")
_TO_CLASS_ID = str.maketrans("=%#", "___")
_LABEL = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
_NUMBER = re.compile(r"[-+]?[0-9]{1,40}(\.[0-9]{1,40})?([eE][-+]?[0-9]{1,3})?\Z")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_IN_WORDS = re.compile(r"([A-Z][a-z]{2}) (\d\d \d{4} \d\d:\d\d:\d\d) UTC\Z", re.ASCII)
_STANDARD_LABELS = frozenset(("Device IPv6 Address", "Source IPv6 Address", "Destination IPv6 Address"))
"""Those by which ArcSight's own content knows fields."""
_MAX_SEVERITY = 10


class CefFormat:
    """Implements `connector.ports.Format` for CEF:0, without a syslog header (that is the sink's)."""

    names: JsonObject = MappingProxyType({})

    def quote(self, key: str, value: Json) -> str:
        """The value as text; `encode` escapes the whole text afterwards."""
        if isinstance(value, str):
            return value
        return plain(key, value)

    def encode(self, document: Document) -> bytes:
        """One line `CEF:0|…|…|…|…|…|…|key=value key=value`, UTF-8.

        Empty values are left out, and so is a label whose custom field has no value.

        Raises:
            Refused: a header field is missing or empty, a key is not one a producer may set, a value is not of its
                key's type, or a custom field has no fit label.
        """
        if not document.keys() <= _FIELDS:
            unknown = min(document.keys() - _FIELDS)
            raise Refused(f"{unknown} is no part of a CEF event; put it under extension", by="format")
        header = [_header(name, document.get(name), limit) for name, limit in HEADER_LENGTHS.items()]
        severity = _severity(document.get("severity"))
        extension = document.get("extension", {})
        if not isinstance(extension, dict):
            refuse("extension", extension, "a mapping of keys to values")
        return f"CEF:0|{'|'.join(header)}|{severity}|{self._extension(extension)}".encode()

    def undefined(self, document: Document) -> Mapping[tuple[str, ...], str]:
        """What is no part of an event, and keys that are not in the dictionary, one's own among them."""
        found: dict[tuple[str, ...], str] = {(name,): "a CEF event" for name in document if name not in _FIELDS}
        extension = document.get("extension")
        keys = extension if isinstance(extension, dict) else ()
        return found | {("extension", key): "the CEF dictionary" for key in keys if key not in DICTIONARY}

    def _extension(self, extension: Document) -> str:
        starts: list[str] = []
        texts: list[str] = []
        labels: list[str] = []
        for key, value in extension.items():
            limit, start, label_key = _PLANS.get(key) or _own_plan(key)
            if value is None or limit == 0:
                continue  # a label is written with its field, and not at all without
            if limit:
                text = (value if isinstance(value, str) else joined(key, value)).strip()
                text = text if len(text) <= limit else _shortened(key, text, limit)
            elif type(value) is int and key in _RANGES and value in _RANGES[key]:
                text = str(value)
            else:
                text = self._other(key, value)
            if not text:
                continue
            if label_key:
                label = extension.get(label_key)
                if not isinstance(label, str) or len(label) > EXCERPT:
                    _refuse_label(key, label)
                labels.append(label)
                start = _labelled(key, label)
            starts.append(start)
            texts.append(text)
        if len(set(labels)) != len(labels):
            raise Refused(f"two custom fields share a label; the labels are {', '.join(labels)}", by="format")
        return _pairs(starts, texts)

    def _other(self, key: str, value: Json) -> str:
        """The value of a key that is no plain text: a URL, or of another type."""
        entry = DICTIONARY[key]
        if key in _URL_KEYS:
            text = joined(key, value).strip()
            if not _UNSAFE_IN_URL.isdisjoint(text):
                text = text.replace("|", "%7C").replace('"', "%22")
            return text if len(text) <= entry.max_length else _shortened(key, text, entry.max_length)
        if isinstance(value, str):
            value = value.strip()
        if value == "":
            return ""
        return self._timestamp(key, value) if entry.kind is Kind.TIMESTAMP else _typed(key, entry, value)

    def _timestamp(self, key: str, value: Json) -> str:
        if isinstance(value, str) and _is_in_words(value):
            return value
        since_1970 = milliseconds(value)
        if since_1970 is None:
            refuse(key, value, f"{Kind.TIMESTAMP.value}, in the years 1970 to 9999")
        return str(since_1970)


def _is_in_words(text: str) -> bool:
    """Whether a text is a time in the form that CEF allows beside milliseconds, with the year and in UTC."""
    match = _IN_WORDS.match(text)
    if match is None:
        return False
    month, rest = match.groups()
    try:
        datetime.datetime.strptime(f"{_MONTHS.index(month) + 1} {rest} +0000", "%m %d %Y %H:%M:%S %z")
    except ValueError:
        return False
    return True


def _header(name: str, value: Json, limit: int) -> str:
    if value is None:
        raise Refused(f"{name} is missing; every CEF header field is required", by="format")
    text = value if isinstance(value, str) else plain(name, value)
    # Header fields take few values: those of an event's kind.
    return _cached_header_text(name, text, limit) if len(text) <= EXCERPT else _header_text(name, text, limit)


def _header_text(name: str, text: str, limit: int) -> str:
    # Escapes in the header are where parsers differ most, so there are none.
    text = clean(text).translate(_TO_HEADER)
    if name == "deviceEventClassId":
        text = text.translate(_TO_CLASS_ID)
    text = text[:limit].rstrip()
    if not text:
        raise Refused(f"{name} is empty; every CEF header field is required", by="format")
    return text


_cached_header_text = lru_cache(maxsize=512)(_header_text)


def _severity(value: Json) -> str:
    if isinstance(value, str) and value in SEVERITY_WORDS:
        return value
    number = whole(value)
    if number is None or not 0 <= number <= _MAX_SEVERITY:
        refuse("severity", value, f"a whole number from 0 to 10 or one of {', '.join(sorted(SEVERITY_WORDS))}")
    return str(number)


def _shortened(key: str, text: str, limit: int) -> str:
    """A text that is longer than its key allows: cut and marked, or left out where a part would name another thing."""
    text = clean(text)
    return "" if len(text) > limit and key in IDENTIFYING else cut(text, limit)


def _pairs(starts: list[str], texts: list[str]) -> str:
    # Most events need nothing cleaned, and little escaped: to see and do that with all texts at once takes less than
    # one by one.
    everything = "\n".join(texts)
    odd = everything.encode().translate(None, _PLAIN) if everything.isascii() else b"beyond ASCII"
    if odd.count(b"\n") == len(texts) - 1 and not odd.strip(_SPECIAL):
        for character, written in _WRITTEN.items():
            if character in everything:
                everything = everything.replace(character, written)
        texts = everything.split("\n")
    else:
        texts = list(map(_written, texts))
    return " ".join([start + text for start, text in zip(starts, texts, strict=True) if text])


def _written(text: str) -> str:
    """Text as it stands after `key=`: clean and escaped; empty when there is nothing to say."""
    if not text.isprintable():
        text = clean(text)
    for character, written in _WRITTEN.items():
        if character in text:
            text = text.replace(character, written)
    return text


def _typed(key: str, entry: Key, value: Json) -> str:
    match entry.kind:
        case Kind.INTEGER | Kind.LONG:
            number = whole(value)
            text = None if number is None or not entry.lowest <= number <= entry.highest else str(number)
        case Kind.FLOAT:
            text = _float(value)
        case Kind.MAC:
            text = value if isinstance(value, str) and MAC.match(value) else None
        case _:
            text = address(value, 4 if entry.kind is Kind.IPV4 else 6)
    if text is None:
        within = f" from {entry.lowest} to {entry.highest}" if entry.highest else ""
        refuse(key, value, entry.kind.value + within)
    return text


def _float(value: Json) -> str | None:
    if isinstance(value, str):
        value = float(value) if _NUMBER.match(value) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return repr(float(value)) if math.isfinite(value) else None
    except OverflowError:  # an integer beyond any float
        return None


@lru_cache(maxsize=512)
def _own_plan(key: str) -> _Plan:
    """For a key that is not in the dictionary, but may be used."""
    if key in CONSUMER_KEYS:
        raise Refused(f"the extension key {key} is set by the receiver, not by the producer", by="format")
    if key.lower() in _HEADER_NAMES:
        raise Refused(f"the extension key {key} has the name of a header field; choose another", by="format")
    if not (key[:1].isupper() and key.isascii() and key.isalnum()) or len(key) > EXCERPT:
        raise Refused(
            f"the extension key {key[:EXCERPT]!r} is not in the CEF dictionary; a key of your own is written "
            f"VendorProductKey: a capital first, then letters and digits, at most {EXCERPT}",
            by="format",
        )
    return CUSTOM_KEY_LENGTH, f"{key}=", None


@lru_cache(maxsize=512)
def _labelled(key: str, label: str) -> str:
    """What comes before the value of a custom field. Cached: there are few, and every event has them."""
    # Some receivers rename the value to its label, where it must not meet another field.
    taken = label in DICTIONARY or label in CONSUMER_KEYS or label in _FULL_NAMES or label.lower() in _HEADER_NAMES
    if taken or not (_LABEL.match(label) or label in _STANDARD_LABELS):
        _refuse_label(key, label)
    return f"{LABELS[key]}={label} {key}="


def _refuse_label(key: str, label: Json) -> NoReturn:
    if label is None:
        raise Refused(f"{key} has a value but no {LABELS[key]}, which says what it means", by="format")
    refuse(LABELS[key], label, "a short name of letters, digits and _ that is no key of the CEF dictionary")


KIND = FormatKind(contract=CONTRACT, make=lambda _: CefFormat())
