"""JSON as it comes from outside: strict, except that one broken character does not cost a whole answer."""

import re
from typing import Any

import orjson

from connector.model import Json

_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
_REPLACEMENT = rb"\ufffd"
_BOM = b"\xef\xbb\xbf"


def decode(text: bytes) -> Json:
    r"""Decode JSON (RFC 8259); half a surrogate pair, as strings of malware hold it, becomes U+FFFD.

    A byte order mark before it is passed over, as RFC 8259 section 8.1 allows.

    Raises:
        ValueError: it is not JSON; `orjson.JSONDecodeError` with the place.
    """
    text = text.removeprefix(_BOM)
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        mended = _ESCAPE.sub(lambda match: _REPLACEMENT if match[1] else match[0], text)
        if mended == text:
            raise
    return orjson.loads(mended)


def text_or_empty(value: object) -> str:
    """A text; of any other value, which should have been one, the empty text."""
    return value if isinstance(value, str) else ""


def list_or_empty(value: object) -> list[Any]:
    """A list; of any other value, which should have been one, the empty list."""
    return value if isinstance(value, list) else []


def fault(text: bytes, error: orjson.JSONDecodeError) -> tuple[int, str]:
    """Where `decode` met what is not JSON, as an offset in bytes, and what is wrong there."""
    try:
        characters = text.decode()
    except UnicodeDecodeError as broken:
        return broken.start, "this is not UTF-8 text"
    skipped = len(text) - len(text.removeprefix(_BOM))
    return skipped + len(characters[bool(skipped) :][: error.pos].encode()), error.msg
