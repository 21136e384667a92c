"""From a source into the journal."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from connector.model import ConnectorError, Gap
from connector.ports import Journal, Source


@dataclass(frozen=True, slots=True)
class StoredPage:
    """A page in the journal: how many notifications it had, how many of them were new, and what was found lost.

    Attributes:
        unreadable: the reasons of what the source has stepped over, and had not before.
    """

    notifications: int
    new: int
    gap: Gap | None
    unreadable: Sequence[str] = ()


def fetch(name: str, source: Source, journal: Journal) -> Iterator[StoredPage]:
    """Store what is new, page by page: each with its checkpoint, before the next is asked for."""
    for page in source.pages(journal.checkpoint(name)):
        appended = journal.append(name, page)
        reasons = [each.reason for each in appended.unreadable]
        stored = StoredPage(len(page.notifications), appended.new, page.gap, reasons)
        del page, appended  # which may be large, and is not kept until the next is there
        yield stored


class Walk:
    """From page to page; after an error, anew from the last stored checkpoint."""

    def __init__(self, name: str, source: Source, journal: Journal) -> None:
        self._begin = partial(fetch, name, source, journal)
        self._pages = self._begin()

    def next(self) -> StoredPage | None:
        """Store the next page; None when there is nothing more now."""
        try:
            return next(self._pages, None)
        except ConnectorError:
            self._pages = self._begin()
            raise
