"""Ids of STIX objects as the tables keep them: half as long as they are said.

`indicator--` and a UUID are 47 characters, and each object has its id in several tables and indexes. SQLite is given
both functions, so that statements pack and unpack where they name a column.
"""

import re

_ID = re.compile(r"([a-z0-9-]+)--([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})", re.ASCII)
_PACKED, _AS_IT_IS = b"\x01", b"\x00"
_UUID_BYTES = 16


def packed_id(object_id: str) -> bytes:
    """An id as a column has it: its type and the 16 bytes of its UUID; any other id as it is."""
    match = _ID.fullmatch(object_id)
    if match is None:
        return _AS_IT_IS + object_id.encode()
    kind, *uuid = match.groups()
    return _PACKED + kind.encode() + bytes.fromhex("".join(uuid))


def unpacked_id(column: object) -> str:
    """The id; what the disk garbled is some text that is none."""
    if not isinstance(column, bytes):
        return str(column)
    if not column.startswith(_PACKED):
        return column[1:].decode(errors="replace")
    kind, uuid = column[1:-_UUID_BYTES].decode(errors="replace"), column[-_UUID_BYTES:].hex()
    return f"{kind}--{uuid[:8]}-{uuid[8:12]}-{uuid[12:16]}-{uuid[16:20]}-{uuid[20:]}"
