"""The values of a JSON or JSON Lines stream, each with the place in the text where it begins and ends."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import orjson

from connector.model import Json, JsonObject, Misconfigured
from connector.sources.bodies import unpacked
from connector.values import jsontext

MAX_VALUE_BYTES = 32 * 1024 * 1024
"""Of one JSON value, which is held in memory whole: of a line of JSON Lines, and of a file that is one value."""

_BOM = b"\xef\xbb\xbf"
MAX_DECODED_BYTES = 160 * 1024 * 1024
"""Memory that one JSON value may take, decoded."""
_AS_LINES = "write each notification on a line of its own (JSON Lines: `jq -c '.[]'`)"
_EXPECTED = "expected a notification (a JSON object), a list of them or an API page"


@dataclass(frozen=True, slots=True)
class Place:
    """A place between two values: its offset in bytes, and the line it is on, counted from 1."""

    offset: int
    line: int


START = Place(0, 1)


@dataclass(frozen=True, slots=True)
class Value:
    """One JSON value: the bodies in it, where it begins and ends, and whether it is all that the file holds.

    Attributes:
        decoded_bytes: the memory that it takes, at most.
    """

    bodies: Iterable[JsonObject]
    start: Place
    end: Place
    whole: bool
    decoded_bytes: int


class Unfinished(Misconfigured):
    """A JSON value of many lines that ends before it is complete."""


class _Fault(Exception):
    """Why a text is not JSON, where, and whether it is only incomplete."""

    def __init__(self, reason: str, line: int, column: int, *, unfinished: bool) -> None:
        super().__init__(reason)
        self.line = line
        self.column = column
        self.unfinished = unfinished


def values(
    stream: BinaryIO,
    name: str,
    start: Place,
    *,
    growing: bool = False,
    broken: Callable[[Misconfigured], None] | None = None,
) -> Iterator[Value]:
    """Read one JSON value that takes many lines, or values of a line each.

    Args:
        stream: at the offset of `start`.
        name: what errors call it.
        start: the beginning, or a place between two lines.
        growing: another process may be writing: an incomplete last line is left for later.
        broken: told of a line that is not JSON among lines that are, which is then passed over; by default it ends all.

    Raises:
        Misconfigured: with `name:line:column: reason`; `Unfinished` when all that is missing is the end.
    """
    place, is_first = start, start == START
    while raw := stream.readline(MAX_VALUE_BYTES + 1):
        if len(raw) > MAX_VALUE_BYTES:
            raise Misconfigured(f"{name}:{place.line}: a line of more than {MAX_VALUE_BYTES:,} bytes; {_AS_LINES}")
        end, is_whole, text = Place(place.offset + len(raw), place.line + 1), False, raw
        if _is_blank(raw, place):
            place = end
            continue
        try:
            value = _decoded(raw.rstrip(b"\r\n"), place)
        except _Fault as fault:
            if fault.unfinished and growing and not raw.endswith(b"\n"):
                return  # the rest of the line is still being written
            if is_first and fault.unfinished:
                # The file is one value that takes many lines.
                text, is_whole = raw + stream.read(MAX_VALUE_BYTES - len(raw) + 1), True
                end = Place(place.offset + len(text), place.line + text.count(b"\n"))
                value = _whole(text, place, name)
            elif is_first or broken is None:
                raise _located(name, fault) from None
            else:
                broken(_located(name, fault))
                place = end
                continue
        if not isinstance(value, dict | list):
            raise Misconfigured(f"{name}:{place.line}:1: {_EXPECTED}, found {_kind(value)}")
        yield Value(unpacked(value), place, end, is_whole, jsontext.decoded_bytes(text))
        place, is_first = end, False


def _is_blank(line: bytes, place: Place) -> bool:
    line = line.rstrip(b"\r\n")
    return not line.strip(b" \t" + _BOM if place == START else None)


def _whole(text: bytes, place: Place, name: str) -> Json:
    if len(text) > MAX_VALUE_BYTES:
        raise Misconfigured(f"{name}: one JSON value of more than {MAX_VALUE_BYTES:,} bytes; {_AS_LINES}")
    try:
        return _decoded(text, place)
    except _Fault as fault:
        raise _located(name, fault, Unfinished if fault.unfinished else Misconfigured) from None


def _decoded(text: bytes, place: Place) -> Json:
    if place == START:
        if text.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise _Fault("this is UTF-16; save it as UTF-8", 1, 1, unfinished=False)
        text = text.removeprefix(_BOM)
    try:
        return jsontext.decode(text, MAX_DECODED_BYTES)
    except jsontext.TooManyValues as error:
        raise _Fault(f"{error}; {_AS_LINES}", place.line, 1, unfinished=False) from None
    except orjson.JSONDecodeError as error:
        reason, line, column = error.msg, error.lineno, error.colno
        unfinished = "end of data" in reason
        try:
            text.decode()
        except UnicodeDecodeError as broken:
            reason, unfinished = "this is not UTF-8 text", broken.reason == "unexpected end of data"
            before = text[: broken.start]
            line, column = before.count(b"\n") + 1, broken.start - before.rfind(b"\n")
        if "content after" in reason:
            reason = "more follows after the value; JSON Lines have each value on a line of its own"
        if unfinished:
            reason = "the JSON value ends before it is complete"
        raise _Fault(reason, place.line + line - 1, column, unfinished=unfinished) from None


def _located(name: str, fault: _Fault, kind: type[Misconfigured] = Misconfigured) -> Misconfigured:
    return kind(f"{name}:{fault.line}:{fault.column}: {fault}; {_EXPECTED}")


def _kind(value: Json) -> str:
    if value is None or isinstance(value, bool):
        return "null" if value is None else "true or false"
    return "text" if isinstance(value, str) else "a number"
