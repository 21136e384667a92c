"""Notifications about one observable, the newest first, and what is known of it by them.

They are read a page at a time, for as long as somebody asks for more. What is known is what that says which is dated
last of all that count, in whatever order they came.
"""

from collections.abc import Callable, Iterator, Sequence

from connector import notification
from connector.model import Entry, JsonObject
from connector.pipeline.route import judged_wrong
from connector.ports import ALIKE, Outbox
from connector.values import assessments

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


def known_of(journal: Outbox, value: str, sources: Sequence[str]) -> JsonObject:
    """What is known of a value by notifications about it itself, whether routes let them through or not."""
    for entry in newest_about(journal, value, sources):
        said = notification.known(entry)
        if said and counts(entry, said):
            later = () if entry.entity is not None else journal.newer_dated([entry.seq], sources).get(entry.seq, ())
            for seq in later:
                for other in journal.entries([seq]):
                    known = notification.known(other)
                    if known and is_newer(known, said) and counts(other, known):
                        return known
            return said
    return {}


def counts(entry: Entry, known: JsonObject) -> bool:
    """Whether what an entry says of its entity counts: what is judged wrong can make nothing worse."""
    return judged_wrong(entry.judgement) is None or assessments.is_benign(known)


def is_newer(known: JsonObject, said: JsonObject) -> bool:
    """Whether what a notification with a later date says of an entity is newer, too.

    What VirusTotal says of an entity is dated itself (`last_modification_date`); if it is not, that of the notification
    counts.
    """
    modified, when_said = known.get("last_modification_date"), said.get("last_modification_date")
    return not (isinstance(modified, int) and isinstance(when_said, int)) or modified > when_said
