"""What generated code calls to make a mapping's values: what is missing in them, and what is kept from one to the next.

Missing is null, and an empty list or object that came of evaluating something. It never appears in a document: a
property is left out, an element is dropped.
"""

import math
from typing import Any

import orjson

from connector.mapping.language.budget import CONTAINERS, STEPS_OF_LIST, Budget, BudgetError
from connector.model import Document, Json, Provisional

ITEM = "item"
"""The name of the element that `$each` is at."""

_HOLLOW = CONTAINERS | {type(None)}


def present(value: Json, budget: Budget) -> Json:
    """A copy without null, empty lists and empty objects at any depth; null when nothing remains.

    Raises:
        BudgetError: there are more elements and members in it than steps are left.
    """
    if isinstance(value, dict):
        budget.left -= len(value) + STEPS_OF_LIST
        if budget.left < 0:
            raise BudgetError
        return {
            name: kept
            for name, member in value.items()
            if (kept := present(member, budget) if member.__class__ in CONTAINERS else member) is not None
        } or None
    if isinstance(value, list):
        budget.left -= len(value) + STEPS_OF_LIST
        if budget.left < 0:
            raise BudgetError
        if _HOLLOW.isdisjoint(map(type, value)):
            return value.copy() or None
        return [
            kept
            for member in value
            if (kept := present(member, budget) if member.__class__ in CONTAINERS else member) is not None
        ] or None
    return value


def put_present(document: Document, name: str, value: Json, budget: Budget) -> None:
    """Give a document a property, unless nothing of it is present."""
    if value.__class__ in CONTAINERS:
        value = present(value, budget)
        if value is None:
            return
    document[name] = value


_MEMO_RESULTS = 256
"""How many results each memo keeps."""
_MEMO_KEY_BYTES = 4096
"""The longest key, as JSON, under which a result is kept."""


Memo = dict[bytes, Any]
"""What was made of one value, by its key."""


def remember(memo: Memo, key: bytes | None, made: Any) -> None:
    """Keep what was made, among the latest."""
    if key is not None:
        if len(memo) >= _MEMO_RESULTS:
            memo.clear()
        memo[key] = made


def key_of(item: Json) -> bytes | None:
    """A key that no other JSON value has; None for a value that is large, or no JSON."""
    try:
        key = orjson.dumps(item)
    except TypeError:
        return None
    # orjson writes null for NaN and infinity, too.
    return key if len(key) <= _MEMO_KEY_BYTES and (b"null" not in key or _is_json(item)) else None


def _is_json(value: Json) -> bool:
    if isinstance(value, dict):
        return all(map(_is_json, value.values()))
    if isinstance(value, list):
        return all(map(_is_json, value))
    return not isinstance(value, float) or math.isfinite(value)


def prototype(document: Document) -> Json:
    """A document to make copies of, by `copy_of`, and the names of its properties that hold lists or objects."""
    return document, [name for name, value in document.items() if value.__class__ in CONTAINERS]


def copy_of(original: Any) -> Document:
    """A copy of the document of a `prototype`, which shares no list or object with it or with other copies."""
    document, containers = original
    made: Document = document.__class__(document) if isinstance(document, Provisional) else document.copy()
    for name in containers:
        made[name] = _copied(document[name])
    return made


def _copied(value: Json) -> Json:
    if isinstance(value, dict):
        return {name: _copied(member) if member.__class__ in CONTAINERS else member for name, member in value.items()}
    return [_copied(member) if member.__class__ in CONTAINERS else member for member in value]
