"""Checks of single STIX 2.1 values: each takes a value and returns the rule that it breaks, or None.

Checks are plain functions, put together once per object type (`objects`, `observables`): they run for every
property of every document. Section numbers are those of STIX 2.1 (OASIS Standard with Errata 01).
"""

import binascii
import functools
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from connector.model import Json
from connector.values import addresses

MAX_DEPTH = 50
"""How deeply the values of an extension may be nested."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A broken rule.

    Attributes:
        rule: what the value must be, to be read after its name: `must be text`.
        value: what was found.
        path: where, seen from the checked value: `[0].url`; empty for the value itself.
    """

    rule: str
    value: Json
    path: str = ""

    def within(self, path: str) -> "Fault":
        """The same fault, seen from outside."""
        return replace(self, path=path + self.path)


Check = Callable[[Json], Fault | None]


def text(value: Json) -> Fault | None:
    """Any text, empty too."""
    return None if isinstance(value, str) else Fault("must be text", value)


def filled(value: Json) -> Fault | None:
    """Text that is not empty."""
    return None if isinstance(value, str) and value else Fault("must be text that is not empty", value)


def boolean(value: Json) -> Fault | None:
    """True or false."""
    return None if isinstance(value, bool) else Fault("must be true or false", value)


LARGEST = 2**53 - 1
"""The largest whole number that every JSON parser reads exactly (section 2.8)."""


def integer(low: int = -LARGEST, high: int = LARGEST) -> Check:
    """A whole number within bounds."""
    rule = f"must be a whole number from {low} to {high}"

    def check(value: Json) -> Fault | None:
        return None if type(value) is int and low <= value <= high else Fault(rule, value)

    return check


_whole = integer()


def number(low: float = -math.inf, high: float = math.inf) -> Check:
    """A number within bounds; no infinity and no NaN, which JSON does not have."""
    rule = f"must be a number from {low:g} to {high:g}"

    def check(value: Json) -> Fault | None:
        fits = type(value) in (int, float) and math.isfinite(value) and low <= value <= high
        return None if fits else Fault(rule, value)

    return check


def choice(*values: str) -> Check:
    """One of a closed vocabulary."""
    allowed = frozenset(values)
    rule = f"must be {' or '.join(values)}"

    def check(value: Json) -> Fault | None:
        return None if isinstance(value, str) and value in allowed else Fault(rule, value)

    return check


def matching(pattern: str, rule: str) -> Check:
    """Text that matches a regular expression."""
    fullmatch = re.compile(pattern).fullmatch

    def check(value: Json) -> Fault | None:
        return None if isinstance(value, str) and fullmatch(value) else Fault(rule, value)

    return check


_decimal = number()
language = matching(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,8}", "must be a language code such as `en` (RFC 5646)")
hexadecimal = matching(r"(?:[0-9a-fA-F]{2})+", "must be an even number of hexadecimal digits")
selector = matching(
    r"[a-z0-9_-]{3,250}(?:\.(?:\[[0-9]+\]|[a-zA-Z0-9_-]{1,250}))*|id", "must be a selector such as `labels.[0]`"
)


def base64(value: Json) -> Fault | None:
    """Bytes as text (section 2.1)."""
    try:
        binascii.a2b_base64(value.encode("ascii"), strict_mode=True)
    except (AttributeError, ValueError):
        return Fault("must be base64 text", value)
    return None


# Timestamps (section 2.16)

_TIMESTAMP = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?Z")
_MILLISECONDS = len("2023-05-17T08:12:05.000Z")


@functools.lru_cache(maxsize=128)
def _is_timestamp(value: str) -> bool:
    if not _TIMESTAMP.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def timestamp(value: Json) -> Fault | None:
    """A time in UTC, of any precision."""
    if isinstance(value, str) and _is_timestamp(value):
        return None
    return Fault("must be a timestamp such as 2023-05-17T08:12:05.000Z", value)


