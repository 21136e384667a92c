"""The way around an item at which the API fails whatever is asked of it: by dates, since no cursor leads past it."""

import datetime
import time
from collections.abc import Callable, Sequence
from typing import Any

from connector.model import Unavailable, Unreadable
from connector.sources.virustotal.api import NotTheApi
from connector.sources.virustotal.stream_page import StreamPage

_DAY_SECONDS = 86400
"""How far after this machine's clock an item may be dated."""
_AFTER_SECONDS = (1, 60, 600, 6000, 60_000)
"""How far after an item at fault another is looked for that can be read."""


class Detour:
    """Finds the second of such an item, reads what is around it, and remembers it.

    Spans of time that end before it can be read and those that end after it cannot, so that it is found by halving.
    """

    def __init__(self, ask: Callable[..., StreamPage], page_limit: Callable[[], int]) -> None:
        """`ask` gives the page for a date filter and further parameters; `page_limit` is the most that it gives."""
        self._ask = ask
        self._page_limit = page_limit
        self._found: list[int] = []
        self._clock = 0

    def is_outage(self, error: Unavailable) -> bool:
        """Whether the API fails in the same way at the newest, at the oldest, and at what there cannot be."""
        future = f"date:{int(time.time()) + _DAY_SECONDS}+"
        return all(
            self._one(error, dates, order) is None for dates, order in (("", "date-"), ("", "date+"), (future, "date+"))
        )

    def knows(self, since: int) -> bool:
        """Whether such a second was found before, from `since` on."""
        return any(second >= since for second in self._found)

    def again(self, since: int) -> StreamPage | None:
        """Around the next second that was found before; None when what is before it cannot be read."""
        second = next(each for each in self._found if each >= since)
        try:
            return self._before(since, second) or StreamPage([], None, self._clock, past=second)
        except Unavailable:
            self._found.remove(second)
            return None

    def around(self, since: int, error: Unavailable) -> StreamPage:
        """From `since` to the end of the second of the item that is at fault, as far as it can be read.

        Raises:
            Unavailable: it is an outage after all.
        """
        second = self._second(since, error)
        before = self._before(since, second)
        if before is not None and before.past is None:
            return before
        within = self.within(second, error)
        items = [*(before.items if before else ()), *within.items]
        return StreamPage(items, None, within.clock, within.unreadable, second)

    def within(self, second: int, error: Unavailable) -> StreamPage:
        """What was raised in one second, from both of its ends as far as it can be read.

        Raises:
            Unavailable: it is an outage after all.
        """
        self._expect_more_than(second, error)
        first, is_whole = self._end_of(second, "date+", error)
        last, _ = ([], True) if is_whole else self._end_of(second, "date-", error)
        unreadable = [] if is_whole else [_unreadable(second, error)]
        if unreadable:
            self._found = sorted({*self._found, second})
        return StreamPage([*first, *reversed(last)], None, self._clock, unreadable, second)

    def _second(self, since: int, error: Unavailable) -> int:
        readable, failing = since - 1, int(time.time()) + _DAY_SECONDS
        if self._try(error, _span(since, failing), descriptors_only="true"):
            raise error
        while failing - readable > 1:
            middle = (readable + failing) // 2
            if self._try(error, _span(since, middle), descriptors_only="true"):
                readable = middle
            else:
                failing = middle
        return failing

    def _before(self, since: int, second: int) -> StreamPage | None:
        """What is before a second; with `past`, unless there is more than a page of it."""
        if second <= since:
            return None
        page = self._ask(_span(since, second - 1))
        return page if page.cursor else StreamPage(page.items, None, page.clock, past=second)

    def _end_of(self, second: int, order: str, error: Unavailable) -> tuple[Sequence[Any], bool]:
        """As many of a second as can be read from one end, and whether they are all."""
        items: Sequence[Any] = ()
        readable, failing = 0, self._page_limit() + 1
        limit = self._page_limit()
        while failing - readable > 1:
            page = self._try(error, _span(second, second), order=order, limit=str(limit))
            if page is None:
                failing = limit
            elif page.cursor is None:
                return page.items, True
            else:
                items, readable = page.items, limit
            limit = (readable + failing) // 2
        return items, False

    def _expect_more_than(self, second: int, error: Unavailable) -> None:
        """Raise the error unless something else than what is in this second can be read."""
        after = [f"date:{second + each}+" for each in _AFTER_SECONDS]
        asked = [("", "date-"), ("", "date+"), (f"date:{second - 1}-", "date-"), *((dates, "date+") for dates in after)]
        if not any((page := self._one(error, dates, order)) and page.items for dates, order in asked):
            raise error

    def _one(self, error: Unavailable, dates: str, order: str) -> StreamPage | None:
        """The page of one item, without attributes; None when the API fails at it in the same way."""
        return self._try(error, dates, order=order, limit="1", descriptors_only="true")

    def _try(self, error: Unavailable, dates: str, **parameters: str) -> StreamPage | None:
        try:
            page = self._ask(dates, **parameters)
        except Unavailable as other:
            _expect_alike(other, error)
            return None
        self._clock = page.clock
        return page


def _span(since: int, until: int) -> str:
    return f"date:{since}+ date:{until}-"


def _expect_alike(other: Unavailable, error: Unavailable) -> None:
    """Raise what is another trouble than the one that is to be gone around."""
    is_alike = type(other) is type(error) and other.retry_after is None
    if not is_alike or (isinstance(other, NotTheApi) and isinstance(error, NotTheApi) and other.status != error.status):
        raise other


def _unreadable(second: int, error: Unavailable) -> Unreadable:
    at = datetime.datetime.fromtimestamp(second, datetime.UTC)
    reason = f"VirusTotal fails at something that was raised at {at:%Y-%m-%dT%H:%M:%SZ}, however it is asked: {error}"
    return Unreadable(f"second {second}", reason, date=second)
