"""From a source into the journal, page by page."""

import pytest

from connector.model import Appended, Gap, Notification, Page, Unavailable, Unreadable
from connector.pipeline.fetch import StoredPage, Walk


class Source:
    """Gives the pages after a checkpoint, which is the number of those given; an error is raised once."""

    def __init__(self, *pages):
        self.left = list(pages)
        self.asked = []

    def pages(self, checkpoint):
        self.asked.append(checkpoint)
        while self.left:
            if isinstance(page := self.left.pop(0), Exception):
                raise page
            yield page


class Journal:
    def __init__(self):
        self.stored = []

    def checkpoint(self, name):
        return self.stored[-1][1].checkpoint if self.stored else None

    def append(self, name, page):
        self.stored.append((name, page))
        return Appended(len(page.notifications) - 1, page.unreadable[1:])


def page(checkpoint, **more):
    return Page([Notification("1", 1, {}), Notification("2", 2, {})], checkpoint, **more)


def test_a_page_is_told_as_it_was_stored_before_the_next_is_asked_for():
    odd = page(1, gap=Gap(5, 9), unreadable=[Unreadable("w", "known before"), Unreadable("x", "no JSON")])
    source, journal = Source(odd, page(2)), Journal()
    walk = Walk("vt", source, journal)
    assert walk.next() == StoredPage(2, 1, Gap(5, 9), ["no JSON"])
    assert (journal.stored, len(source.left)) == ([("vt", odd)], 1)
    assert walk.next() == StoredPage(2, 1, None, [])
    assert walk.next() is None


def test_after_an_error_it_goes_on_from_the_last_page_that_was_stored():
    source, journal = Source(page(1), Unavailable("down"), page(2)), Journal()
    walk = Walk("vt", source, journal)
    walk.next()
    with pytest.raises(Unavailable):
        walk.next()
    assert walk.next() == StoredPage(2, 1, None, [])
    assert source.asked == [None, 1]
