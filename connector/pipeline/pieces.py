"""Many entries of a journal, read as few at a time as fit in memory."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from connector.model import Entry


class HasEntries(Protocol):
    """What entries are read from: `connector.ports.Outbox` says more."""

    def entries(self, seqs: Sequence[int]) -> Sequence[Entry]:
        """The first of these entries."""
        ...


def pieces(journal: HasEntries, seqs: Sequence[int], most: int) -> Iterator[Sequence[Entry]]:
    """All of these entries that the journal still has, at most so many at once.

    Args:
        journal: where they are.
        seqs: ascending.
        most: how many are read at once, if they fit.
    """
    left = list(seqs)
    while left:
        asked = left[:most]
        found = journal.entries(asked)
        if found:
            yield found
        reached = found[-1].seq if found else asked[-1]
        left = [seq for seq in left if seq > reached]
