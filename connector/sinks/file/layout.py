"""How messages lie in a file, and where a file that a crash left torn truly ends."""

import os
import re
import uuid
from collections.abc import Sequence
from typing import Protocol

_BLOCK_BYTES = 64 * 1024
_LONGEST_TORN_BYTES = 16 * 1024 * 1024


class Foreign(Exception):
    """The file is not one that we write, and is left alone."""


class Layout(Protocol):
    """A way to put messages into a file.

    Attributes:
        closing: what stands after the last message, and is overwritten by the next.
    """

    @property
    def closing(self) -> bytes:
        """See above."""
        ...

    def fits(self, body: bytes) -> bool:
        """Whether a message can stand in such a file."""
        ...

    def joined(self, bodies: Sequence[bytes], *, first: bool) -> bytes:
        """The bytes to write where the file ends; `first` when it is empty."""
        ...

    def end(self, descriptor: int, size: int) -> int:
        """Where the last complete message ends and the next is to be written; 0 when there is none.

        Raises:
            Foreign: no crash of ours could have left the file so.
        """
        ...


class Lines:
    """A message a line."""

    closing = b""

    def fits(self, body: bytes) -> bool:  # noqa: ARG002 -- whatever it is
        """See `Layout`."""
        return True

    def joined(self, bodies: Sequence[bytes], *, first: bool) -> bytes:  # noqa: ARG002 -- the same for every line
        """See `Layout`."""
        return b"\n".join([*bodies, b""])

    def end(self, descriptor: int, size: int) -> int:
        """See `Layout`."""
        return _last_line_feed(descriptor, size) + 1


class Bundle:
    r"""A STIX bundle (STIX 2.1 section 8), an object a line: `{"type":"bundle","id":…,"objects":[\n{…},\n{…}\n]}\n`."""

    closing = b"\n]}\n"

    def fits(self, body: bytes) -> bool:
        """See `Layout`."""
        return body.startswith(b'{"')

    def joined(self, bodies: Sequence[bytes], *, first: bool) -> bytes:
        """See `Layout`."""
        return (_opening(uuid.uuid4()) if first else b",\n") + b",\n".join(bodies) + self.closing

    def end(self, descriptor: int, size: int) -> int:
        """See `Layout`."""
        opening = _without_hex(_opening(uuid.UUID(int=0)))
        start = _without_hex(os.pread(descriptor, len(opening), 0))
        if start != opening[: len(start)]:
            raise Foreign("is not a bundle that this program began")
        if size < len(opening):
            return 0
        if os.pread(descriptor, len(self.closing), size - len(self.closing)) in _OVERWRITTEN:
            return size - len(self.closing)
        line_feed = _last_line_feed(descriptor, size)
        before = os.pread(descriptor, 2, max(0, line_feed - 2))
        if line_feed == len(opening) - 1:
            return 0
        if before == b"},":
            return line_feed - 1
        if before.endswith(b"}"):
            return line_feed
        raise Foreign("is a bundle that something else has changed")


# `closing`, and what is left of it when the first bytes of `,\n{"` are already written over it.
_OVERWRITTEN = frozenset(b',\n{"'[:written] + Bundle.closing[written:] for written in range(4))


def _opening(identifier: uuid.UUID) -> bytes:
    return b'{"type":"bundle","id":"bundle--%b","objects":[\n' % str(identifier).encode("ascii")


def _without_hex(text: bytes) -> bytes:
    return re.sub(rb"[0-9a-f]", b"0", text)


def _last_line_feed(descriptor: int, size: int) -> int:
    """Its position; -1 when there is none."""
    end = size
    while end > 0:
        start = max(0, end - _BLOCK_BYTES)
        found = os.pread(descriptor, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found
        end = start
        if size - end > _LONGEST_TORN_BYTES:
            raise Foreign("does not consist of lines")
    return -1
