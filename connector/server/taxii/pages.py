"""Pages that were just answered, since several platforms read the same ones."""

import threading
from collections import OrderedDict
from dataclasses import dataclass

from starlette.responses import Response

MOST_BYTES = 8 * 1024 * 1024
LARGEST_BYTES = 512 * 1024
"""Of one page; a larger one is made anew each time, lest it push out many others."""


@dataclass(frozen=True, slots=True)
class Page:
    """An answer, and how many objects are in it."""

    response: Response
    objects: int


class Pages:
    """The latest pages by their tags, and by whether they are compressed. Safe for use from several threads.

    A page is as good as the answer 304: the tag says that nothing has changed since it was made.
    """

    def __init__(self) -> None:
        self._pages: OrderedDict[tuple[str, bool], Page] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def get(self, tag: str, *, compressed: bool) -> Page | None:
        """The page, if it is still here."""
        with self._lock:
            found = self._pages.get((tag, compressed))
            if found is not None:
                self._pages.move_to_end((tag, compressed))
            return found

    def put(self, tag: str, page: Page, *, compressed: bool) -> None:
        """Keep a page, in place of those that nobody has asked for longest."""
        size = len(page.response.body)
        if size > LARGEST_BYTES:
            return
        with self._lock:
            if (tag, compressed) in self._pages:
                return
            self._pages[tag, compressed] = page
            self._size += size
            while self._size > MOST_BYTES:
                _, oldest = self._pages.popitem(last=False)
                self._size -= len(oldest.response.body)
