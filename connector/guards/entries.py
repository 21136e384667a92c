"""Entries of lists as numbers, so that a million take 46 MB: what is looked up is known, and need not be kept.

A number is Python's hash of an entry, which has 64 bits and is made with a key of the process (SipHash). So nobody can
choose an entry, or a value to look up, for what its number will be; by chance a value has the number of one of a
million entries once in 10^13 look-ups.
"""

import hashlib
from array import array
from collections.abc import Iterable, Iterator, Sequence

_HALF = (1 << 32) - 1
_NO_LISTS: Sequence[int] = ()


def number(entry: str | bytes) -> int:
    """What is kept of an entry, and looked up of a value; never 0."""
    return hash(entry) or 1


class Entries:
    """Of one list, of one form, in order: the number of each, and a digest of all of them as they were."""

    def __init__(self, entries: Iterable[str] = ()) -> None:
        self._numbers = array("q")
        self._digest = hashlib.blake2b(digest_size=16)
        for each in entries:
            self.append(each)

    def append(self, entry: str, key: bytes | None = None) -> None:
        """Add an entry, which is looked up by a key of its own where it has one."""
        self._numbers.append(number(entry if key is None else key))
        self._digest.update(entry.encode(errors="surrogatepass") + b"\n")

    def digest(self) -> bytes:
        """What tells whether they are the same as others, in this process or another."""
        return self._digest.digest()

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[int]:
        return iter(self._numbers)


class Hosts(Entries):
    """Hosts of one list.

    Attributes:
        ends: half of the number of the last two labels of each, once for those that follow each other.
    """

    def __init__(self, entries: Iterable[str] = ()) -> None:
        self.ends = array("I")
        super().__init__(entries)

    def append(self, entry: str, key: bytes | None = None) -> None:
        """Add a host."""
        end = end_of(entry)
        if not self.ends or self.ends[-1] != end:
            self.ends.append(end)
        super().append(entry, key)


def end_of(host: str) -> int:
    """Half of the number of its last two labels."""
    return hash(host[host.rfind(".", 0, host.rfind(".")) + 1 :]) & _HALF


class Holders:
    """Which lists have an entry, by its number: a hash table in two arrays.

    Args:
        entries: of each list, in the order in which the lists speak.
        said: of each list a bit for each kind that it guards, and whether it suppresses. What an entry says of no kind
            that another list has not said before is left out: so it has few holders, however many lists have it.
    """

    def __init__(self, entries: Sequence[Entries], said: Sequence[tuple[int, bool]]) -> None:
        size = 1 << (sum(map(len, entries)) * 3 // 2).bit_length()
        self._mask = size - 1
        self._numbers = array("q", bytes(8)) * size
        self._lists = array("I", bytes(4)) * size
        bits = max((kinds.bit_length() for kinds, _ in said), default=0)
        # What suppresses is heard before what labels, wherever it stands.
        new = [kinds if suppresses else kinds << bits for kinds, suppresses in said]
        known = [kinds | kinds << bits if suppresses else kinds << bits for kinds, suppresses in said]
        for index, each in enumerate(entries):
            for one in each:
                self._add(one, index, new[index], known)

    def _add(self, one: int, index: int, new: int, known: Sequence[int]) -> None:
        numbers, at = self._numbers, one & self._mask
        while there := numbers[at]:
            if there == one:
                new &= ~known[self._lists[at]]
                if not new:
                    return
            at = (at + 1) & self._mask
        numbers[at] = one
        self._lists[at] = index

    def of(self, one: int) -> Sequence[int]:
        """The lists that have an entry of this number, each by its index, in no order; mostly none."""
        numbers, at = self._numbers, one & self._mask
        if not numbers[at]:
            return _NO_LISTS
        found: list[int] = []
        while there := numbers[at]:
            if there == one:
                found.append(self._lists[at])
            at = (at + 1) & self._mask
        return found
