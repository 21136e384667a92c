"""The query language of the simulated IoC Stream: filters, orders and cursors, refused as the real ones are.

(docs.virustotal.com/reference/get-objects-from-the-ioc-stream)
"""

import base64
import binascii
import bisect
import datetime
import hashlib
import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from connector.simulator.subjects import Item

DEFAULT_LIMIT = 10
MAX_LIMIT = 40
ORDERS = ("date-", "date+")

_ORIGINS = ("hunting", "subscriptions")
_ENTITY_TYPES = ("file", "domain", "url", "ip_address")
_SOURCE_TYPES = ("hunting_ruleset", "retrohunt_job", "collection", "threat_actor", "threat_profile")


class BadRequest(Exception):
    """The API answers 400 with this message."""


@dataclass(frozen=True, slots=True)
class Query:
    """What a request asks the stream for."""

    filter: str
    order: str
    limit: int
    descriptors_only: bool
    after: tuple[int, str] | None

    @classmethod
    def of(cls, args: dict[str, str], cursors_since: int) -> "Query":
        """Read the parameters of a request; cursors of an earlier generation than `cursors_since` are refused.

        Raises:
            BadRequest: as the real API would.
        """
        order, wanted = args.get("order", "date-"), args.get("filter", "")
        if order not in ORDERS:
            raise BadRequest(f'order "{order}" is not valid. Valid orders are: {",".join(ORDERS)}')
        try:
            limit = int(args.get("limit", DEFAULT_LIMIT))
        except ValueError:
            raise BadRequest('"limit" must be an integer') from None
        if not 1 <= limit <= MAX_LIMIT:
            raise BadRequest(f'"limit" must be between 1 and {MAX_LIMIT}')
        cursor = args.get("cursor")
        after = _opened(cursor, wanted, order, cursors_since) if cursor is not None else None
        return cls(wanted, order, limit, args.get("descriptors_only") == "true", after)

    def page(self, matching: Sequence[Item]) -> tuple[Sequence[Item], bool]:
        """The items of this page out of those that match, by `position`; and whether more follow."""
        if self.order == "date+":
            start = 0 if self.after is None else bisect.bisect_right(matching, self.after, key=position)
            return matching[start : start + self.limit], start + self.limit < len(matching)
        end = len(matching) if self.after is None else bisect.bisect_left(matching, self.after, key=position)
        start = max(0, end - self.limit)
        return matching[start:end][::-1], start > 0

    def cursor(self, last: Item, generation: int) -> str:
        """An opaque cursor to what follows this item; good for the same filter and order alone."""
        said = [generation, _digest(self.filter, self.order), *position(last)]
        return base64.urlsafe_b64encode(zlib.compress(json.dumps(said).encode())).decode()


def matcher(wanted: str) -> Callable[[Item], bool]:
    """Whether an item matches a filter: terms separated by spaces, all of which must hold.

    Raises:
        BadRequest: a term is not of this language.
    """
    tests = [_term(term) for term in wanted.split()]
    return lambda item: all(test(item) for test in tests)


def _term(term: str) -> Callable[[Item], bool]:  # noqa: PLR0911 -- one return for each kind of term
    name, colon, value = term.partition(":")
    if not colon or not value:
        raise BadRequest(f'"{term}" is not a valid filter')
    if name == "date":
        return _date_term(value)
    if name == "origin":
        return _choice("origin", value, _ORIGINS, lambda item: [context(item).get("origin")])
    if name == "entity_type":
        return _choice("entity_type", value, _ENTITY_TYPES, lambda item: [item.get("type")])
    if name == "source_type":
        return _choice("source_type", value, _SOURCE_TYPES, lambda item: [s.get("type") for s in _sources(item)])
    if name == "source_id":
        return lambda item: value in [source.get("id") for source in _sources(item)]
    if name == "entity_id":
        return lambda item: item.get("id") == value
    if name == "notification_tag":
        return lambda item: value in (context(item).get("tags") or ())
    raise BadRequest(f'filter "{name}" is not valid')


def _choice(
    name: str, value: str, choices: tuple[str, ...], said: Callable[[Item], list[Any]]
) -> Callable[[Item], bool]:
    if value not in choices:
        raise BadRequest(f'{name} "{value}" is not valid. Valid {name}s are: {",".join(choices)}')
    return lambda item: value in said(item)


def _date_term(value: str) -> Callable[[Item], bool]:
    text, sign = value[:-1], value[-1]
    if sign not in "+-":
        at = _seconds(value)
        return lambda item: position(item)[0] == at
    at = _seconds(text)
    return (lambda item: position(item)[0] >= at) if sign == "+" else (lambda item: position(item)[0] <= at)


def _seconds(text: str) -> int:
    if text.isdigit():
        return int(text)
    try:
        return int(datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC).timestamp())
    except ValueError:
        raise BadRequest(f'date "{text}" is not valid') from None


def _opened(cursor: str, wanted: str, order: str, cursors_since: int) -> tuple[int, str]:
    try:
        said = json.loads(zlib.decompress(base64.urlsafe_b64decode(cursor)))
        generation, digest, date, identifier = said
    except (ValueError, TypeError, binascii.Error, zlib.error):
        raise BadRequest("Invalid cursor") from None
    if digest != _digest(wanted, order) or generation < cursors_since:
        raise BadRequest("Invalid cursor")
    return date, identifier


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def position(item: Item) -> tuple[int, str]:
    """Where an item stands in the stream: by date, and within a second in an order of no meaning that stays."""
    said = context(item)
    return said.get("notification_date") or 0, str(said.get("notification_id"))


def context(item: Item) -> Item:
    """What an item says of its notification."""
    said = item.get("context_attributes")
    return said if isinstance(said, dict) else {}


def _sources(item: Item) -> list[Item]:
    return [source for source in context(item).get("sources") or () if isinstance(source, dict)]
