"""What a client asks of a collection: filters, `limit` and `next` (TAXII 2.1 sections 3.4 and 3.5)."""

import base64
import binascii
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from connector.model import Selection
from connector.values.timestamps import microseconds

SPEC_VERSION = "2.1"
MAX_PAGE = 10_000
"""Objects in one answer at most, even if more are asked for."""
PAGE = 1000
"""Objects in one answer to a client that does not say how many."""

OBJECT_ID = re.compile(r"[a-z][a-z0-9-]{1,248}[a-z0-9]--[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TYPE = re.compile(r"[a-z][a-z0-9-]{1,248}[a-z0-9]")
_SPEC_VERSION = re.compile(r"[0-9]{1,4}\.[0-9]{1,4}")
_DIGITS = re.compile(r"[0-9]+")
_NAMED_VERSIONS = frozenset(("last", "first", "all"))
_MAX_DIGITS = 9
_OFFSET = re.compile(r"([^Zz]+)([+ -])([01][0-9]|2[0-3]):([0-5][0-9])")
_END = 2**63 - 1


class Malformed(Exception):
    """A parameter that is not as the specification has it; the message names it and says how it should be."""


@dataclass(frozen=True, slots=True)
class Query:
    """The parameters of a request, parsed.

    Attributes:
        nothing: whether no object can match, since only STIX 2.1 is kept and other versions of STIX are asked for.
        filters: the filters by parameter, as a `next` made from this carries them.
    """

    selection: Selection
    limit: int
    nothing: bool
    filters: Mapping[str, str]

    def among(self, ids: frozenset[str], *, every: bool = False) -> "Query":
        """The same query, limited to these objects; with `every`, for every version of them."""
        selection = replace(self.selection, ids=ids, every=every or self.selection.every)
        return replace(self, selection=selection)


def read_query(parameters: Sequence[tuple[str, str]], target: str, fields: Collection[str]) -> Query:
    """Parse the parameters of a request.

    Args:
        parameters: of the URL's query, decoded; those that TAXII does not have are ignored.
        target: which resource is asked, of which collection and object; a `next` is good for no other.
        fields: what `match[…]` may name here.

    Raises:
        Malformed: with a sentence for the person who wrote the client.
    """
    given: dict[str, str] = {}
    for name, value in parameters:
        if name not in ("added_after", "limit", "next") and not name.startswith("match["):
            continue
        if name in given:
            raise Malformed(f"{name} must be given once; separate several values by commas")
        if name.startswith("match[") and name[6:-1] not in fields:
            known = ", ".join(f"match[{field}]" for field in sorted(fields))
            raise Malformed(f"there is no filter {name!r} here; there is added_after, {known}")
        given[name] = value
    limit = _limit(given.pop("limit", None))
    token = given.pop("next", None)
    if token is None:
        return _query(given, limit)
    position, filters = _opened(token, target)
    _must_agree(given, filters)
    query = _query(filters, limit)
    after = max(query.selection.after, position)
    return replace(query, selection=replace(query.selection, after=after))


def following(query: Query, target: str, position: int) -> str:
    """The `next` with which the same query goes on after what was added at `position`."""
    return base64.urlsafe_b64encode(orjson.dumps([target, position, query.filters])).rstrip(b"=").decode()


def _opened(token: str, target: str) -> tuple[int, dict[str, str]]:
    # A client could ask for the same without a `next`, and what it holds is checked as strictly: it needs no signature.
    try:
        opened = orjson.loads(base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        raise Malformed("next is not one that this server gave") from None
    match opened:
        case [str(asked), int(position), dict(filters)] if 0 <= position <= _END and all(
            isinstance(value, str) for value in filters.values()
        ):
            pass
        case _:
            raise Malformed("next is not one that this server gave")
    if asked != target:
        raise Malformed("next belongs to another request: repeat the one that it came with")
    if not filters.keys() <= _READERS.keys():
        raise Malformed("next is not one that this server gave")
    return position, filters


def _must_agree(given: Mapping[str, str], filters: Mapping[str, str]) -> None:
    """A client may repeat the filters of its first request, or leave them out, but not change them.

    Except for `added_after`: clients send the newest time that they know, and it says less than `next` does.
    """
    for name, value in given.items():
        asked, before = _READERS[name](name, value), filters.get(name, _DEFAULTS.get(name))
        if name != "added_after" and (before is None or asked != _READERS[name](name, before)):
            raise Malformed(f"next belongs to a request with another {name}: repeat the one that it came with")


def _query(filters: Mapping[str, str], limit: int) -> Query:
    values = {name: _READERS[name](name, value) for name, value in filters.items()}
    versions = values.get("match[version]", frozenset(("last",)))
    selection = Selection(
        after=values.get("added_after", -1),
        ids=values.get("match[id]"),
        types=values.get("match[type]"),
        last="last" in versions,
        first="first" in versions,
        every="all" in versions,
        versions=versions - _NAMED_VERSIONS,
    )
    nothing = SPEC_VERSION not in values.get("match[spec_version]", (SPEC_VERSION,))
    return Query(selection, limit, nothing, dict(filters))


def _limit(value: str | None) -> int:
    if value is None:
        return PAGE
    digits = value.lstrip("0")
    if not _DIGITS.fullmatch(value) or not digits:
        raise Malformed("limit must be a positive whole number")
    return MAX_PAGE if len(digits) > _MAX_DIGITS else min(int(digits), MAX_PAGE)


def _milliseconds(name: str, value: str) -> int:
    # TAXII wants UTC (section 2); clients also send their own time, and its plus sign unescaped, which then is a space.
    local = _OFFSET.fullmatch(value)
    ahead = 0
    if local:
        value = f"{local[1]}Z"
        ahead = (int(local[3]) * 60 + int(local[4])) * (-60_000 if local[2] == "-" else 60_000)
    try:
        return max(-1, microseconds(value) // 1000 - ahead)
    except ValueError as error:
        raise Malformed(f"{name} is {error}") from None


def _version(name: str, value: str) -> str | int:
    if value in _NAMED_VERSIONS:
        return value
    try:
        return microseconds(value)
    except ValueError as error:
        raise Malformed(f"{name} takes last, first, all and timestamps, and this is {error}") from None


def _matching(pattern: re.Pattern[str], example: str) -> Callable[[str, str], str]:
    def read_one(name: str, value: str) -> str:
        if not pattern.fullmatch(value):
            raise Malformed(f"{name} takes values such as {example}, separated by commas")
        return value

    return read_one


def _each(read_one: Callable[[str, str], Any]) -> Callable[[str, str], frozenset[Any]]:
    return lambda name, value: frozenset(read_one(name, each) for each in value.split(","))


_READERS: dict[str, Callable[[str, str], Any]] = {
    "added_after": _milliseconds,
    "match[id]": _each(_matching(OBJECT_ID, "indicator--a932fcc6-e032-476c-826f-cb970a5a1ade")),
    "match[type]": _each(_matching(_TYPE, "indicator")),
    "match[version]": _each(_version),
    "match[spec_version]": _each(_matching(_SPEC_VERSION, SPEC_VERSION)),
}
"""By parameter, what makes its value; raises Malformed."""

_DEFAULTS = {"match[version]": "last", "match[spec_version]": SPEC_VERSION}
"""What a filter is when it is not given."""
