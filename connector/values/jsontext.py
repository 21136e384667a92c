"""JSON as it comes from outside: strict, except that one broken character does not cost a whole answer."""

import re
from typing import Any

import orjson

from connector.model import Json

MAX_DECODED_BYTES = 96 * 1024 * 1024
"""The memory that what somebody else wrote may take when it is decoded."""

_SURROGATE = re.compile(rb"\\u[dD](?:[89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|([89a-fA-F][0-9a-fA-F]{2}))")
"""A pair of surrogates, or one by itself. It begins with fixed text, so that it is looked for fast: nothing else of the
process runs meanwhile."""
_MOST_SURROGATES = 100_000
"""Looked at: text of nothing else would take seconds."""
_REPLACEMENT = rb"\ufffd"
_BOM = b"\xef\xbb\xbf"
_PIECE = 64 * 1024
_NOT_FIRST = bytes(range(0x80, 0xC0))
"""Of the bytes that UTF-8 makes of one character, all but the first."""
_WIDEST = 4
"""Bytes in memory for each byte of text: one character beyond U+FFFF makes four bytes of each of its string."""
_COSTS = ((b"[", 112), (b"{", 176), (b":", 100), (b",", 64), (b'"', 32))
"""Bytes in memory that come with each of these, at most: in CPython, and in orjson while it decodes."""
_NO_COST = bytes(set(range(256)) - {each[0] for each, _ in _COSTS})


class TooManyValues(ValueError):
    """Decoded, this JSON would take more memory than it may."""


def decoded_bytes(text: bytes) -> int:
    """How much memory JSON takes at most while and after it is decoded; text is mostly below half of that.

    Lists and objects of next to nothing take twenty times the length of their text, so the length says little.
    """
    is_narrow = text.isascii() and b"\\u" not in text
    # What is counted is picked out first: else all of the text would be passed over five times. In pieces, as what is
    # picked out takes as much memory again, for a moment.
    costly = (text[at : at + _PIECE].translate(None, _NO_COST) for at in range(0, len(text), _PIECE))
    counted = sum(piece.count(each) * cost for piece in costly for each, cost in _COSTS)
    return len(text) * (1 if is_narrow else _WIDEST) + counted


def decode(text: bytes, most: int | None = None) -> Json:
    r"""Decode JSON (RFC 8259); half a surrogate pair, as strings of malware hold it, becomes U+FFFD.

    A byte order mark before it is passed over, as RFC 8259 section 8.1 allows.

    Args:
        text: in UTF-8.
        most: bytes of memory that what is decoded may take; None: as many as it takes.

    Raises:
        ValueError: it is not JSON; `orjson.JSONDecodeError` with the place. `TooManyValues`: it takes more memory.
    """
    text = text.removeprefix(_BOM)
    if most is not None and decoded_bytes(text) > most:
        raise TooManyValues(f"it would take more than {most:,} bytes of memory")
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        mended = _mended(text)
        if mended is None:
            raise
    return orjson.loads(mended)


def _mended(text: bytes) -> bytearray | None:
    """The text with U+FFFD for each half of a pair; None when there is none. Takes no more memory than the text."""
    mended = None
    at = 0
    for _ in range(_MOST_SURROGATES):
        match = _SURROGATE.search(text, at)
        if match is None:
            break
        start, end = match.span()
        between = text[at:start]
        if (len(between) - len(between.rstrip(b"\\"))) % 2:  # its own backslash is escaped
            at = start + len(rb"\u")
            continue
        if match[1]:
            mended = mended or bytearray(text)
            mended[start:end] = _REPLACEMENT
        at = end
    return mended


def text_or_empty(value: object) -> str:
    """A text; of any other value, which should have been one, the empty text."""
    return value if isinstance(value, str) else ""


def list_or_empty(value: object) -> list[Any]:
    """A list; of any other value, which should have been one, the empty list."""
    return value if isinstance(value, list) else []


def fault(text: bytes, error: orjson.JSONDecodeError) -> tuple[int, str]:
    """Where `decode` met what is not JSON, as an offset in bytes, and what is wrong there."""
    skipped = len(text) - len(text.removeprefix(_BOM))
    if not error.doc:
        try:
            text.decode()
        except UnicodeDecodeError as broken:
            return broken.start, "this is not UTF-8 text"
    return skipped + _offset(memoryview(text)[skipped:], error.pos), error.msg


def _offset(text: memoryview, characters: int) -> int:
    """After how many bytes so many characters of UTF-8 text end."""
    at = 0
    while at < len(text):
        piece = bytes(text[at : at + _PIECE])
        begun = len(piece.translate(None, _NOT_FIRST))
        if begun > characters:
            break
        characters -= begun
        at += len(piece)
    for each in text[at:]:
        if each not in _NOT_FIRST:
            if not characters:
                break
            characters -= 1
        at += 1
    return at
