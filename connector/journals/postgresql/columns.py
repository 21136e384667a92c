"""How values go to PostgreSQL and come back (psycopg.org/psycopg3/docs/advanced/adapt.html).

A text of PostgreSQL has no NUL character, which what analysts and malware write has: it is written in two characters,
and so is what stands for it, so that texts keep their order, byte by byte. All numbers are of 64 bits, as SQLite has
them, truth is one of them, and a list goes as an array of texts.
"""

import struct
from typing import Any

from psycopg.abc import Buffer
from psycopg.adapt import AdaptersMap, Dumper, Loader
from psycopg.pq import Format
from psycopg.types.numeric import Int8BinaryDumper

from connector.journals.sql.rows import Listed

_INT8, _TEXT, _TEXTS = 20, 25, 1009
"""Numbers of types (pg_type.dat)."""
_NUL, _ESCAPE = b"\x00", b"\x01"
_WRITTEN = ((_ESCAPE, b"\x01\x02"), (_NUL, b"\x01\x01"))
_NUMBER, _LENGTH, _ARRAY, _EMPTY = (
    struct.Struct("!q"),
    struct.Struct("!i"),
    struct.Struct("!iiiii"),
    struct.Struct("!iii"),
)


def written(text: str) -> bytes:
    """A text as columns have it."""
    encoded = text.encode()
    if _NUL in encoded or _ESCAPE in encoded:
        for character, instead in _WRITTEN:
            encoded = encoded.replace(character, instead)
    return encoded


def read(column: bytes) -> str:
    """The text that a column has."""
    if _ESCAPE in column:
        for character, instead in reversed(_WRITTEN):
            column = column.replace(instead, character)
    return column.decode()


class _Text(Dumper):
    format = Format.BINARY
    oid = _TEXT

    def dump(self, obj: str) -> bytes:
        return written(obj)


class _Truth(Dumper):
    format = Format.BINARY
    oid = _INT8

    def dump(self, obj: bool) -> bytes:  # noqa: FBT001 -- as psycopg calls it
        return _NUMBER.pack(obj)


class _Texts(Dumper):
    """The binary form of an array (array_send in PostgreSQL's source)."""

    format = Format.BINARY
    oid = _TEXTS

    def dump(self, obj: Listed) -> bytes:
        if not obj:
            return _EMPTY.pack(0, 0, _TEXT)
        elements = [written(each if isinstance(each, str) else str(each)) for each in obj]
        parts = [_ARRAY.pack(1, 0, _TEXT, len(elements), 1)]
        for each in elements:
            parts += (_LENGTH.pack(len(each)), each)
        return b"".join(parts)


class _TextLoader(Loader):
    format = Format.BINARY

    def load(self, data: Buffer) -> str:
        return read(bytes(data))


def register(adapters: AdaptersMap) -> None:
    """Have a connection take and give values so."""
    dumpers: tuple[tuple[type[Any], type[Dumper]], ...] = (
        (str, _Text),
        (int, Int8BinaryDumper),
        (bool, _Truth),
        (Listed, _Texts),
    )
    for kind, dumper in dumpers:
        adapters.register_dumper(kind, dumper)
    adapters.register_loader("text", _TextLoader)