def milliseconds(value: Json) -> Fault | None:
    """A time with exactly three digits after the point, as the Best Practice Guide asks of `created` and `modified`."""
    if isinstance(value, str) and len(value) == _MILLISECONDS and _is_timestamp(value):
        return None
    return Fault("must be a timestamp with three digits, such as 2023-05-17T08:12:05.000Z", value)


def earlier(one: str, other: str) -> bool:
    """Whether a timestamp is before another; both have been checked."""
    if len(one) == len(other):
        return one < other
    return datetime.fromisoformat(one) < datetime.fromisoformat(other)


# Identifiers (section 2.9)

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
_ENDING = re.compile(f"--{_UUID}")
_ENDING_LENGTH = len("--5f42e209-14ed-5b27-bba4-0f32a93f3508")
_MOST_NAMED = 6
"""Types that an error lists."""


@functools.lru_cache(maxsize=256)  # an object's id is met again in what refers to it
def type_of(value: str) -> str | None:
    """What stands before the UUID of an id; None when there is no UUID."""
    length = len(value)
    return value[: length - _ENDING_LENGTH] if _ENDING.fullmatch(value, length - _ENDING_LENGTH) else None


TYPES_ALLOWED: dict[Check, frozenset[str]] = {}
"""For each check of an id: the types that it allows."""


def identifier(object_type: str) -> Check:
    """An id of one type."""
    return _of_types(frozenset((object_type,)), f"must be {object_type}--<UUID>")


def reference(*types: str) -> Check:
    """An id of one of some types."""
    allowed = frozenset(types)
    named = " or ".join(types) if len(types) <= _MOST_NAMED else "a kind of object that may stand here"
    return _of_types(allowed, f"must be the id of {named}")


def _of_types(allowed: frozenset[str], rule: str) -> Check:
    def check(value: Json) -> Fault | None:
        return None if isinstance(value, str) and type_of(value) in allowed else Fault(rule, value)

    TYPES_ALLOWED[check] = allowed
    return check


# Lists and objects

_PROPERTY_NAME = re.compile(r"[a-z0-9_]{3,250}")
_DICTIONARY_KEY = re.compile(r"[A-Za-z0-9_-]{1,250}")


_TEXT = frozenset((str,))


# All names of an object at once: a mapping gives the same ones every time.


@functools.lru_cache(maxsize=1024)
def wrong_property_name(names: tuple[str, ...]) -> str | None:
    """The first that is no name of a property."""
    return next((name for name in names if not _PROPERTY_NAME.fullmatch(name)), None)


@functools.lru_cache(maxsize=1024)
def wrong_dictionary_key(keys: tuple[str, ...]) -> str | None:
    """The first that is no key of a dictionary (section 2.3)."""
    return next((key for key in keys if not _DICTIONARY_KEY.fullmatch(key)), None)


@dataclass(frozen=True, slots=True)
class Record:
    """What an object within an object may and must have."""

    checks: Mapping[str, Check]
    required: frozenset[str]
    one_of: tuple[str, ...]


ELEMENT: dict[Check, Check] = {}
"""For each check of a list: the check of its elements."""
RECORD: dict[Check, Record] = {}
"""For each check of an object: what the object may and must have."""


def many(check_one: Check) -> Check:
    """A list of at least one (section 2.10 forbids empty lists)."""
    texts = check_one is filled

    def check(value: Json) -> Fault | None:
        if value.__class__ is not list or not value:
            return Fault("must be a list that is not empty", value)
        if texts and _TEXT.issuperset(map(type, value)) and "" not in value:  # several times as fast as one by one
            return None
        for index, element in enumerate(value):
            fault = check_one(element)
            if fault is not None:
                return fault.within(f"[{index}]")
        return None

    ELEMENT[check] = check_one
    return check


