"""Pages of the IoC Stream, read as far as they can be: an unreadable item or a bad cursor holds up nothing else."""

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from connector import model
from connector.clients.http import Response, TooLarge
from connector.model import Misconfigured, Unavailable
from connector.sources.virustotal.api import Answer, Api, NotTheApi, UnreadableAnswer
from connector.sources.virustotal.detour import Detour
from connector.sources.virustotal.stream_page import StreamPage
from connector.sources.virustotal.walk import Walk

PAGE_LIMIT = 40
"""The most that the API gives at once."""
MAX_CURSOR = 4096
"""Characters of a cursor that is followed; those of the real API have some hundred, and a longer one fits no URL."""
MAX_FAILURES = 3
"""After each so many outages in a row, the same items are asked for in another way, once."""

_MOST_ITEMS = 25 * PAGE_LIMIT
"""Items in an answer at most: more would cost memory without bound, and no page of the real API has more."""
_REMEMBERED = 20_000
_EXCERPT = 2000
_CURSOR_REFUSED = frozenset(
    (
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.GONE,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.REQUEST_URI_TOO_LONG,
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    )
)
"""Statuses that refuse the cursor, whoever answers: a proxy on the way may not take so long a URL."""
_WHATEVER_IS_ASKED = frozenset(
    (
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.PROXY_AUTHENTICATION_REQUIRED,
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.SERVICE_UNAVAILABLE,
    )
)
"""Statuses that any other request would get as well: more requests make it worse."""
_ID = re.compile(rb'"notification_id"\s*:\s*"([!-~]{1,128}?)"')
_DATE = re.compile(rb'"notification_date"\s*:\s*(\d{1,12})\b')
_CURSOR = re.compile(rb'"cursor"\s*:\s*"([!-~]+?)"')


class PageReader:
    """Reads the pages of walks, and halves them where one cannot be read, down to the item that is at fault.

    Of that one the descriptor is asked for, which is the notification without its entity's attributes. Where that
    cannot be read either, it is stepped over: by date where the API does not say what follows it (`Detour`). An API
    that fails altogether stays an outage.
    """

    def __init__(self, api: Api, wanted: str) -> None:
        self._api = api
        self._filter = wanted
        self._limit = PAGE_LIMIT
        self._failures = 0
        self._cursors_lead = True
        self._handed: dict[str, None] = {}
        self._detour = Detour(self._in, lambda: PAGE_LIMIT)

    def read(self, walk: Walk) -> StreamPage | None:
        """The next page of a walk; None when it has to go on by date.

        Raises:
            Unavailable: an outage.
            Misconfigured: the request is refused without a cursor too.
        """
        try:
            page = self._page(walk, self._limit)
        except Unavailable as error:
            is_unreadable = isinstance(error, UnreadableAnswer | TooLarge)
            if not is_unreadable:
                status = error.status if isinstance(error, NotTheApi) else None
                if walk.cursor is not None and status in _CURSOR_REFUSED:
                    return None
                if _is_whatever_is_asked(error):
                    raise
                if self._detour.knows(walk.since):
                    return self._detour.again(walk.since) if walk.by_date else None
                self._failures += 1
                is_patient = self._cursors_lead and self._limit == PAGE_LIMIT and self._failures % MAX_FAILURES
                if is_patient:
                    raise
                if walk.cursor is not None:
                    self._cursors_lead = False
                    return None
            if not isinstance(error, UnreadableAnswer) and self._detour.is_outage(error):
                raise
            page = self._narrowed(walk, error)
        else:
            self._cursors_lead |= walk.cursor is not None and page is not None
            self._limit = min(self._limit * 2, PAGE_LIMIT)  # what was at fault lies behind, or has passed
        self._failures = 0
        return page

    def handed(self, ids: Iterable[str]) -> bool:
        """Remember notifications that have been stored, whose page is not halved again; return whether any was new."""
        before = len(self._handed)
        self._handed.update(dict.fromkeys(ids))
        has_new = len(self._handed) > before
        for each in [*self._handed][: max(0, len(self._handed) - _REMEMBERED)]:
            del self._handed[each]
        return has_new

    def last_of(self, second: int) -> StreamPage | None:
        """The last page of what was raised in one second, last item first; None when VirusTotal does not give it.

        Where the API fails at something in that second: both ends, as far as they can be read, and `past` says so.
        """
        within = f"date:{second}+ date:{second}-"
        try:
            answer = self._ask(within, order="date-")
        except Unavailable:
            try:
                answer = self._ask(within, order="date-", descriptors_only="true")
            except Unavailable as error:
                if _is_whatever_is_asked(error) or self._detour.is_outage(error):
                    raise
                return self._detour.within(second, error)
        return _page(answer) if answer.status == HTTPStatus.OK else None

    def _page(self, walk: Walk, limit: int, **more: str) -> StreamPage | None:
        if walk.cursor is not None:
            more["cursor"] = walk.cursor
        answer = self._ask(f"date:{walk.since}+", limit=str(limit), **more)
        if answer.status == HTTPStatus.OK:
            return _page(answer)
        if walk.cursor is None:
            raise refused(answer)
        return None

    def _in(self, dates: str, **params: str) -> StreamPage:
        """The page of a span of time."""
        answer = self._ask(dates, **params)
        if answer.status != HTTPStatus.OK:
            raise NotTheApi(f"VirusTotal refuses the question ({answer.said})", answer.status)
        return _page(answer)

    def question(self, dates: str) -> Mapping[str, str]:
        """The parameters that ask for a span of dates, oldest first."""
        return {"limit": str(PAGE_LIMIT), "order": "date+", "filter": f"{self._filter} {dates}".strip()}

    def decode(self, response: Response) -> Answer:
        """What an answer means; raises as `Api.get` does."""
        return self._api.read(response)

    def _ask(self, dates: str, **params: str) -> Answer:
        return self._api.get("ioc_stream", params={**self.question(dates), **params})

    def _narrowed(self, walk: Walk, error: Unavailable) -> StreamPage | None:
        """As much of a page as can be read, at least one item."""
        with suppress(Unavailable, Misconfigured):
            page = self._page(walk, self._limit, descriptors_only="true")
            if page is not None and page.items and all(notification_id(item) in self._handed for item in page.items):
                return page  # the journal has all of them
        limit = self._limit
        while limit > 1:
            limit //= 2
            try:
                page = self._page(walk, limit)
            except Unavailable as smaller:
                error = smaller
            else:
                self._limit = limit
                return page
        with suppress(Unavailable, Misconfigured):
            page = self._page(walk, 1, descriptors_only="true")
            if page is not None:
                self._limit = PAGE_LIMIT
                return page
        self._limit = PAGE_LIMIT
        if isinstance(error, UnreadableAnswer):
            return _stepped_over(error)
        if not walk.by_date:
            self._cursors_lead = False
            return None
        return self._detour.around(walk.since, error)


