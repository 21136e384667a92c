"""A MISP warninglist in JSON, whose entries are decoded a few at a time: all at once they take many times the file."""

import itertools
import re
from collections.abc import Iterator
from typing import Any

import orjson

from connector.model import JsonObject
from connector.values import jsontext

_MOST_BESIDE = 1024 * 1024
"""Bytes before the entries, and likewise behind them."""
_BLANK = rb"[ \t\r\n]*+"
_TEXT = rb'"(?:[^"\\]++|\\.)*+"'
_TOKEN = re.compile(_TEXT + rb"|[\[\]{}:,]", re.DOTALL)
_ENTRY = _BLANK + _TEXT + _BLANK
_ENTRIES = re.compile(_ENTRY + rb"(?:," + _ENTRY + rb"){0,99}+", re.DOTALL)
_PIECE = 1000
_NO_LIST = 'is no MISP warninglist, which is an object with a "list" of texts'


class NoWarninglist(ValueError):
    """Why it is none, and after how many bytes, where that is known."""

    def __init__(self, reason: str, offset: int | None = None) -> None:
        super().__init__(reason)
        self.offset = offset


class Warninglist:
    """A warninglist that has been looked through once.

    Args:
        body: the file.

    Attributes:
        about: all but its entries.

    Raises:
        NoWarninglist: it is none.
    """

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._start = _start(body)
        end = self._start
        for start, more in self._pieces():
            end = start + len(more)
        while body[end : end + 1].isspace():
            end += 1
        about = body[: self._start] + body[end : end + _MOST_BESIDE]
        try:
            found = jsontext.decode(about) if self._start and len(body) - end <= _MOST_BESIDE else None
        except orjson.JSONDecodeError:
            found = None
        if not isinstance(found, dict) or found.get("list") != []:
            raise _reason(body, end)
        self.about: JsonObject = found

    def entries(self, longest: int) -> Iterator[tuple[int, list[str]]]:
        """A few entries at a time, and after how many bytes they begin.

        Args:
            longest: bytes that an entry may have in the file.

        Raises:
            NoWarninglist: what stands between quotation marks is no text of JSON, or too long.
        """
        for start, piece in self._pieces():
            if len(piece) > longest:
                for each in _TOKEN.finditer(piece):
                    if len(each[0]) > longest:
                        raise NoWarninglist("an entry is too long", start + each.start())
            try:
                texts: Any = jsontext.decode(b"[" + piece + b"]")
            except orjson.JSONDecodeError as error:
                offset, said = jsontext.fault(b"[" + piece + b"]", error)
                raise NoWarninglist(f"is no JSON: {said}", start + offset - 1) from None
            yield start, texts

    def _pieces(self) -> Iterator[tuple[int, bytes]]:
        at = self._start
        while found := _ENTRIES.match(self._body, at):
            yield at, found[0]
            at = found.end()
            if self._body[at : at + 1] != b",":
                return
            at += 1


def offset(body: bytes, start: int, number: int) -> int:
    """After how many bytes an entry begins, by its number among those that begin together."""
    texts = (each.start() for each in _TOKEN.finditer(body, start) if each[0] != b",")
    return next(itertools.islice(texts, number, None))


def _start(body: bytes) -> int:
    """After how many bytes the first entry of the list begins; 0: there is no list."""
    depth, before = 0, (b"", b"")
    for found in _TOKEN.finditer(body, 0, _MOST_BESIDE):
        token = found[0]
        if token == b"[" and depth == 1 and before == (b'"list"', b":"):
            return found.end()
        depth += (token in (b"[", b"{")) - (token in (b"]", b"}"))
        before = (before[1], token)
    return 0


def _reason(body: bytes, end: int) -> NoWarninglist:
    """Why a file is no warninglist, whose entries, if it has any, are as they should be until an offset."""
    try:
        found: Any = jsontext.decode(body, jsontext.MAX_DECODED_BYTES)
    except jsontext.TooManyValues:
        return NoWarninglist(f"from here on, this {_NO_LIST}", end)
    except orjson.JSONDecodeError as error:
        where, said = jsontext.fault(body, error)
        return NoWarninglist(f"is no JSON: {said}", where)
    entries = found.get("list") if isinstance(found, dict) else None
    if not isinstance(entries, list):
        return NoWarninglist(_NO_LIST)
    for number, each in enumerate(entries):
        if not isinstance(each, str):
            behind = body[end : end + _PIECE]
            return NoWarninglist(f"list[{number}] must be text", end + len(behind) - len(behind.lstrip(b", \t\r\n")))
    return NoWarninglist(f'{_NO_LIST}: it has "list" twice, or more than {_MOST_BESIDE:,} bytes besides')
