"""What columns hold, and what is made of it."""

import zlib
from collections.abc import Collection, Iterable
from typing import Any

import orjson

from connector.model import DeadLetter, JsonObject, StoredDeadLetter


def is_damaged(check: int | None, dictionary: int | None, stored: Any, *said: object) -> bool:
    """Whether a row is not what was stored; one stored without a checksum is taken as it is."""
    return check is not None and (not isinstance(stored, bytes) or check != checksum(dictionary, stored, *said))


def checksum(dictionary: int | None, stored: bytes, *said: object) -> int:
    """Over a body as it is stored, and what else its row says: CRC-32, which finds every flipped bit.

    It is of the compressed body, so that nothing garbled is ever decompressed, and a check needs no dictionary.
    """
    known = said if dictionary is None else (dictionary, *said)
    return zlib.crc32(stored, zlib.crc32(" ".join(map(str, known)).encode()))


def columns_checksum(*values: object) -> int:
    """Over columns of a row that has no body: CRC-32, which finds every flipped bit."""
    return zlib.crc32(repr(values).encode())


def dead_letter(row: Any) -> StoredDeadLetter:
    """From the columns of the statements `dead_letters` and `numbered_dead_letters`."""
    number, route, source, date, refused_at, seq, by, reason, object_id, document, notification_id = row
    letter = DeadLetter(seq, by, reason, object_id, document, notification_id)
    return StoredDeadLetter(number, route, source, date, refused_at, letter)


class Listed(list[Any]):
    """A list of numbers or texts as one value of a statement, which `json_each` takes apart."""


def json_list(values: Iterable[Any]) -> Listed:
    """A list as one value of a statement."""
    return Listed(values)


def json_names(names: Collection[str] | None) -> Listed | None:
    """As `json_list`, of names to choose from; None: of all."""
    return None if names is None else Listed(names)


def listed_json(values: Listed) -> str:
    """As SQLite takes one."""
    return orjson.dumps([*values]).decode()


def encoded_body(body: JsonObject) -> bytes:
    """A notification's body as JSON."""
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError:
        # Nested over 254 levels deep, which no notification is: kept by its id, so that the mapping refuses it.
        return b"{}"


def decoded_object(text: bytes) -> JsonObject:
    """A JSON object; what the disk garbled is an empty one."""
    try:
        body = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}
