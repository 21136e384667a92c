import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.model import Gap
from connector.sources.virustotal.walk import RETENTION_SECONDS, Checkpoint, Walk

NOW = 1_800_000_000
TERMS = {"since_seconds": 3600, "overlap_seconds": 900}


def begun(**known):
    return Checkpoint(filter="", **known).begun(NOW, **TERMS)


def test_a_first_walk_looks_back_as_far_as_it_is_told():
    assert begun().walk == Walk(since=NOW - 3600, next_since=NOW - 3600)


def test_a_later_walk_starts_an_overlap_before_the_watermark():
    walk = begun(watermark=NOW - 50_000, seen_until=NOW - 5).walk
    assert walk == Walk(since=NOW - 50_900, base=NOW - 50_000, next_since=NOW - 50_900)


@pytest.mark.parametrize(("seen_until", "since"), [(NOW - 5, NOW - 3600), (NOW - 90_000, NOW - 90_900)])
def test_without_a_watermark_a_walk_reaches_back_to_the_last_one(seen_until, since):
    assert begun(seen_until=seen_until).walk == Walk(since=since, next_since=since)


def test_no_walk_starts_before_time_itself():
    assert Checkpoint(filter="", watermark=5).begun(NOW, **TERMS).walk.since == 0


def test_the_watermark_never_falls():
    # The server ignored the filter and gave what is older than anything asked for.
    done = begun(watermark=NOW - 100).after([NOW - 9000], None, NOW)
    assert done == Checkpoint(filter="", watermark=NOW - 100, seen_until=NOW)


def test_the_end_of_a_walk_says_when_it_began_by_the_servers_clock():
    first = begun().after([NOW - 10], "c", NOW + 3)
    assert first.after([NOW - 5], None, NOW + 60).seen_until == NOW + 3


def test_an_ordered_walk_moves_the_watermark_with_each_page():
    first = begun().after([NOW - 10, None, NOW - 10, NOW - 5], "c", NOW)
    assert first.watermark == NOW - 5
    assert first.walk.cursor == "c"


@pytest.mark.parametrize("pages", [[[NOW - 5, NOW - 10]], [[NOW - 5], [NOW - 10]], [[NOW - 5], [], [NOW - 6, NOW - 1]]])
def test_a_date_that_falls_holds_the_watermark_until_the_walk_ends(pages):
    state = begun(watermark=NOW - 3000)
    for page in pages:
        state = state.after(page, "c", NOW)
    assert state.watermark == NOW - 3000
    assert state.after([], None, NOW).watermark == max(date for page in pages for date in page)


def test_a_date_in_the_future_counts_neither_for_order_nor_for_the_watermark():
    state = begun().after([NOW - 9, NOW + 1, NOW - 8], "c", NOW)
    assert (state.watermark, state.walk.ordered) == (NOW - 8, True)


def test_a_walk_of_one_page_is_followed_by_one_from_its_watermark():
    done = begun(watermark=NOW - 3000).after([NOW - 2000], None, NOW)
    assert done.begun(NOW, **TERMS).walk.since == NOW - 2900


def test_a_walk_of_several_pages_is_followed_by_one_from_where_it_began():
    first = begun().after([NOW - 3000], "c", NOW).after([NOW - 100], None, NOW).begun(NOW, **TERMS)
    assert first.walk.since == NOW - 3600
    second = first.after([NOW - 3000], "c", NOW).after([NOW - 100], None, NOW).begun(NOW, **TERMS)
    assert second.walk.since == NOW - 1000  # what it found has been read twice


def test_a_lost_cursor_costs_no_more_than_the_last_second_in_an_ordered_walk():
    state = begun(watermark=NOW - 3000).after([NOW - 2500, NOW - 2000], "c", NOW)
    walk = state.by_date().walk
    assert (walk.since, walk.cursor, walk.by_date) == (NOW - 2000, None, True)
    assert state.by_date().past(NOW - 2000).walk.since == NOW - 1999


def test_a_lost_cursor_restarts_a_walk_out_of_order_where_it_began():
    began = begun(watermark=NOW - 3000)
    state = began.after([NOW - 10, NOW - 2000], "c", NOW).restarted()
    assert (state.walk.since, state.walk.cursor, state.walk.highest) == (began.walk.since, None, None)
    assert state.watermark == NOW - 3000


def test_a_lost_cursor_before_the_first_date_goes_on_where_the_walk_began():
    began = begun(seen_until=NOW - 90_000)
    assert began.after([], "c", NOW).by_date().walk.since == began.walk.since


@pytest.mark.parametrize(
    ("known", "gap"),
    [
        ({}, None),
        ({"watermark": NOW - RETENTION_SECONDS}, None),
        ({"watermark": NOW - RETENTION_SECONDS - 1}, Gap(NOW - RETENTION_SECONDS - 1, NOW - RETENTION_SECONDS)),
        ({"watermark": 5, "seen_until": NOW - 60}, None),
        ({"watermark": 5, "seen_until": 9}, Gap(9, NOW - RETENTION_SECONDS)),
    ],
)
def test_what_was_deleted_before_it_was_read_is_a_gap(known, gap):
    assert Checkpoint(filter="", **known).gap(NOW) == gap


dates = st.lists(st.none() | st.integers(NOW - 5000, NOW + 50), max_size=6)


@given(st.lists(dates, max_size=6), st.integers(NOW - 5000, NOW) | st.none())
def test_a_walk_that_goes_on_by_date_anywhere_asks_for_all_it_has_not_seen(pages, watermark):
    """Whatever the server still holds back is not older than where a restart begins, if dates do not fall later."""
    state = begun(watermark=watermark)
    began = state.walk.since
    for page in pages:
        state = state.after(page, "c", NOW)
        again = state.by_date() if state.walk.ordered else state.restarted()
        met = [date for date in page if date is not None and date <= NOW]
        assert state.watermark is None or state.watermark <= NOW
        if not state.walk.ordered:
            assert again.walk.since == began
        elif met:
            assert again.walk.since <= max([*met, began])  # what is older than where it began was not asked for
    assert Checkpoint.model_validate(state.model_dump()) == state
