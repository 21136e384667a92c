"""When a walk is long, its pages are read ahead: `Backlog` knows when that pays, and `slices` does it."""

from collections.abc import Callable, Iterator

from connector.sources.virustotal.api import Api
from connector.sources.virustotal.pages import PAGE_LIMIT, PageReader, notification_date
from connector.sources.virustotal.slices import Slices
from connector.sources.virustotal.stream_page import StreamPage
from connector.sources.virustotal.walk import Walk

_PAGES_BEFORE = 5
"""So many in a row the one walk reads, before it has others read ahead."""
_PAGES_LEFT = 8
"""With fewer to come, as far as is known, there is nothing to win."""


class Backlog:
    """The pages of one source that are read ahead. Used by one thread."""

    def __init__(self, walks: int, connected: Callable[[], Api], reader: PageReader) -> None:
        """Nothing is read ahead.

        Args:
            walks: how many pages may be read at once; with one, none is read ahead.
            connected: makes a client of the API.
            reader: asks for the pages of the one walk.
        """
        self._walks = walks
        self._connected = connected
        self._reader = reader
        self._slices: Slices | None = None
        self._pages: Iterator[StreamPage] = iter(())
        self._in_a_row = 0
        self._sent = 0

    @property
    def sent(self) -> int:
        """How many requests were sent."""
        return self._sent + (self._slices.sent if self._slices else 0)

    def page(self) -> StreamPage | None:
        """The next page, where one was read ahead."""
        page = next(self._pages, None)
        if page is None:
            self.close()
        return page

    def note(self, page: StreamPage, walk: Walk | None) -> None:
        """What the one walk has read, and where it stands then; the next pages are read ahead if that pays."""
        dates = [notification_date(item) for item in page.items]
        is_plain = walk is not None and walk.cursor and walk.ordered and not walk.by_date and not page.unreadable
        if page.is_ahead or not is_plain or walk is None or not dates or min(dates) <= 0:
            self._in_a_row = 0
            return
        self._in_a_row += 1
        until, newest = walk.started or 0, max(dates)
        per_second = len(dates) / max(1, newest - min(dates))
        pages_left = (until - newest) * per_second / PAGE_LIMIT
        if self._walks > 1 and self._in_a_row >= _PAGES_BEFORE and newest == walk.highest and pages_left >= _PAGES_LEFT:
            self._slices = Slices(
                [self._connected() for _ in range(self._walks)],
                self._reader.question,
                self._reader.decode,
                known=[item for item in page.items if notification_date(item) == newest],
                until=until,
                per_second=per_second,
            )
            self._pages = self._slices.pages()

    def close(self) -> None:
        """Read nothing ahead any more, in this walk."""
        if self._slices is None:
            return
        self._slices.close()
        self._sent += self._slices.sent
        if self._slices.has_known is False:
            self._walks = 1  # dates do not lead where they should
        self._slices, self._pages, self._in_a_row = None, iter(()), 0
