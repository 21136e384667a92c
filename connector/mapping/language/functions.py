"""The functions that mappings call beside those of JMESPath.

Each is pure. Null in gives null out unless its docstring says otherwise; a value of another type than the signature
names is a JMESPath type error. The first line of a docstring and its example are the reference in `docs/mappings.md`.
"""

import functools
import hashlib
import inspect
import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any

import orjson
from jmespath.exceptions import ArityError, JMESPathError, JMESPathTypeError, VariadictArityError

from connector.mapping.language import budget, guarding
from connector.mapping.language.json_types import ANY, ARRAY, NULL, NUMBER, OBJECT, PYTHON_TYPES, SCALAR, STRING, Types
from connector.mapping.language.json_types import type_name as type_name_of
from connector.model import Json
from connector.values import addresses, identifiers, timestamps, uri
from connector.values.display import DECEPTIVE
from connector.values.shapes import Identifier, Shape, Timestamp, Url

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 -- all in UTC; without a zone it is twice as fast
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_CANONICAL = re.compile(r"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z", re.ASCII)
"""As `timestamp` writes it."""
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[-+]\d\d:\d\d)\Z", re.ASCII)
_OBJECT_TYPE = re.compile(r"[a-z0-9-]+")
_WHOLE = re.compile(r"[-+]?[0-9]{1,19}\Z")
_BETWEEN_WORDS = re.compile(r"[\s._-]+")
_UNCLEAN = re.compile(f"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff{DECEPTIVE}]")
_CLEANED_AT_ONCE = 2**16
"""Characters; the pattern keeps what stands between matches, which takes twenty times the memory of the text."""
_ASCII_CONTROLS = (*range(0x20), 0x7F)
_ASCII_CLEANED = bytes(0x20 if byte in _ASCII_CONTROLS else byte for byte in range(0x100))
_STRINGS = frozenset((str,))
_INT64 = 2**63


class InvalidValueError(JMESPathError):
    """A value of the right type that the function cannot work on."""