def record(required: Mapping[str, Check], optional: Mapping[str, Check], one_of: tuple[str, ...] = ()) -> Check:
    """An object with these properties and no others, at least one of `one_of` among them."""
    checks = {**required, **optional}

    def check(value: Json) -> Fault | None:
        if not isinstance(value, dict):
            return Fault("must be an object", value)
        for name, element in value.items():
            check_one = checks.get(name)
            if check_one is None:
                return Fault("is not a property of STIX 2.1 here", element, f".{name}")
            fault = check_one(element)
            if fault is not None:
                return fault.within(f".{name}")
        for name in required:
            if name not in value:
                return Fault(f"must have {name}", value)
        if one_of and value.keys().isdisjoint(one_of):
            return Fault(f"must have {' or '.join(one_of)}", value)
        return None

    RECORD[check] = Record(checks, frozenset(required), one_of)
    return check


def dictionary(value: Json) -> Fault | None:
    """An object with keys of the author's choice (section 2.3)."""
    if not isinstance(value, dict) or not value:
        return Fault("must be an object that is not empty", value)
    return free(value, 0)


def free(value: Json, depth: int) -> Fault | None:
    """Any JSON but null and empty lists and objects, which STIX has no use for."""
    kind = type(value)
    if kind is str or kind is bool:
        return None
    if kind is int:
        return None if -LARGEST <= value <= LARGEST else _whole(value)
    if kind is float:
        return _decimal(value)
    if not value:
        return Fault("must not be null or empty: leave it out", value)
    if depth >= MAX_DEPTH:
        return Fault(f"must not be nested more than {MAX_DEPTH} deep", "…")
    return _free_list(value, depth) if kind is list else _free_object(value, depth)


def _free_list(value: list[Json], depth: int) -> Fault | None:
    for index, element in enumerate(value):
        if type(element) is str:
            continue
        fault = free(element, depth + 1)
        if fault is not None:
            return fault.within(f"[{index}]")
    return None


def _free_object(value: dict[str, Json], depth: int) -> Fault | None:
    wrong = wrong_dictionary_key(tuple(value))
    if wrong is not None:
        return Fault("must have keys of the letters a-z, A-Z, 0-9, _ and -", wrong)
    for key, element in value.items():
        kind = type(element)
        if kind is str or (kind is int and -LARGEST <= element <= LARGEST):
            continue
        fault = free(element, depth + 1)
        if fault is not None:
            return fault.within(f".{key}")
    return None


extension_definition = reference("extension-definition")


def extensions(value: Json) -> Fault | None:
    """Property extensions (section 7.3); those of other kinds would define new properties of the object itself."""
    if not isinstance(value, dict) or not value:
        return Fault("must be an object that is not empty", value)
    for key, extension in value.items():
        if extension_definition(key) is not None:
            return Fault("must have keys such as extension-definition--<UUID>", key)
        if not isinstance(extension, dict) or extension.get("extension_type") != "property-extension":
            return Fault("must be an object with extension_type: property-extension", extension, f".{key}")
        wrong = wrong_property_name(tuple(extension))
        if wrong is not None:
            return Fault("must have names of 3 to 250 of the letters a-z, 0-9 and _", wrong, f".{key}")
        for name, element in extension.items():
            if type(element) is str:  # most are, and need no call
                continue
            fault = free(element, 1)
            if fault is not None:
                return fault.within(f".{key}.{name}")
    return None


# Hashes (sections 2.7 and 10.7)


def _hash(name: str, length: int) -> Check:
    rule = f"must be {length} lower-case hexadecimal digits, being a {name}"
    fullmatch = re.compile(rf"[0-9a-f]{{{length}}}").fullmatch

    @functools.lru_cache(maxsize=32)  # a file's hash is in its properties and its pattern, and checked for its id
    def fits(value: str) -> bool:
        return fullmatch(value) is not None

    def check(value: Json) -> Fault | None:
        return None if isinstance(value, str) and fits(value) else Fault(rule, value)

    return check


