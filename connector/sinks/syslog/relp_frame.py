"""Bytes of RELP, the Reliable Event Logging Protocol (https://www.rsyslog.com/doc/relp.html). Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

LAST_TRANSACTION = 999_999_999
"""Transaction numbers go from 1 to this one and then begin again; 0 is the receiver's own, for hints."""

_HEAD = re.compile(rb"([0-9]{1,9}) ([A-Za-z]{1,32}) ([0-9]{1,9})([ \n])")
_BEGINNING_OF_HEAD = re.compile(rb"[0-9]{1,9}(?: (?:[A-Za-z]{1,32}(?: [0-9]{0,9})?)?)?\Z")
_ANSWER = re.compile(rb"([0-9]{3})(?: ([^\n]*))?(?:\n|\Z)")
_LONGEST_DATA = 64 * 1024


class BrokenFrame(ValueError):
    """These bytes are not RELP."""


@dataclass(frozen=True, slots=True)
class Frame:
    """`TXNR SP COMMAND SP DATALEN [SP DATA] LF`."""

    transaction: int
    command: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What a `rsp` frame says of the command with the same transaction number.

    Attributes:
        code: 200 for done, 500 for refused.
        text: the receiver's words.
        offers: what follows the first line; of meaning in answer to `open`.
    """

    code: int
    text: bytes
    offers: bytes


def encoded(transaction: int, command: bytes, data: bytes = b"") -> bytes:
    """A frame as it goes over the wire; one without data has no blank after its length."""
    return b"%d %b %d%b%b\n" % (transaction, command, len(data), b" " if data else b"", data)


def answer(frame: Frame) -> Answer | None:
    """Read a `rsp` frame, whose data is `200 OK`, `500 no space left` and the like; None if it is none."""
    first = _ANSWER.match(frame.data)
    if frame.command != b"rsp" or first is None:
        return None
    return Answer(int(first[1]), first[2] or b"", frame.data[first.end() :])


class FrameReader:
    """Puts frames together from the pieces in which they arrive. Holds at most one frame's worth."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, piece: bytes) -> Iterator[Frame]:
        """Yield what has become complete.

        Raises:
            BrokenFrame: what follows cannot be read, now or ever.
        """
        buffer = self._buffer + piece
        at = 0
        while (frame := _first(buffer, at)) is not None:
            decoded, at = frame
            yield decoded
        self._buffer = buffer[at:]


def _first(buffer: bytes, at: int) -> tuple[Frame, int] | None:
    """The frame that begins there and where the next one begins; None while it is incomplete."""
    head = _HEAD.match(buffer, at)
    if head is None:
        if at == len(buffer) or _BEGINNING_OF_HEAD.match(buffer, at):
            return None
        raise BrokenFrame
    length, start = int(head[3]), head.end()
    if length > _LONGEST_DATA:
        raise BrokenFrame
    if head[4] == b"\n":
        if length:
            raise BrokenFrame
        return Frame(int(head[1]), head[2], b""), start
    end = start + length
    if len(buffer) <= end:
        return None
    if buffer[end : end + 1] != b"\n":
        raise BrokenFrame
    return Frame(int(head[1]), head[2], buffer[start:end]), end + 1