class RequiredError(JMESPathError):
    """A value is missing without which there is nothing to convert; the message is the mapping's own sentence."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a function: what it is called, and the types it takes.

    Attributes:
        passes_null: null comes to the function itself; otherwise null makes the result null.
    """

    name: str
    types: Types
    passes_null: bool = False

    @property
    def python_types(self) -> frozenset[type]:
        """The Python types of the values that reach the function."""
        names = self.types if self.passes_null else self.types - NULL
        return frozenset(python for name in names for python in PYTHON_TYPES[name])


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the mapping language.

    Attributes:
        variadic: the last parameter may be given more than once.
        returns: the types of its results; null among them where it may come of arguments that are not.
        makes: what its results look like; or what makes that of its first argument, where that is a literal.
    """

    name: str
    call: Callable[..., Json]
    parameters: tuple[Parameter, ...]
    variadic: bool
    returns: Types
    makes: Shape | type[Identifier] | None = None

    def parameter(self, index: int) -> Parameter:
        """The parameter that takes the argument at an index."""
        return self.parameters[min(index, len(self.parameters) - 1)]

    def check_arity(self, count: int) -> None:
        """Refuse a wrong number of arguments.

        Raises:
            ArityError: too few or too many.
        """
        wanted = len(self.parameters)
        if self.variadic:
            if count < wanted:
                raise VariadictArityError(wanted, count, self.name)
        elif count != wanted:
            raise ArityError(wanted, count, self.name)

    def apply(self, arguments: Sequence[Json]) -> Json:
        """Check the arguments, then call: null for one that does not pass it makes the result null.

        Generated code calls the function itself where all arguments are of the right type, and leaves the rest to this.

        Raises:
            JMESPathError: a wrong number of arguments, a wrong type, or a value it cannot work on.
        """
        self.check_arity(len(arguments))
        missing = False
        for index, value in enumerate(arguments):
            parameter = self.parameter(index)
            if value is None and not parameter.passes_null:
                missing = True
            elif type_name_of(value) not in parameter.types:
                raise JMESPathTypeError(self.name, value, type_name_of(value), sorted(parameter.types))
        return None if missing else self.call(*arguments)

    def shape(self, arguments: Sequence[Any]) -> Shape | None:
        """What is known of its result, given the syntax trees of its arguments; None when nothing is."""
        if not isinstance(self.makes, type):
            return self.makes
        first = arguments[0]["value"] if arguments[0]["type"] == "literal" else None
        return self.makes(first) if isinstance(first, str) and _OBJECT_TYPE.fullmatch(first) else None

    @property
    def example(self) -> tuple[str, str]:
        """An expression and its value as JSON, from the docstring: `lower('A') → "a"`."""
        lines = (inspect.getdoc(self.call) or "").splitlines()
        expression, value = next(line for line in lines if " → " in line).split(" → ")
        return expression, value

    @property
    def signature(self) -> str:
        """As a reference shows it: `add_days(text, days)`."""
        dots = ", …" if self.variadic else ""
        return f"{self.name}({', '.join(parameter.name for parameter in self.parameters)}{dots})"


FUNCTIONS: dict[str, Function] = {}
"""Every function of the mapping language that JMESPath does not have, by name."""


def _function(
    *parameters: Parameter, returns: Types, variadic: bool = False, makes: Shape | type[Identifier] | None = None
) -> Callable[[Callable[..., Json]], Callable[..., Json]]:
    def register(call: Callable[..., Json]) -> Callable[..., Json]:
        name = call.__name__.rstrip("_")
        FUNCTIONS[name] = Function(name, call, parameters, variadic, returns, makes)
        return call

    return register


_TEXT = Parameter("text", STRING)
_SECONDS = Parameter("seconds", NUMBER | STRING)
_DIGITS = re.compile(r"[0-9]{1,19}\Z")


def _in_digits(text: str) -> int | None:
    """VirusTotal gives some of its times as text."""
    return int(text) if _DIGITS.match(text) else None


@_function(_SECONDS, returns=STRING | NULL, makes=Timestamp())
def timestamp(seconds: float | str) -> str | None:
    """Unix seconds, a number or digits, as RFC 3339 with milliseconds in UTC; null outside the years 1 to 9999.

    timestamp(`1684311125`) → "2023-05-17T08:12:05.000Z"
    """
    since_1970 = _in_digits(seconds) if isinstance(seconds, str) else seconds
    if since_1970 is None:
        return None
    try:
        return timestamps.timestamp(since_1970)
    except (ValueError, OverflowError):
        return None


@_function(_SECONDS, returns=NUMBER | NULL)
def epoch_ms(seconds: float | str) -> int | None:
    """Unix seconds, a number or digits, as whole milliseconds since 1970; null for other text.

    epoch_ms(`1684311125.5`) → 1684311125500
    """
    if isinstance(seconds, str):
        whole = _in_digits(seconds)
        return None if whole is None else whole * 1000
    if isinstance(seconds, int):
        return seconds * 1000
    return math.floor(seconds * 1000) if math.isfinite(seconds * 1000) else None


@_function(_SECONDS, returns=STRING | NULL)
def cef_time(seconds: float | str) -> str | None:
    """Unix seconds, a number or digits, in CEF's words for a time, in UTC; null outside the years 1970 to 9999.

    cef_time(`1684311125`) → "May 17 2023 08:12:05 UTC"
    """
    since_1970 = _in_digits(seconds) if isinstance(seconds, str) else seconds
    if since_1970 is None or not since_1970 >= 0:
        return None
    try:
        time = _EPOCH + timedelta(0, since_1970)
    except (ValueError, OverflowError):
        return None
    return f"{_MONTHS[time.month - 1]} {time:%d %Y %H:%M:%S} UTC"  # %b is in the language of the machine


@_function(_TEXT, Parameter("days", NUMBER), returns=STRING | NULL, makes=Timestamp())
def add_days(text: str, days: float) -> str | None:
    """An RFC 3339 time, so many days later; null when the text is none or the result leaves the years 1 to 9999.

    add_days('2023-05-17T08:12:05Z', `30`) → "2023-06-16T08:12:05.000Z"
    """
    if isinstance(days, int) and _CANONICAL.fullmatch(text):  # the usual one; its day is that of many
        later = _later_day(text[:10], days)
        return later and later + text[10:]
    if not _RFC3339.match(text):
        return None
    try:
        time = (datetime.fromisoformat(text.upper()) + timedelta(days)).astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None
    return time.isoformat("T", "milliseconds") + "Z"


@functools.lru_cache(maxsize=256)
def _later_day(day: str, days: int) -> str | None:
    try:
        return (date.fromisoformat(day) + timedelta(days)).isoformat()
    except (ValueError, OverflowError):
        return None


@_function(Parameter("type", STRING), Parameter("part", SCALAR), returns=STRING, variadic=True, makes=Identifier)
def stix_id(object_type: str, *parts: Json) -> str:
    """A STIX id that the same arguments always give; null when any of them is null.

    stix_id('indicator', 'domain', 'example.com') → "indicator--5f42e209-14ed-5b27-bba4-0f32a93f3508"
    """
    try:
        name = orjson.dumps((object_type, *parts))
    except orjson.JSONEncodeError:
        raise InvalidValueError("stix_id() cannot use text with lone surrogates or a number beyond 64 bits") from None
    return identifiers.identifier(object_type, name)  # as `identifiers.stix_id`, which is one call more


@_function(Parameter("type", STRING), Parameter("properties", OBJECT), returns=STRING | NULL, makes=Identifier)
def opencti_id(object_type: str, properties: dict[str, Json]) -> str | None:
    """The STIX id that OpenCTI gives an object with these properties; null when one of them is null.

    opencti_id('malware', {name: lower('Emotet')}) → "malware--36297121-bf18-56e1-b200-d39c9f9f5cee"
    """
    if None in properties.values():
        return None
    budget.current().weigh(properties)
    try:
        return identifiers.opencti_id(object_type, properties)
    except (TypeError, orjson.JSONEncodeError):
        raise InvalidValueError(
            "opencti_id() cannot use text with lone surrogates or a number beyond 64 bits"
        ) from None


@_function(Parameter("value", ANY - NULL), returns=STRING | NULL)
def text(value: Json) -> str | None:
    """Text as it is, a number or truth value as JSON writes it; null for a list or an object, which are none.

    text(`7`) → "7"
    """
    if isinstance(value, str):
        return value
    if isinstance(value, list | dict) or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return json.dumps(value)


@_function(Parameter("value", ANY, passes_null=True), Parameter("reason", STRING), returns=ANY)
def required(value: Json, reason: str) -> Json:
    """The value; where it is null the notification is refused, for this reason.

    required('example.com', 'an entity needs its value') → "example.com"
    """
    if value is None:
        raise RequiredError(reason)
    return value


_FUZZY = {
    "SSDEEP": re.compile(r"(?=.{1,128}\Z)[0-9]+:[A-Za-z0-9/+]*:[A-Za-z0-9/+]*"),
    "TLSH": re.compile(r"(?:T1)?([0-9a-fA-F]{70})"),
}


@_function(_TEXT, Parameter("algorithm", STRING), returns=STRING | NULL)
def fuzzy_hash(text: str, algorithm: str) -> str | None:
    """An SSDEEP or TLSH hash in the form that STIX has for it, a TLSH without its version; null for other text.

    fuzzy_hash('3:AIO9AJraNvsgzsVqSwHqiUZ:AeO9', 'SSDEEP') → "3:AIO9AJraNvsgzsVqSwHqiUZ:AeO9"
    """
    form = _FUZZY.get(algorithm)
    match = form.fullmatch(text) if form else None
    return match[match.lastindex or 0] if match else None


_HASHES = {64: "SHA-256", 40: "SHA-1", 32: "MD5"}
_HEXADECIMAL = re.compile(r"[0-9a-fA-F]+")


@_function(_TEXT, returns=STRING | NULL)
def hash_algorithm(text: str) -> str | None:
    """Which hash a text is by its hexadecimal digits: SHA-256 (64), SHA-1 (40) or MD5 (32); null for other text.

    hash_algorithm('d41d8cd98f00b204e9800998ecf8427e') → "MD5"
    """
    return _HASHES.get(len(text)) if _HEXADECIMAL.fullmatch(text) else None


@_function(_TEXT, returns=STRING)
def lower(text: str) -> str:
    """The text in lower case.

    lower('EXAMPLE.com') → "example.com"
    """
    return text.lower()


@_function(_TEXT, returns=STRING)
def upper(text: str) -> str:
    """The text in upper case.

    upper('hunting') → "HUNTING"
    """
    return text.upper()


@_function(_TEXT, returns=STRING)
def trim(text: str) -> str:
    """The text without blanks and line breaks at its ends.

    trim('  a b ') → "a b"
    """
    return text.strip()


@_function(_TEXT, Parameter("old", STRING), Parameter("new", STRING), returns=STRING)
def replace(text: str, old: str, new: str) -> str:
    """The text with every `old` replaced by `new`.

    replace('a_b_c', '_', ' ') → "a b c"
    """
    if not old:
        return text
    if len(new) > len(old) and len(text) * (len(new) + 1) > budget.SMALL:
        budget.current().spend((len(text) + text.count(old) * (len(new) - len(old))) // budget.CHARACTERS)
    return text.replace(old, new)


@_function(_TEXT, Parameter("length", NUMBER), returns=STRING)
def truncate(text: str, length: float) -> str:
    """The text cut to so many characters, the last of them `…` when something was cut.

    truncate('abcdef', `4`) → "abc…"
    """
    if len(text) <= length:
        return text
    return text[: int(length) - 1] + "…" if length >= 1 else ""


@_function(_TEXT, Parameter("length", NUMBER), returns=STRING)
def truncate_bytes(text: str, length: float) -> str:
    """The text cut to so many bytes of UTF-8, the last three of them `…` when something was cut.

    truncate_bytes('größer', `7`) → "grö…"
    """
    if len(text) * 4 <= length or (len(text) <= length and text.isascii()):  # as most are
        return text
    encoded = text[: int(length) + 1].encode("utf-8", "replace")
    if len(encoded) <= length:
        return text
    return encoded[: int(length) - 3].decode("utf-8", "ignore") + "…" if length >= 3 else ""  # noqa: PLR2004 -- of `…`


@_function(_TEXT, returns=STRING)
def sha256(text: str) -> str:
    """The SHA-256 of the text in UTF-8, in hexadecimal: VirusTotal's id of a URL in the form in which it keeps it.

    sha256('https://www.example.com/') → "49365e2b6b265ccba4bed01f5fa3cbcf6a028e5354d2b647f5eb37be735991c5"
    """
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


@_function(_TEXT, Parameter("separator", STRING), returns=ARRAY)
def split(text: str, separator: str) -> list[str]:
    """The parts of the text between separators.

    split('a,b,c', ',') → ["a", "b", "c"]
    """
    return text.split(separator) if separator else list(text)


@_function(_TEXT, returns=NUMBER | NULL)
def ip_version(text: str) -> int | None:
    """4 or 6 for an IP address or network; null for any other text.

    ip_version('2001:db8::1') → 6
    """
    address = addresses.parse(text)
    return None if address is None else address.version


@_function(_TEXT, returns=STRING | NULL)
def ip(text: str) -> str | None:
    """An IP address or network in its one canonical form (RFC 5952 for IPv6); null for any other text.

    A host of numbers with one in hexadecimal, such as `0xC0.0.2.1`, is the IPv4 address that browsers go to.

    ip('2001:DB8:0::1') → "2001:db8::1"
    """
    return addresses.written(text)


@_function(_TEXT, returns=STRING | NULL)
def ip_scope(text: str) -> str | None:
    """Where an IP address means something: global, private, loopback, link_local, multicast, documentation, reserved.

    ip_scope('192.168.1.10') → "private"
    """
    address = addresses.parse(text)
    return None if address is None else addresses.scope(address)


@_function(_TEXT, returns=STRING | NULL)
def domain(text: str) -> str | None:
    """A domain name of two labels or more, as it is looked up: lower case, IDNA; null for other text and addresses.

    domain('Bücher.Example.') → "xn--bcher-kva.example"
    """
    return uri.domain(text)


@_function(Parameter("part", NUMBER), Parameter("whole", NUMBER), returns=NUMBER | NULL)
def percent(part: float, whole: float) -> int | None:
    """How many hundredths of the whole a part is, rounded; null when the whole is nothing, or less than the part.

    percent(`18`, `72`) → 25
    """
    if not (0 <= part <= whole and 0 < whole < math.inf):
        return None
    try:
        return round(100 * part / whole)
    except OverflowError:  # near the largest number there is
        return round(100 * Fraction(part) / Fraction(whole))


@_function(Parameter("number", NUMBER), Parameter("least", NUMBER), Parameter("most", NUMBER), returns=NUMBER | NULL)
def within(number: float, least: float, most: float) -> float | None:
    """The number when it is from `least` to `most`, both included; else null.

    within(`85`, `0`, `100`) → 85
    """
    return number if least <= number <= most else None


@_function(Parameter("object", OBJECT), Parameter("separator", STRING), returns=ARRAY)
def pairs(value: dict[str, Json], separator: str) -> list[str]:
    """The members of an object that are text, a number or a truth value, each as one text, sorted by name.

    pairs({tenant: 'acme', region: 'eu'}, ':') → ["region:eu", "tenant:acme"]
    """
    texts = ((name, text(member)) for name, member in sorted(value.items()))
    return [f"{name}{separator}{said}" for name, said in texts if said is not None]


@_function(Parameter("number", NUMBER), Parameter("least", NUMBER), Parameter("most", NUMBER), returns=NUMBER)
def clamp(number: float, least: float, most: float) -> float:
    """The number, or of `least` and `most` the one that it is beyond.

    clamp(`85`, `0`, `69`) → 69
    """
    return most if number > most else max(number, least)


@_function(Parameter("list", ARRAY), returns=ARRAY)
def unique(items: list[Json]) -> list[Json]:
    """The list without repeats, each element where it first stood.

    unique(['b', 'a', 'b']) → ["b", "a"]
    """
    if _STRINGS.issuperset(map(type, items)):
        return list(dict.fromkeys(items))
    seen: dict[Any, Json] = {}
    spent = budget.current()
    for item in items:
        if item.__class__ in budget.CONTAINERS:
            spent.weigh(item)
        # Python cannot hash a list, and holds 1 and true for equal.
        seen.setdefault(_as_key(item) if isinstance(item, list | dict) else (type_name_of(item), item), item)
    return list(seen.values())


@_function(Parameter("list", ARRAY), Parameter("name", STRING), returns=ARRAY)
def unique_by(items: list[Json], name: str) -> list[Json]:
    """The list without objects that have the same text in this member as one before them.

    unique_by(`[{"id": "a", "n": 1}, {"id": "b"}, {"id": "a"}]`, 'id') → [{"id": "a", "n": 1}, {"id": "b"}]
    """
    found: dict[Any, Json] = {}
    for item in items:
        value = item.get(name) if isinstance(item, dict) else None
        found.setdefault(value if isinstance(value, str) else len(found), item)
    return list(found.values())


def _as_key(item: Json) -> bytes | str:
    try:
        return orjson.dumps(item, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # what JSON can say and orjson cannot: a number beyond 64 bits, a lone surrogate
        return json.dumps(item, sort_keys=True)


@_function(
    Parameter("object", OBJECT | NULL, passes_null=True),
    Parameter("key", STRING | NULL, passes_null=True),
    Parameter("default", ANY, passes_null=True),
    returns=ANY,
)
def lookup(table: dict[str, Json] | None, key: str | None, default: Json) -> Json:
    """What an object holds under a key; the default when it has no such key, or when object or key is null.

    lookup(`{"VERDICT_MALICIOUS": "malicious-activity"}`, 'VERDICT_MALICIOUS', 'unknown') → "malicious-activity"
    """
    if table is None or key is None:
        return default
    value = table.get(key)
    return default if value is None else value


@_function(Parameter("value", NUMBER | STRING), returns=NUMBER | NULL)
def int_(value: float | str) -> int | None:
    """A whole number from a number or its decimal digits; null when it is none, or leaves 64 bits.

    int('443') → 443
    """
    if not isinstance(value, int):
        if isinstance(value, str):
            if not _WHOLE.match(value):
                return None
        elif not value.is_integer():
            return None
        value = int(value)
    return value if -_INT64 <= value < _INT64 else None


@_function(_TEXT, returns=STRING | NULL, makes=Url())
def url(text: str) -> str | None:
    """A URL as it is sent and logged: its host as `host` has it, no fragment, encoded as by browsers; null if none.

    url('HTTPS://Bücher.example.:443/a b?q[]=1&r=%c3%#x') → "https://xn--bcher-kva.example/a%20b?q[]=1&r=%c3%"
    """
    return uri.spelled(text)


@_function(_TEXT, returns=STRING | NULL, makes=Url())
def canonical_url(text: str) -> str | None:
    """One text for all spellings of a URL, encoded as RFC 3986 wants, to make ids of; null if it is no URL.

    canonical_url('HTTP://Example.com:80/%c3?q[]=1') → "http://example.com/%C3?q%5B%5D=1"
    """
    return uri.canonical(text)


@_function(_TEXT, returns=STRING | NULL)
def host(text: str) -> str | None:
    """The host of a URL as it is looked up, an address in its canonical form; null when it has none, or is no URL.

    A host of numbers, such as `0xC0.0.513`, is the IPv4 address that browsers go to, but for zeros before a number.

    host('https://user@Example.com:8443/a') → "example.com"
    """
    return uri.host(text)


@_function(_TEXT, returns=OBJECT | NULL)
def url_parts(text: str) -> dict[str, Json] | None:
    """What a URL is made of: `scheme`, `host`, `port` (a number), `path`, `query`, `fragment`; null when it is no URL.

    url_parts('https://user@Example.com:8443/a?q=1').[host, port, path] → ["example.com", 8443, "/a"]
    """
    return uri.parts(text)


@_function(_TEXT, returns=OBJECT | NULL)
def guarded(text: str) -> dict[str, Json] | None:
    """What guards a host, address, URL or hash, as {list, effect, confidence}; null when no known-good list has it.

    guarded('www.google.com').effect → "suppress"
    """
    found = guarding.guarded(text)
    return None if found is None else found.for_mappings()


@_function(_TEXT, returns=OBJECT | NULL)
def claimed(text: str) -> dict[str, Json] | None:
    """What is known (`entity`) of a host or address, if the route delivers a notification about it; else null.

    claimed('c2.example').gti_assessment.verdict.value → null
    """
    found = guarding.claimed(text)
    return None if found is None else dict(found)


@_function(_TEXT, returns=STRING)
def plain_name(text: str) -> str:
    """The name that all spellings share: lower case, one blank for what is between words (`-`, `_`, `.`, blanks).

    plain_name('RedLine_Stealer') → "redline stealer"
    """
    return " ".join(_BETWEEN_WORDS.split(text.lower())).strip() or text.lower()


@_function(_TEXT, returns=STRING)
def clean(text: str) -> str:
    r"""The text without controls, line separators, lone surrogates and what is unseen and deceives; blanks instead.

    clean(`"invoice\u202efdp.exe\n"`) → "invoice fdp.exe"
    """
    if text.isprintable():
        return text.strip()
    if text.isascii():  # a table of bytes is ten times as fast as the pattern
        return text.encode().translate(_ASCII_CLEANED).decode().strip()
    if len(text) <= _CLEANED_AT_ONCE:
        return _UNCLEAN.sub(" ", text).strip()
    pieces = (text[start : start + _CLEANED_AT_ONCE] for start in range(0, len(text), _CLEANED_AT_ONCE))
    return "".join(_UNCLEAN.sub(" ", piece) for piece in pieces).strip()
