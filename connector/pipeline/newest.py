"""Notifications about one observable, the newest first, read a page at a time for as long as somebody asks for more."""

from collections.abc import Callable, Iterator, Sequence

from connector.model import Entry
from connector.ports import ALIKE, Outbox

_PAGES = 5, 100
"""How many are read at once: at first, and then."""


def newest(
    read: Callable[[int, int | None], Sequence[Entry]], most: int = ALIKE, before: int | None = None
) -> Iterator[Entry]:
    """Entries before one (None: of all), at most so many.

    `read` gives the newest first, at most so many that fit in memory, in the same way.
    """
    left = most
    size = _PAGES[0]
    while left > 0:
        asked = min(size, left)
        page = read(asked, before)
        yield from page
        if not page:
            return
        before, size = page[-1].seq, _PAGES[1]
        left -= len(page)


def newest_about(journal: Outbox, value: str, sources: Sequence[str], most: int = ALIKE) -> Iterator[Entry]:
    """Entries about a value itself."""
    return newest(lambda limit, before: journal.about(value, sources, limit, before), most)
