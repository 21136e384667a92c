"""What others wrote, as it can be shown to people: on a terminal, in a page, in an error message."""

import json
import re

from connector.model import Json

DECEPTIVE = (
    "\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f"
    "\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"
)
"""Characters that nobody sees and that make text look like other text, as within the brackets of a regular expression.

They turn the order of what is written (Trojan Source, CVE-2021-42574), or have no width. The two joiners U+200C and
U+200D are not among them: words of several languages need them.
"""

_UNSEEN = re.compile(f"[{DECEPTIVE}\x7f-\x9f\u2028\u2029]")
_FIRST_BYTES = (
    b"\x7f",
    b"\xc2",
    b"\xd8\x9c",
    b"\xe1\xa0",
    b"\xe2\x80",
    b"\xe2\x81",
    b"\xef\xbb",
    b"\xef\xbf",
    b"\xf3\xa0",
)
"""With which each of them begins in UTF-8; most texts have none of these."""
_CONTROLS = (b"\\u00", b"\\b", b"\\f")
_ESCAPE = re.compile(rb"\\(?:(u00[01][0-9A-Fa-f]|[bf])|.)")
"""One escape of JSON, in the group that of a control other than a tab or a line break."""


def undeceiving(line: bytes) -> bytes:
    """JSON in UTF-8, with a blank for each of `DECEPTIVE`, U+2028, U+2029 and controls but tabs and line breaks."""
    if any(control in line for control in _CONTROLS):
        line = _ESCAPE.sub(lambda escape: b" " if escape[1] else escape[0], line)
    if not any(first in line for first in _FIRST_BYTES):
        return line
    return _UNSEEN.sub(" ", line.decode()).encode()


def printable(text: str) -> str:
    """Text as one line that does not steer the terminal: what cannot be seen is written as its code."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def one_line(text: str) -> str:
    """Text as one printable line: what cannot be seen, and each run of blanks and line breaks, becomes one space."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def shortened(text: str, limit: int) -> str:
    """Text of at most `limit` characters (at least 1): of a longer one the beginning, then `…`."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def shortened_in_the_middle(text: str, limit: int) -> str:
    """Text of at most `limit` characters (at least 6): a longer one keeps its two ends, with ` … ` between them."""
    if len(text) <= limit:
        return text
    head = (limit - 3) // 3
    return f"{text[:head]} … {text[head + 3 - limit :]}"


def excerpt(said: bytes, limit: int = 40) -> str:
    """The beginning of what somebody sent, as one printable line of at most `limit` characters."""
    return shortened(one_line(said[: limit * 4].decode("utf-8", errors="replace")), limit)


def value_text(value: Json, limit: int) -> str:
    """A value as JSON in one line, cut to about so many characters, printable as `printable` has it.

    Raises:
        RecursionError: it is nested some hundred deep.
    """
    if isinstance(value, str) and len(value) > limit:
        return f"{printable(json.dumps(value[:limit], ensure_ascii=False))[:-1]}… ({len(value):,} characters)"
    return printable(shortened(json.dumps(value, ensure_ascii=False), limit))
