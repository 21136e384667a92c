"""A parameter that is a time: a date, or a date with a time and an offset."""

from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from connector.values.timestamps import unix_seconds


def _seconds(value: Any) -> int:
    return unix_seconds(value if isinstance(value, str) else "")


Time = Annotated[
    int,
    BeforeValidator(_seconds),
    WithJsonSchema(
        {"type": "string", "anyOf": [{"format": "date-time"}, {"format": "date"}], "examples": ["2026-01-31T08:00:00Z"]}
    ),
]
"""Text as `connector.values.timestamps.unix_seconds` reads it. As a value: Unix seconds."""
