"""A backlog read by several walks side by side: each reads windows of dates, which are handed over in their order.

A window is asked for by two dates. VirusTotal documents that for an older endpoint only, so the first window is held
against what the one walk has read, and each answer against its window. Whatever is odd, a refusal or an outage too,
ends this: the one walk, which knows what to do about it, goes on from the last date that was handed over.
"""

import contextvars
import queue
import threading
from bisect import insort
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, NamedTuple

from connector.clients.http import Response
from connector.model import ConnectorError
from connector.sources.virustotal.api import Answer, Api
from connector.sources.virustotal.pages import MAX_CURSOR, PAGE_LIMIT, items_of, notification_date, notification_id
from connector.sources.virustotal.stream_page import StreamPage

MAX_BODY_BYTES = 2 * 1024 * 1024
"""Of a page, decompressed; one of 40 large files has some 1.1 million."""

_WINDOW_BYTES = 8 * 1024 * 1024
"""That a window takes in memory until its turn, and a page more. What is beyond is a window of its own."""
_PAGES = 6
"""That a window is to have: with more, those behind it wait longer; with fewer, more pages are not full."""
_MOST_PAGES = 10
_DONE_AHEAD = 2
"""Windows that may wait for their turn beside those that are being read."""
_GROWTH = 4
"""How many times as long as a window the next may be: where nothing is, few windows lead far."""
_DECODING = threading.Lock()
"""One page at a time is decoded, however many are read."""

Question = Callable[[str], Mapping[str, str]]
"""Gives the parameters that ask for a span of dates, oldest first."""


