"""What others wrote, as it can be shown to people: on a terminal, or in a page."""

import json

from connector.model import Json


def printable(text: str) -> str:
    """Text as one line that does not steer the terminal: what cannot be seen is written as its code."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def value_text(value: Json, limit: int) -> str:
    """A value as JSON in one line, cut to about so many characters, printable as `printable` has it.

    Raises:
        RecursionError: it is nested some hundred deep.
    """
    if isinstance(value, str) and len(value) > limit:
        return f"{printable(json.dumps(value[:limit], ensure_ascii=False))[:-1]}… ({len(value):,} characters)"
    text = json.dumps(value, ensure_ascii=False)
    return printable(text if len(text) <= limit else f"{text[:limit]}…")
