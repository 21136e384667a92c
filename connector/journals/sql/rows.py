"""What columns hold, and what is made of it; bodies are written and read here alone."""

import zlib
from collections.abc import Sequence
from typing import Any

import orjson

from connector.model import DeadLetter, Entry, JsonObject, Notification, StoredDeadLetter


def entry(row: Any) -> Entry:
    """From (seq, source, notification id, date, checksum, body); what the disk garbled is empty."""
    seq, source, notification_id, date, stored, body = row
    if is_damaged(stored, notification_id, date, body):
        return Entry(seq, source, Notification(notification_id, date, {}), damaged=True)
    return Entry(seq, source, Notification(notification_id, date, decoded_object(body)))


def is_damaged(stored: int | None, notification_id: str, date: int | None, body: Any) -> bool:
    """Whether a notification is not what was stored; one stored without a checksum is taken as it is."""
    return stored is not None and (not isinstance(body, bytes) or stored != checksum(notification_id, date, body))


def checksum(notification_id: str, date: int | None, body: bytes) -> int:
    """Over what is stored of a notification: CRC-32, which finds every flipped bit."""
    return zlib.crc32(body, zlib.crc32(f"{date} {notification_id}".encode()))


def dead_letter(row: Any) -> StoredDeadLetter:
    """From the columns of the statements `dead_letters` and `numbered_dead_letters`."""
    number, route, source, date, refused_at, seq, by, reason, object_id, document, notification_id = row
    letter = DeadLetter(seq, by, reason, object_id, document, notification_id)
    return StoredDeadLetter(number, route, source, date, refused_at, letter)


def json_list(values: Sequence[Any]) -> str:
    """A list as one value of a statement, which `json_each` takes apart."""
    return orjson.dumps(values).decode()


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