class _Window(NamedTuple):
    """The dates from `start` up to `end`, without that second."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Read:
    """What was read of a window.

    Attributes:
        pages: as they came.
        size: their bytes.
        count: how many notifications they have.
        rest: the date from which on something is left.
    """

    pages: Sequence[Response]
    size: int
    count: int
    rest: int | None


class _Begun(NamedTuple):
    window: _Window
    reading: Future[_Read | None]


class Slices:
    """The windows of one backlog. Used by one thread, which has others read.

    Attributes:
        has_known: whether the first window had what was known to be in it; None until it was read.
    """

    def __init__(
        self,
        apis: Sequence[Api],
        question: Question,
        decode: Callable[[Response], Answer],
        *,
        known: Sequence[Any],
        until: int,
        per_second: float,
    ) -> None:
        """Nothing is asked yet.

        Args:
            apis: one for each walk, and nobody else's.
            question: asks for a span of dates.
            decode: reads an answer.
            known: the items of the newest date that was read, where the first window begins; at least one.
            until: the date before which all is read, in Unix seconds.
            per_second: how many notifications there are of a second, as far as is known.
        """
        self.has_known: bool | None = None
        self._apis = apis
        self._free: queue.SimpleQueue[Api] = queue.SimpleQueue()
        for api in apis:
            self._free.put(api)
        self._question = question
        self._decode = decode
        self._known = {notification_id(item) for item in known}
        self._span = _span(per_second)
        self._left = deque([_Window(notification_date(known[0]), until)])
        self._begun: list[_Begun] = []

    @property
    def sent(self) -> int:
        """How many requests were sent."""
        return sum(api.sent for api in self._apis)

    def pages(self) -> Iterator[StreamPage]:
        """The pages in the order of their dates, as far as nothing is odd."""
        try:
            while self._read_ahead():
                window, reading = self._begun.pop(0)
                read = reading.result()
                if read is None:
                    return
                if read.rest is not None:
                    self._left.appendleft(_Window(read.rest, window.end))
                self._span = min(_span(read.count / _seconds(window, read)), _GROWTH * _seconds(window, read))
                yield from self._handed_over(window, read)
                if not self.has_known:
                    return
        except ConnectorError:
            return  # the one walk meets it, too, if it lasts

    def close(self) -> None:
        """Let go of the connections. What is being read ends by itself."""
        for api in self._apis:
            api.close()

    def _read_ahead(self) -> bool:
        """Have as many windows read as there are walks; return whether there is one to wait for."""
        while self._left and (self._is_next() or (not self._free.empty() and self._may_wait())):
            left = self._left.popleft()
            window = _Window(left.start, min(left.start + self._span, left.end))
            if window.end < left.end:
                self._left.appendleft(_Window(window.end, left.end))
            insort(self._begun, _Begun(window, self._begin(window)), key=lambda begun: begun.window)
        return bool(self._begun)

    def _is_next(self) -> bool:
        """Whether what is left begins before what was begun: it is to be read and handed over first."""
        return not self._begun or self._left[0] < self._begun[0].window

    def _may_wait(self) -> bool:
        """Whether there is memory for what is left, which has its turn behind something else."""
        if not self.has_known:
            return False  # one alone, until it is known that windows hold what they should
        if self._left[0] > self._begun[-1].window:
            return len(self._begun) < len(self._apis) + _DONE_AHEAD
        done = [reading.result() for _, reading in self._begun if reading.done()]
        return sum(read.size for read in done if read) < len(self._apis) * _WINDOW_BYTES

    def _begin(self, window: _Window) -> Future[_Read | None]:
        """Have a window read, by the walk that is free next."""
        api, reading = self._free.get(), Future[_Read | None]()
        run = contextvars.copy_context().run
        # A daemon, because the process may end while an answer is awaited.
        threading.Thread(
            target=run, args=(self._read, api, window, reading), name=f"ahead {window.start}", daemon=True
        ).start()
        return reading

    def _read(self, api: Api, window: _Window, reading: Future[_Read | None]) -> None:
        read = None
        try:
            read = _read(api, self._question, window)
        except ConnectorError:
            pass  # as `pages` says
        finally:
            self._free.put(api)
            reading.set_result(read)

    def _handed_over(self, window: _Window, read: _Read) -> Iterator[StreamPage]:
        for response in read.pages:
            answer = self._decode(response)
            items = [item for item in items_of(answer)[0] if window.start <= notification_date(item) < window.end]
            if self.has_known is None:
                self.has_known = self._known <= {notification_id(item) for item in items}
            if not self.has_known:
                return
            if items:
                yield StreamPage(items, None, answer.clock, is_ahead=True)


def _read(api: Api, question: Question, window: _Window) -> _Read | None:
    """A window, from its start on; None where anything is odd. Raises as `Api.read` does."""
    # Whether a date itself belongs to what `date:…+` and `date:…-` ask for, is not relied upon.
    params = {**question(f"date:{window.start - 1}+ date:{window.end}-")}
    pages: list[Response] = []
    count, size, last = 0, 0, window.start - 1
    while True:
        response = api.ask("ioc_stream", params=params)
        with _DECODING:
            answer = api.read(response)
            if answer.status != HTTPStatus.OK:
                return None
            items, cursor = items_of(answer)
            dates = [notification_date(item) for item in items]
            del answer, items
        if dates != sorted(dates) or any(not last <= date <= window.end for date in dates):
            return None
        pages.append(response)
        size += len(response.body)
        count += sum(window.start <= date < window.end for date in dates)
        if cursor is None or (dates and dates[-1] == window.end):
            return _Read(pages, size, count, None)
        if not dates or cursor == params.get("cursor") or len(cursor) > MAX_CURSOR:
            return None
        last, params["cursor"] = dates[-1], cursor
        if len(pages) == _MOST_PAGES or size > _WINDOW_BYTES:
            return _Read(pages, size, count, last) if last > window.start else None


def _seconds(window: _Window, read: _Read) -> int:
    """Of how many seconds a window was read."""
    return (window.end if read.rest is None else read.rest) - window.start


def _span(per_second: float) -> int:
    """How many seconds a window is to have; without bound where nothing is."""
    return max(1, int(_PAGES * PAGE_LIMIT / max(per_second, 1e-6)))
