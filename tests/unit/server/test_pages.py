"""Which pages are kept."""

from starlette.responses import Response

from connector.server.taxii import pages
from connector.server.taxii.pages import Page, Pages


def page(size):
    return Page(Response(b"x" * size), 1)


def test_a_page_is_found_by_its_tag_and_whether_it_is_compressed():
    kept, one = Pages(), page(10)
    kept.put("a", one, compressed=True)
    kept.put("a", page(20), compressed=True)
    assert kept.get("a", compressed=True) is one
    assert kept.get("a", compressed=False) is None
    assert kept.get("b", compressed=True) is None


def test_the_pages_that_nobody_asked_for_longest_make_room_and_a_large_one_is_not_kept():
    kept = Pages()
    count = pages.MOST_BYTES // pages.LARGEST_BYTES
    for n in range(count):
        kept.put(str(n), page(pages.LARGEST_BYTES), compressed=False)
    assert kept.get("0", compressed=False)
    kept.put("large", page(pages.LARGEST_BYTES + 1), compressed=False)
    assert kept.get("large", compressed=False) is None
    kept.put("new", page(1), compressed=False)
    held = [n for n in range(count) if kept.get(str(n), compressed=False)]
    assert held == [0, *range(2, count)]
