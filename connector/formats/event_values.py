"""Values of events that are one line of text, as CEF and LEEF write them."""

import datetime
import json
import math
import re
from typing import Any, NoReturn

from connector.model import Json, Refused
from connector.values import addresses
from connector.values.display import DECEPTIVE, shortened

EXCERPT = 60
"""Characters of a value that an error shows."""

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
MILLISECOND = datetime.timedelta(milliseconds=1)
LAST_MILLISECOND = 253_402_300_799_999
"""Of the year 9999."""

MAC = re.compile(r"[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}\Z")

_UNCLEAN = re.compile(f"[\x00-\x1f\x7f-\x9f\u2028\u2029{DECEPTIVE}]")
_WHOLE = re.compile(r"[-+]?[0-9]{1,19}\Z")


def clean(text: str) -> str:
    """The text on one line of Unicode, its ends trimmed.

    Controls, separators and what is unseen and deceives are blanks, lone surrogates U+FFFD.
    """
    if not text.isprintable():  # none of these is; nor are some that may stay
        text = _UNCLEAN.sub(" ", text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"))
    return text.strip()


def cut(text: str, limit: int) -> str:
    """Text of at most `limit` characters; `…` at the end says that there was more.

    Not for what identifies something: a part of that may be the name of something else.
    """
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}…"


def joined(key: str, value: Json) -> str:
    """A value as text; a list, which these formats do not have, with commas between.

    Raises:
        Refused: it is an object, not finite, or a list of such.
    """
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        return plain(key, value)
    return ", ".join([item if isinstance(item, str) else plain(key, item) for item in value if item is not None])


def plain(key: str, value: Json) -> str:
    """A number or truth value as JSON writes it.

    Raises:
        Refused: it is neither, or not finite.
    """
    if isinstance(value, dict | list) or (isinstance(value, float) and not math.isfinite(value)):
        refuse(key, value, "text, a finite number, true or false, or a list of these")
    return str(value) if type(value) is int else json.dumps(value)


def whole(value: Json) -> int | None:
    """A whole number, or text that is one; None for all else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return int(value) if isinstance(value, str) and _WHOLE.match(value) else None


def address(value: Json, *versions: int) -> str | None:
    """An IP address of one of these versions; None for all else."""
    if not isinstance(value, str) or "%" in value or "/" in value:  # a zone is of no use to others
        return None
    found = addresses.parse(value)
    return value if found is not None and found.version in versions else None


def milliseconds(value: Json) -> int | None:
    """Milliseconds since 1970, from a number or an RFC 3339 time; None for all else, and beyond the year 9999."""
    if isinstance(value, str):
        try:
            moment = datetime.datetime.fromisoformat(value)
        except ValueError:
            return None
        # Without an offset it would mean another time on each machine (RFC 3339 section 4.4).
        value = (moment - EPOCH) // MILLISECOND if moment.tzinfo else None
    number = None if value is None else whole(value)
    return number if number is not None and 0 <= number <= LAST_MILLISECOND else None


def refuse(name: str, value: Any, rule: str) -> NoReturn:
    """Say what a value is and what it must be.

    Raises:
        Refused: always.
    """
    if isinstance(value, dict | list):
        excerpt = "an object" if isinstance(value, dict) else "a list"
    else:
        excerpt = repr(shortened(value, EXCERPT) if isinstance(value, str) else value)
    raise Refused(f"{name} is {excerpt} and must be {rule}", by="format")
