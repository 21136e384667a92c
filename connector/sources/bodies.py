"""Notification bodies as sources hand them on: JSON objects that any store can hold."""

from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from connector.model import Json, JsonObject

MAX_DEPTH = 200
"""Levels of a body that are kept; orjson reads more of them than it writes (254)."""
TOO_DEEP = f"(left out: nested deeper than {MAX_DEPTH} levels)"

_OBJECT_KEYS = ("id", "type", "attributes", "context_attributes")


def storable(item: Json) -> JsonObject:
    """An item of a list as a body. What is no object stands under `item`, so that not even a broken item is lost.

    What is nested too deeply is left out of the item itself, which may be most of the memory that there is.
    """
    body = item if isinstance(item, dict) else {"item": item}
    try:
        orjson.dumps(body)
    except TypeError:
        _cut(body, MAX_DEPTH)
    return body


def unpacked(value: Json) -> Iterator[JsonObject]:
    """The bodies in a JSON object or list: an API page, the answer for one notification, a list, or a body itself."""
    if isinstance(value, list):
        for item in value:
            yield from unpacked(item) if isinstance(item, dict) else (storable(item),)
    elif isinstance(value.get("data"), dict | list) and not any(key in value for key in _OBJECT_KEYS):
        data = value["data"]
        for item in data if isinstance(data, list) else (data,):
            yield storable(item)
    else:
        yield storable(value)


def _cut(value: dict[str, Any] | list[Any], levels: int) -> None:
    children: Iterable[tuple[Any, Any]] = value.items() if isinstance(value, dict) else enumerate(value)
    for key, child in children:
        if isinstance(child, dict | list):
            if levels:
                _cut(child, levels - 1)
            else:
                value[key] = TOO_DEEP
