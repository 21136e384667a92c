"""Bodies as they are stored: compressed with a dictionary that was trained on bodies of the same kind before them.

Most of a body is what others of its kind say too: names of properties, engines, rules. A dictionary holds that, so that
each body can be read by itself and still is a sixth of its size (docs/decisions/0019-compressed-bodies.md).
"""

import itertools
import math
import threading
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Literal

import zstandard

from connector.journals.sql.dialect import Transaction
from connector.model import Misconfigured

Kind = Literal["notifications", "objects"]

LEVEL = 3
DICTIONARY_BYTES = 64 * 1024
SAMPLES = 1000
"""Bodies that a dictionary is trained on; fewer if they are large (`SAMPLE_BYTES`)."""
SAMPLED = 10_000
"""They are taken evenly from so many, the newest: those of one batch are sorted, and its end alone is all of a kind."""
SAMPLE_BYTES = 4 * 1024 * 1024
GROWTH = 10
"""A dictionary is trained when there are so many times as many bodies as at the last one: a journal has few, ever."""
COPIES = (1, 2)
_UNCOMPRESSED, _NO_DICTIONARY = None, 0


class Codec(threading.local):
    """Compresses and decompresses with one dictionary; each thread has contexts of its own.

    Attributes:
        number: that of the dictionary; 0 for none.
    """

    def __init__(self, number: int, dictionary: zstandard.ZstdCompressionDict | None) -> None:
        self.number = number
        self._compressor = zstandard.ZstdCompressor(LEVEL, dict_data=dictionary, write_dict_id=False)
        self._decompressor = zstandard.ZstdDecompressor(dict_data=dictionary)

    def compressed(self, body: bytes) -> bytes:
        """A body as it is stored."""
        return self._compressor.compress(body)

    def body(self, stored: bytes) -> bytes:
        """What was stored.

        Raises:
            zstandard.ZstdError: it was compressed otherwise, or is garbled.
        """
        return self._decompressor.decompress(stored)


class Bodies:
    """The dictionaries of one store. Safe for use from several threads.

    A dictionary is never changed and never forgotten, so that each body can be read for as long as there is one.

    Args:
        damaged: makes the error that says so of the store.
    """

    def __init__(self, damaged: Callable[[str], Misconfigured]) -> None:
        self._damaged = damaged
        self._codecs: dict[int, Codec] = {_NO_DICTIONARY: Codec(_NO_DICTIONARY, None)}

    def newest(self, db: Transaction, kind: Kind) -> Codec:
        """What a new body is compressed with."""
        (number,) = db.run("newest_dictionary", {"kind": kind}).fetchone()
        return self._codec(db, number)

    def read(self, db: Transaction, dictionary: int | None, stored: bytes | str) -> bytes | None:
        """The body that was stored; None when it is garbled, which its checksum has told in most cases.

        Raises:
            Misconfigured: both copies of its dictionary are garbled.
        """
        if isinstance(stored, str):  # of the first versions
            return stored.encode()
        if dictionary is _UNCOMPRESSED:
            return stored
        try:
            return self._codec(db, dictionary).body(stored)
        except (zstandard.ZstdError, MemoryError):
            return None

    def grown(self, db: Transaction, kind: Kind, count: int) -> None:
        """Note that so many more bodies are stored, in the same transaction; train a dictionary when it is time."""
        db.run("count_bodies", {"kind": kind, "count": count})
        (stored, train_at) = db.run("counted_bodies", {"kind": kind}).fetchone()
        if stored < train_at:
            return
        db.run("train_next_at", {"kind": kind, "train_at": stored * GROWTH})
        content = self._trained(db, kind, min(stored, SAMPLED))
        if content:
            # It is not kept in memory: the transaction may yet be undone, and its number given to another one.
            (last,) = db.run("last_dictionary").fetchone()
            row = {"number": last + 1, "kind": kind, "content": content, "checksum": zlib.crc32(content)}
            db.run_many("add_dictionary", [{**row, "copy": copy} for copy in COPIES])

    def _trained(self, db: Transaction, kind: Kind, among: int) -> bytes:
        """A dictionary of the newest bodies, taken among so many; empty when nothing can be made of it."""
        samples: list[bytes | bytearray | memoryview] = []
        size = 0
        rows = db.run(_SAMPLES[kind], {"limit": among})
        for dictionary, stored in itertools.islice(rows, 0, None, math.ceil(among / SAMPLES)):
            with suppress(Misconfigured):  # what cannot be read is no sample
                if body := self.read(db, dictionary, stored):
                    samples.append(body)
                    size += len(body)
            if size >= SAMPLE_BYTES:
                break
        try:
            return zstandard.train_dictionary(DICTIONARY_BYTES, samples, level=LEVEL).as_bytes()
        except zstandard.ZstdError:  # too little, or too much alike
            return b""

    def _codec(self, db: Transaction, number: int) -> Codec:
        codec = self._codecs.get(number)
        if codec is None:
            dictionary = zstandard.ZstdCompressionDict(self._content(db, number))
            dictionary.precompute_compress(LEVEL)
            codec = self._codecs[number] = Codec(number, dictionary)
        return codec

    def _content(self, db: Transaction, number: int) -> bytes:
        for content, checksum in db.run("dictionary", {"number": number}):
            if not is_garbled(content, checksum):
                return bytes(content)
        raise self._damaged(f"no copy of the dictionary {number} is whole, with which bodies were compressed")


def is_garbled(content: object, checksum: int) -> bool:
    """Whether a copy of a dictionary is not what was stored."""
    return not isinstance(content, bytes) or zlib.crc32(content) != checksum


_SAMPLES: Mapping[Kind, str] = {"notifications": "sample_notifications", "objects": "sample_objects"}
