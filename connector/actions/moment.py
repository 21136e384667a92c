"""A time as parameters give it: a date, or a date with a time and an offset."""

import datetime
import re
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

_RFC3339 = re.compile(r"\d{4}-\d{2}-\d{2}([Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2}))?", re.ASCII)


def _seconds(value: Any) -> int:
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        raise ValueError("must be a time: 2026-01-31 or 2026-01-31T08:00:00Z")
    try:
        moment = datetime.datetime.fromisoformat(value.upper())
    except ValueError:
        raise ValueError("there is no such time") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return max(0, int(moment.timestamp()))


Moment = Annotated[
    int,
    BeforeValidator(_seconds),
    WithJsonSchema(
        {"type": "string", "anyOf": [{"format": "date-time"}, {"format": "date"}], "examples": ["2026-01-31T08:00:00Z"]}
    ),
]
"""Text of RFC 3339; a date alone is its first second, UTC. As a value: Unix seconds."""