def _stepped_over(error: UnreadableAnswer) -> StreamPage:
    """The page of one item that is not JSON; the cursor that leads past it is found in the text."""
    identifier, date, cursor = (pattern.search(error.body) for pattern in (_ID, _DATE, _CURSOR))
    name = identifier[1].decode() if identifier else None
    lead = cursor[1].decode() if cursor else None
    if lead is not None and error.hide.finds(lead):
        lead = None
    place = f"the notification {name}" if name else "an item of the stream"
    unreadable = model.Unreadable(
        id=name or f"{date[1].decode() if date else ''}:{error.reason}",
        reason=f"{place} cannot be read: {error.reason}, at byte {error.offset:,} of VirusTotal's answer",
        date=int(date[1]) if date else None,
        notification_id=name,
        excerpt=error.hide.line(_around(error).decode("utf-8", "replace"), _EXCERPT),
    )
    return StreamPage([], lead, error.clock, [unreadable])


def _around(error: UnreadableAnswer) -> bytes:
    start = max(0, error.offset - _EXCERPT // 2)
    return error.body[start : start + _EXCERPT]


def _is_whatever_is_asked(error: Unavailable) -> bool:
    """Whether any other request would get this answer as well."""
    return error.retry_after is not None or (isinstance(error, NotTheApi) and error.status in _WHATEVER_IS_ASKED)


def notification_id(item: Any) -> str:
    """That of an item of the stream; empty when it has none."""
    said = item.get("context_attributes") if isinstance(item, dict) else None
    return str(said.get("notification_id")) if isinstance(said, dict) else ""


def notification_date(item: Any) -> int:
    """That of an item of the stream, in Unix seconds; 0 when it has none."""
    said = item.get("context_attributes") if isinstance(item, dict) else None
    date = said.get("notification_date") if isinstance(said, dict) else None
    return date if isinstance(date, int) and not isinstance(date, bool) else 0


def _page(answer: Answer) -> StreamPage:
    """A page of the stream."""
    items, cursor = items_of(answer)
    return StreamPage(items, cursor, answer.clock)


def items_of(answer: Answer) -> tuple[Sequence[Any], str | None]:
    """The items of a page, and the cursor to the next: None at the end, where VirusTotal may also give an empty one.

    Raises:
        Unavailable: it is none.
    """
    items, meta = answer.document.get("data"), answer.document.get("meta") or {}
    cursor = meta.get("cursor") if isinstance(meta, dict) else None
    if not isinstance(items, list) or not isinstance(meta, dict) or not isinstance(cursor, str | None):
        raise Unavailable(f"VirusTotal answered with JSON that is no page of the IoC Stream ({answer.said})")
    if len(items) > _MOST_ITEMS:
        raise Unavailable(
            f"VirusTotal answered with {len(items)} notifications where {PAGE_LIMIT} were asked for: something else "
            "answers in its place"
        )
    return items, cursor or None


def refused(answer: Answer) -> Misconfigured:
    """The error that says what a person has to correct, in the API's words."""
    if answer.status == HTTPStatus.BAD_REQUEST:
        return Misconfigured(f"VirusTotal refuses the request ({answer.said}): correct the source's filter")
    if answer.status == HTTPStatus.FORBIDDEN:
        return Misconfigured(
            f"VirusTotal does not open the IoC Stream to this API key ({answer.said}): the key in the source's option "
            "api_key needs a licence that includes it (VirusTotal Enterprise or Google Threat Intelligence)"
        )
    if answer.status == HTTPStatus.NOT_FOUND:
        return Misconfigured(f"there is no IoC Stream at the source's api_url ({answer.said}): correct it")
    return Misconfigured(f"VirusTotal refuses the request ({answer.said}): correct the source's filter or api_url")
