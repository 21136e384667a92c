"""A backlog is read by several walks side by side (`walks`), and nothing is lost, doubled or out of order for it."""

import random
import re
import threading
import time
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis_profiles import examples
from integration.simulated_virustotal import (
    DISTURBANCES,
    NOW,
    Clock,
    Store,
    ids,
    items,
    nothing_is_lost,
    simulated,
    source,
    stream_requests,
)

from connector.model import Unavailable
from connector.simulator.api import Fault
from connector.sources.virustotal import slices

HOUR = 3600


def spread(count, seconds=20 * HOUR, seed=7):
    """So many dates, some in bursts, up to a minute ago."""
    chance = random.Random(seed)
    dates = [NOW - 60 - chance.randrange(seconds) for _ in range(count // 2)]
    dates += [NOW - 60 - seconds // 3 - chance.randrange(seconds // 50) for _ in range(count - count // 2)]
    return sorted(dates)


def windows(api):
    """What was asked by two dates."""
    return [asked for asked in stream_requests(api) if re.search(r"date:\d+-", asked.args["filter"])]


def drained(some_source, store=None):
    store = store or Store()
    store.pages = store.drain(some_source)
    return store


def in_order(pages):
    dates = [each.date for page in pages for each in page.notifications]
    return dates == sorted(dates)


def test_a_backlog_is_read_whole_in_the_order_of_its_dates_and_at_once():
    at_once, most = [0], [0]
    lock = threading.Lock()

    def slow(api):
        def application(environ, start_response):
            with lock:
                at_once[0] += 1
                most[0] = max(most[0], at_once[0])
            time.sleep(0.02)
            try:
                return api(environ, start_response)
            finally:
                with lock:
                    at_once[0] -= 1

        return application

    made = items(spread(3000))
    with simulated(made, middleware=slow) as (api, url):
        store = drained(source(url, walks=4))
        assert store.notifications.keys() == ids(made)
        assert in_order(store.pages)
        assert len(windows(api)) > 40
        assert 2 <= most[0] <= 4
        assert len(stream_requests(api)) < 1.5 * 3000 / 40


def test_one_walk_asks_by_one_date():
    with simulated(items(spread(1000))) as (api, url):
        drained(source(url))
        assert windows(api) == []


def test_a_few_pages_are_read_by_one_walk():
    with simulated(items(range(NOW - 4000, NOW - 1000, 10))) as (api, url):
        drained(source(url, walks=4))
        assert windows(api) == []


def test_each_notification_is_handed_over_once_but_at_the_ends():
    made = items(spread(3000))
    with simulated(made) as (_, url):
        handed = [each.id for page in source(url, walks=4).pages(None) for each in page.notifications]
        assert len(handed) - len(set(handed)) <= 80


def test_what_comes_meanwhile_is_met_by_the_same_walk():
    clock = Clock()
    made = items(spread(2000))
    with simulated(made, clock=clock) as (api, url):
        store, more = Store(), []
        for number, page in enumerate(source(url, walks=4).pages(None)):
            store.append(page)
            if number in (10, 30):
                clock.now += 30
                new = items([clock.now] * 45, first_id=10_000 * number)
                more += new
                api.add(new)
        assert store.notifications.keys() == ids(made + more)


def test_the_next_walk_begins_where_a_long_one_began():
    made = items(spread(2000))
    with simulated(made) as (api, url):
        store = drained(source(url, walks=4))
        late = items([made[700]["context_attributes"]["notification_date"]], first_id=90_000)
        api.add(late)
        drained(source(url, walks=4), store)
        assert store.notifications.keys() == ids(made + late)


def upper_date_is(meaning, asked):
    """A server that takes the second date otherwise; what had one is in `asked`."""

    def middleware(api):
        def application(environ, start_response):
            query = environ.get("QUERY_STRING", "")
            environ["QUERY_STRING"] = re.sub(r"date%3A(\d+)-", lambda found: meaning(int(found[1])), query)
            if environ["QUERY_STRING"] != query:
                asked.append(query)
            return api(environ, start_response)

        return application

    return middleware


@pytest.mark.parametrize("later", [-1, 0], ids=["exclusive", "inclusive"])
@pytest.mark.parametrize("earlier", [1, 0], ids=["exclusive", "inclusive"])
def test_whether_a_date_itself_belongs_to_its_span_makes_no_difference(later, earlier):
    def middleware(api):
        def application(environ, start_response):
            query = environ.get("QUERY_STRING", "")
            if re.search(r"date%3A\d+-", query):
                query = re.sub(r"date%3A(\d+)-", lambda found: f"date%3A{int(found[1]) + later}-", query)
                query = re.sub(r"date%3A(\d+)%2B", lambda found: f"date%3A{int(found[1]) + earlier}%2B", query)
            environ["QUERY_STRING"] = query
            return api(environ, start_response)

        return application

    made = items(sorted([*range(NOW - 9000, NOW - 6000), *spread(500)]))
    with simulated(made, middleware=middleware) as (api, url):
        store = drained(source(url, walks=4))
        assert store.notifications.keys() == ids(made)
        assert in_order(store.pages)
        assert len(windows(api)) > 60


@pytest.mark.parametrize(
    "meaning",
    [
        pytest.param(lambda date: "", id="ignored"),
        pytest.param(lambda date: "date%3A9-", id="nothing is that old"),
        pytest.param(lambda date: "nonsense%3A1", id="refused"),
        pytest.param(lambda date: f"date%3A{date + 5000}-", id="a longer span"),
    ],
)
def test_where_two_dates_lead_elsewhere_the_one_walk_goes_on(meaning):
    made, asked = items(spread(2500)), []
    with simulated(made, middleware=upper_date_is(meaning, asked)) as (_, url):
        store = drained(source(url, walks=4))
        assert store.notifications.keys() == ids(made)
        assert in_order(store.pages)
        assert asked


def test_where_the_first_window_lacks_what_is_known_none_is_asked_for_again():
    made, asked = items(spread(2500)), []
    with simulated(made, middleware=upper_date_is(lambda _: "date%3A9-", asked)) as (_, url):
        some = source(url, walks=4)
        store = drained(some)
        drained(some, store)
        assert len(asked) == 1


@pytest.mark.parametrize(
    "fault",
    [
        Fault("/ioc_stream$", status=503, body=b"<html>"),
        Fault("/ioc_stream$", cut_at=100),
        Fault("/ioc_stream$", body=b"[1, 2"),
        Fault("/ioc_stream$", body=b'{"data": 1}'),
        Fault("/ioc_stream$", edit=lambda document: {**document, "data": document["data"][::-1]}),
        Fault("/ioc_stream$", edit=lambda document: {**document, "data": ["nothing", *document["data"]]}),
        Fault("/ioc_stream$", edit=lambda document: {**document, "data": [], "meta": {"cursor": "x"}}),
        Fault("/ioc_stream$", with_cursor=True, status=400, body=b'{"error": {"code": "BadRequestError"}}'),
    ],
    ids=[
        "503",
        "cut",
        "no JSON",
        "no page",
        "out of order",
        "no notification",
        "empty with a cursor",
        "cursor refused",
    ],
)
def test_whatever_goes_wrong_in_a_window_the_one_walk_goes_on(fault):
    made = items(spread(2500))
    with simulated(made) as (api, url):
        store = Store()
        some = source(url, walks=3).pages(None)
        for _ in range(20):
            store.append(next(some))
        asked = len(windows(api))
        assert asked > 0
        api.faults.append(fault)
        for page in some:
            store.append(page)
        assert api.faults[0].times == 0
        assert store.notifications.keys() >= ids(made)
        assert len(windows(api)) > asked  # tried again once the one walk has gone on


def test_an_answer_that_lasts_is_an_outage_as_for_one_walk():
    made = items(spread(2500))
    with simulated(made) as (api, url):
        store = Store()
        some = source(url, walks=3).pages(None)
        for _ in range(20):
            store.append(next(some))
        refusal = b'{"error": {"code": "QuotaExceededError", "message": "Quota exceeded"}}'
        api.faults.append(Fault("/ioc_stream$", times=1000, status=429, body=refusal))
        with pytest.raises(Unavailable, match="quota"):
            deque(map(store.append, some))
        assert 1000 - api.faults[0].times <= 3 + 1 + 1
        api.faults.clear()
        drained(source(url, walks=3), store)
        assert store.notifications.keys() == ids(made)


@pytest.mark.parametrize("count", [30, 300, 700])
def test_a_second_of_many_pages_is_read_whole(count):
    dates = spread(2000)
    made = items(sorted([*dates, *[dates[1200]] * count]))
    with simulated(made) as (_, url):
        assert drained(source(url, walks=4)).notifications.keys() == ids(made)


def test_days_without_anything_cost_few_requests():
    busy = [NOW - 6 * 24 * HOUR + second // 10 for second in range(4000)]
    made = items(sorted([*busy, *spread(300, 600)]))
    with simulated(made) as (api, url):
        store = drained(source(url, walks=4, since_hours=168))
        assert store.notifications.keys() == ids(made)
        assert len(stream_requests(api)) < 1.5 * 4300 / 40


def test_a_large_window_is_read_in_parts(monkeypatch):
    monkeypatch.setattr(slices, "_WINDOW_BYTES", 20_000)
    made = items(spread(2000))
    with simulated(made) as (api, url):
        store = drained(source(url, walks=4))
        assert store.notifications.keys() == ids(made)
        assert in_order(store.pages)
        assert len(windows(api)) > 40


def test_requests_of_all_walks_are_counted():
    with simulated(items(spread(2000))) as (api, url):
        some = source(url, walks=4)
        drained(some)
        assert some._sent() == len(api.requests)


@given(
    steps=st.lists(st.sampled_from([*["store"] * 12, *DISTURBANCES]), max_size=60),
    seed=st.integers(0, 999),
    span=st.integers(60, 40_000),
    ordered=st.booleans(),
)
@examples(15)
def test_whatever_breaks_off_a_walk_nothing_is_lost(steps, seed, span, ordered):
    nothing_is_lost(steps, items(spread(900, span, seed)), ordered=ordered, walks=3)