_HEX_LENGTH = {"MD5": 32, "SHA-1": 40, "SHA-256": 64, "SHA-512": 128, "SHA3-256": 64, "SHA3-512": 128}
HASHES: Mapping[str, Check] = {
    # Lower case, because consumers compare hashes as text.
    **{name: _hash(name, length) for name, length in _HEX_LENGTH.items()},
    "SSDEEP": matching(r"[A-Za-z0-9/+:.]{1,128}", "must be an SSDEEP hash"),
    "TLSH": matching(r"[0-9a-fA-F]{70}", "must be 70 hexadecimal digits, being a TLSH (without its version `T1`)"),
}
"""Every hash algorithm of the vocabulary, and the form of its values."""


def hashes(value: Json) -> Fault | None:
    """Hashes by the exact names of the vocabulary."""
    if not isinstance(value, dict) or not value:
        return Fault("must be an object that is not empty", value)
    for name, digest in value.items():
        check = HASHES.get(name)
        if check is None:
            return Fault(f"must have keys out of {', '.join(HASHES)}", name)
        fault = check(digest)
        if fault is not None:
            return fault.within(f".{name}")
    return None


# Network names and addresses

_LABEL = r"[\w-]{1,63}"
# Letters of any script, as RFC 5890 allows, and underscores and hyphens anywhere, which are in many names that are
# looked up every day. Digits alone at the end are part of an address (RFC 3696).
domain = matching(
    rf"(?=.{{1,253}}\Z)(?!(?:.*\.)?[0-9]+\.?\Z){_LABEL}(?:\.{_LABEL})*\.?", "must be a domain name, and no address"
)
mac = matching(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}", "must be a MAC address such as 02:00:5e:10:00:00")
email = matching(r"[^\s@<>]{1,64}@[^\s@<>]{1,253}", "must be an email address such as someone@example.com")

# RFC 3986 appendix A, and what browsers send beside it in path, query and fragment (WHATWG URL): a URL that is compared
# with logs has to be as it was sent. Possessive, so that a hostile URL costs no more time than its length.
_PERCENT = r"%[0-9A-Fa-f]{2}"
_UNRESERVED = r"A-Za-z0-9\-._~!$&'()*+,;="


def _encoded(more: str) -> str:
    """Any number of these and the unreserved, and of what is percent-encoded."""
    return rf"[{_UNRESERVED}{more}]*+(?:{_PERCENT}[{_UNRESERVED}{more}]*+)*+"


_HOST = rf"\[(?:[0-9A-Fa-f:.]+|[vV][0-9A-Fa-f]+\.[{_UNRESERVED}:]+)\]|{_encoded('')}"
_AUTHORITY = rf"(?:{_encoded(':')}@)?(?:{_HOST})(?::[0-9]*+)?(?=[/?\#]|\Z)"
_SENT = rf"{_UNRESERVED}:@/%\[\]|"
url = matching(
    rf"[A-Za-z][A-Za-z0-9+.\-]*+:(?://{_AUTHORITY}|(?!//))[{_SENT}]*+(?:\?[{_SENT}?\^`{{}}]*+)?(?:\#[{_SENT}?\^{{}}#]*+)?",
    "must be a URL, percent-encoded at least where browsers do it",
)


_IPV4 = (IPv4Address, IPv4Network)
_IPV6 = (IPv6Address, IPv6Network)


def ipv4(value: Json) -> Fault | None:
    """An IPv4 address or a block of them in CIDR notation (section 6.8)."""
    return None if isinstance(_address(value), _IPV4) else Fault("must be an IPv4 address", value)


def ipv6(value: Json) -> Fault | None:
    """An IPv6 address or a block of them in CIDR notation, without a zone (section 6.9)."""
    is_one = isinstance(_address(value), _IPV6) and "%" not in value
    return None if is_one else Fault("must be an IPv6 address", value)


def _address(value: Json) -> addresses.Address | addresses.Network | None:
    return addresses.parse(value) if isinstance(value, str) else None
