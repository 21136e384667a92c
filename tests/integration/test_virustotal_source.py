"""The VirusTotal source against a simulated API over HTTP: wherever a walk is interrupted, nothing is left out."""

import itertools
import re
import socket
import socketserver
import threading
import urllib.parse
from contextlib import contextmanager, suppress

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis_profiles import examples
from integration.simulated_virustotal import (
    DISTURBANCES,
    KEY,
    NOW,
    Clock,
    Store,
    ids,
    items,
    newest_first,
    nothing_is_lost,
    poisoned,
    simulated,
    source,
    stream_requests,
)

from connector.model import ANEW, Gap, Misconfigured, Refused, Subject, Unavailable
from connector.notification import subjects, view
from connector.simulator.api import Fault
from connector.simulator.notifications import notifications

DAY = 86400
OVERLAP = 900


def test_every_notification_is_read_oldest_first_in_pages_of_forty():
    made = notifications(130, now=NOW)
    with simulated(made) as (api, url):
        store = Store()
        pages = store.drain(source(url, since_hours=168))
        assert [len(page.notifications) for page in pages] == [40, 40, 40, 10]
        assert store.notifications.keys() == ids(made)
        dates = [each.date for page in pages for each in page.notifications]
        assert dates == sorted(dates)
        first_since = int(stream_requests(api)[0].args["filter"].partition("date:")[2].rstrip("+"))
        known = {"watermark": dates[-1], "seen_until": NOW, "walk": None, "next_since": first_since}
        assert {key: store.checkpoint[key] for key in known} == known
        assert store.checkpoint["last_id"] == pages[-1].notifications[-1].id
        assert KEY not in str(store.checkpoint)
        assert orjson.loads(orjson.dumps(store.checkpoint)) == store.checkpoint


def test_a_request_carries_key_tool_and_filter_where_they_belong():
    made = items([NOW - 60] * 41)
    for item in made:
        item["context_attributes"]["tags"] = ["größe"]
    with simulated(made) as (api, url):
        list(source(url, filter="origin:hunting notification_tag:größe", tool="Example.Tool.1.0").pages(None))
        first, second = stream_requests(api)
        assert first.headers["x-apikey"] == KEY
        assert first.headers["x-tool"] == "Example.Tool.1.0"
        assert first.headers["user-agent"] == "iocstream-connector/1.2.3 (gzip)"
        assert KEY not in first.raw_query
        since = int(first.args["filter"].rpartition("date:")[2].rstrip("+"))
        assert first.args == {
            "limit": "40",
            "order": "date+",
            "filter": f"origin:hunting notification_tag:größe date:{since}+",
        }
        assert abs(since - (NOW - DAY)) < 3600
        assert "+" not in first.raw_query
        assert "order=date%2B" in first.raw_query
        # The query of a cursor is the query that it was given for.
        assert {**second.args, "cursor": None} == {**first.args, "cursor": None}
        assert second.args["cursor"]


def test_the_tool_is_named_by_default_so_that_assessments_come():
    made = [
        item
        for item in notifications(40, now=NOW)
        if "gti_assessment" in item.get("attributes", {}) and item["type"] != "url"
    ]
    with simulated(made) as (api, url):
        (page,) = source(url, since_hours=168).pages(None)
        assert api.requests[0].headers["x-tool"] == "iocstream-connector.1.2.3"
        assert all("gti_assessment" in each.body["attributes"] for each in page.notifications)


def test_the_next_walk_starts_an_overlap_before_the_watermark():
    clock = Clock()
    with simulated(items([NOW - 5000, NOW - 1000, NOW - 500]), clock=clock) as (api, url):
        store = Store()
        store.drain(source(url))
        clock.now += 3600
        api.add(items([NOW - 700, NOW + 10], first_id=50))  # the one appeared late
        (page,) = store.drain(source(url, overlap_seconds=OVERLAP))
        assert f"date:{NOW - 500 - OVERLAP}+" in stream_requests(api)[-1].args["filter"]
        assert [each.date for each in page.notifications] == [NOW - 1000, NOW - 700, NOW - 500, NOW + 10]
        assert len(store.notifications) == 5
        assert store.checkpoint["watermark"] == NOW + 10


def test_an_empty_walk_yields_a_page_that_says_until_when_there_was_nothing():
    with simulated() as (_, url):
        (page,) = source(url).pages(None)
        assert page.notifications == []
        known = {"filter": "", "watermark": None, "seen_until": NOW, "walk": None, "next_since": None, "last_id": None}
        assert {key: page.checkpoint[key] for key in known} == known
        assert page.gap is None


def test_when_the_checkpoint_is_lost_all_that_virustotal_still_has_is_read():
    made = items([NOW - 6 * DAY, NOW - 2 * DAY, NOW - 60] * 30)
    with simulated(made) as (_, url):
        for since_hours in (1, 24):
            store = Store()
            store.checkpoint = ANEW
            store.drain(source(url, since_hours=since_hours))
            assert store.notifications.keys() == ids(made)
            assert store.checkpoint["watermark"] == NOW - 60


def test_before_the_first_notification_a_walk_reaches_back_to_the_last_one():
    clock = Clock()
    with simulated(clock=clock) as (api, url):
        store = Store()
        store.drain(source(url, since_hours=1))
        # Nothing asked for two days; what came meanwhile lies further back than the first run would look.
        api.add(items([NOW + 600]))
        clock.now += 2 * DAY
        store.drain(source(url, since_hours=1))
        assert len(store.notifications) == 1


def test_notifications_of_one_second_across_pages_are_all_read():
    made = items([NOW - 77] * 130)
    with simulated(made) as (_, url):
        store = Store()
        assert len(store.drain(source(url))) == 4
        assert store.notifications.keys() == ids(made)


def test_the_watermark_follows_the_pages_of_an_ordered_walk():
    with simulated(items(range(NOW - 200, NOW - 100))) as (_, url):
        marks = [page.checkpoint["watermark"] for page in source(url).pages(None)]
        assert marks == [NOW - 161, NOW - 121, NOW - 101]


def test_the_watermark_waits_when_the_server_ignores_the_order():
    clock = Clock()
    with simulated(items([NOW - 9000]), middleware=newest_first, clock=clock) as (api, url):
        store = Store()
        store.drain(source(url))
        api.add(items(range(NOW - 200, NOW - 100), first_id=10))
        pages = list(source(url).pages(store.checkpoint))
        assert [page.checkpoint["watermark"] for page in pages] == [NOW - 9000, NOW - 9000, NOW - 101]
        assert [page.checkpoint["walk"] and page.checkpoint["walk"]["ordered"] for page in pages] == [
            False,
            False,
            None,
        ]


def test_a_walk_newest_first_whose_cursor_is_lost_begins_again_where_it_began():
    made = items(range(NOW - 200, NOW - 100))
    with simulated(made, middleware=newest_first) as (api, url):
        store = Store()
        store.append(next(source(url).pages(None)))
        api.expire_cursors()
        store.drain(source(url))
        assert store.notifications.keys() == ids(made)


def test_pages_out_of_order_hold_the_watermark_until_the_walk_is_complete():
    made = items(range(NOW - 200, NOW - 80))

    def second_page_first(document):
        for item in document["data"]:
            item["context_attributes"]["notification_date"] -= 100
        return document

    with simulated(made) as (api, url):
        api.faults.append(Fault("/ioc_stream$", with_cursor=True, edit=second_page_first))
        pages = list(source(url).pages(None))
        assert [page.checkpoint["watermark"] for page in pages] == [NOW - 161, None, NOW - 81]


def test_a_date_in_the_future_moves_nothing():
    clock = Clock()
    made = items([NOW - 300, NOW - 200, NOW + 400 * DAY, 253_402_300_799])
    with simulated(made, clock=clock) as (api, url):
        store = Store()
        (page,) = store.drain(source(url))
        assert len(page.notifications) == 4
        assert store.checkpoint["watermark"] == NOW - 200
        api.add(items([NOW + 50], first_id=20))
        clock.now += 100
        store.drain(source(url))
        assert len(store.notifications) == 5


@pytest.mark.parametrize("refusal", [400, 404, 410, 413, 414, 431])
def test_after_a_stored_cursor_that_is_refused_the_walk_goes_on_from_its_last_date(refusal):
    made = items(range(NOW - 4000, NOW - 3880))
    with simulated(made) as (api, url):
        store = Store()
        store.append(next(source(url).pages(None)))
        cursor = store.checkpoint["walk"]["cursor"]
        if refusal == 400:
            api.expire_cursors()
        else:
            api.faults.append(Fault("/ioc_stream$", with_cursor=True, status=refusal, body=b"gone"))
        api.requests.clear()
        store.drain(source(url))
        refused, restarted = stream_requests(api)[:2]
        assert refused.args["cursor"] == cursor
        assert "cursor" not in restarted.args
        assert f"date:{NOW - 3961}+" in restarted.args["filter"]
        assert store.notifications.keys() == ids(made)


REFUSE = {"status": 400, "body": b'{"error": {"code": "BadRequestError", "message": "Invalid cursor"}}'}


@pytest.mark.parametrize(
    "answer",
    [
        REFUSE,
        {"status": 403, "body": REFUSE["body"]},
        {"status": 414, "body": b"<html>"},
        {"edit": lambda document: {**document, "meta": {"cursor": "x" * 70_000}}},
        {"edit": lambda document: {"data": [], "meta": {"cursor": str(len(str(document)))}}},
    ],
    ids=["refused", "forbidden", "too long for a proxy", "too long to keep", "empty"],
)
def test_cursors_that_stay_refused_cost_one_request_a_walk(answer):
    made = items(range(NOW - 4000, NOW - 3700))
    with simulated(made) as (api, url):
        store = Store()
        api.faults.append(Fault("/ioc_stream$", with_cursor=True, times=10**6, **answer))
        pages = store.drain(source(url))
        assert store.notifications.keys() == ids(made)
        assert len(stream_requests(api)) <= 11
        assert all(len(str(page.checkpoint)) < 6000 for page in pages)
        assert store.checkpoint["walk"] is None


@pytest.mark.parametrize("answer", [{"status": 500, "body": b"{}"}, {"cut_at": 50}], ids=["500", "cut"])
def test_a_cursor_that_meets_nothing_but_outages_is_given_up(answer):
    made = items(range(NOW - 4000, NOW - 3900))
    with simulated(made) as (api, url):
        store, some = Store(), source(url)
        api.faults.append(Fault("/ioc_stream$", with_cursor=True, times=10**6, **answer))
        for _ in range(2):
            with pytest.raises(Unavailable):
                store.drain(some)
        store.drain(some)
        assert store.notifications.keys() == ids(made)


def test_a_cursor_of_any_length_that_was_stored_once_is_not_asked_with():
    made = items(range(NOW - 4000, NOW - 3900))
    with simulated(made) as (api, url):
        store = Store()
        store.append(next(source(url).pages(None)))
        store.checkpoint["walk"]["cursor"] = "x" * 70_000
        store.drain(source(url))
        assert store.notifications.keys() == ids(made)
        assert all(len(asked.raw_query) < 500 for asked in api.requests)


@pytest.mark.parametrize(("count", "is_all"), [(40, True), (79, True), (100, False)])
def test_a_second_with_more_than_a_page_holds_up_nothing_where_cursors_are_refused(count, is_all):
    second = NOW - 3000
    made = items([*range(NOW - 4000, NOW - 3950), *[second] * count, *range(NOW - 2000, NOW - 1950)])
    with simulated(made) as (api, url):
        store = Store()
        api.faults.append(Fault("/ioc_stream$", with_cursor=True, times=10**6, **REFUSE))
        pages = store.drain(source(url))
        lost = ids(made) - store.notifications.keys()
        assert len(lost) == max(0, count - 80)
        assert store.checkpoint["walk"] is None
        assert len(stream_requests(api)) < 20
        unreadable = [each for page in pages for each in page.unreadable]
        assert [each.date for each in unreadable] == ([] if is_all else [second])
        assert all("than two pages hold" in each.reason for each in unreadable)


def test_what_appears_behind_the_cursor_of_an_interrupted_walk_is_read():
    made = items(range(NOW - 80_000, NOW - 10_000, 100))
    with simulated(made) as (api, url):
        store = Store()
        for page in source(url).pages(None):
            store.append(page)
            if len(store.notifications) == 320:
                break
        late = items([NOW - 80_000 + 25_000 - 60, NOW - 80_000 + 25_000 - 600], first_id=10_000)
        since = items([NOW - 20], first_id=20_000)
        api.add(late + since)
        store.drain(source(url))
        assert store.notifications.keys() == ids(made + late + since)


def test_what_appears_behind_a_walk_of_several_pages_is_read_by_the_next():
    made = items(range(NOW - 80_000, NOW - 70_000, 100))
    with simulated(made) as (api, url):
        store = Store()
        walk = source(url).pages(None)
        store.append(next(walk))
        late = items([NOW - 80_000], first_id=10_000)
        api.add(late)
        for page in walk:
            store.append(page)
        store.drain(source(url))
        assert store.notifications.keys() == ids(made + late)
        api.requests.clear()
        store.drain(source(url))
        assert len(stream_requests(api)) == 1  # and no more than once


def test_the_window_of_a_first_run_is_fixed_when_it_first_asks():
    clock = Clock(NOW - 3600)
    made = items([NOW - 3 * 3600, NOW - 60])
    with simulated(made, clock=clock) as (api, url):
        store = Store()
        api.faults.append(Fault(status=503, body=b"{}"))
        with pytest.raises(Unavailable):
            store.drain(source(url, since_hours=3))
        assert store.notifications == {}
        store.checkpoint["walk"]["since"] -= 3600  # an hour goes by
        clock.now = NOW
        store.drain(source(url, since_hours=3))
        assert store.notifications.keys() == ids(made)


BROKEN = {
    "NaN": b"NaN",
    "1e400": b"1e400",
    "no UTF-8": b'"a\xff"',
    "10,000 levels": b"[" * 10_000 + b"]" * 10_000,
    "control character": b'"a\x01"',
}


@pytest.mark.parametrize("name", BROKEN)
def test_an_entity_that_cannot_be_read_costs_its_attributes_alone(name):
    made = items(range(NOW - 90, NOW))
    made[45]["attributes"] = {"odd": "poison"}
    with poisoned(made, b'"poison"', BROKEN[name]) as (api, url):
        store, some = Store(), source(url)
        store.drain(some)
        assert store.notifications.keys() == ids(made)
        body = store.notifications[made[45]["context_attributes"]["notification_id"]].body
        assert body == {key: value for key, value in made[45].items() if key != "attributes"}
        assert len(stream_requests(api)) < 25
        store.drain(some)
        api.requests.clear()
        store.drain(some)
        # What is known is not taken apart again.
        assert len(stream_requests(api)) <= 5


@pytest.mark.parametrize("name", BROKEN)
def test_a_notification_that_cannot_be_read_is_stepped_over_and_told_with_its_offset(name):
    made = items(range(NOW - 90, NOW))
    made[45]["context_attributes"]["odd"] = "poison"
    with poisoned(made, b'"poison"', BROKEN[name]) as (_, url):
        store = Store()
        pages = store.drain(source(url))
        broken = made[45]["context_attributes"]["notification_id"]
        assert store.notifications.keys() == ids(made) - {broken}
        (unreadable,) = {each for page in pages for each in page.unreadable}
        assert (unreadable.id, unreadable.notification_id, unreadable.date) == (broken, broken, NOW - 45)
        assert re.search(r"cannot be read: .*, at byte [\d,]+ of VirusTotal's answer", unreadable.reason)
        assert 0 < len(unreadable.excerpt) <= 2000
        assert store.checkpoint["walk"] is None


def test_the_last_of_all_can_be_stepped_over():
    made = items(range(NOW - 5, NOW))
    made[4]["context_attributes"]["odd"] = "poison"
    with poisoned(made, b'"poison"', b"NaN") as (_, url):
        store = Store()
        store.drain(source(url))
        assert len(store.notifications) == 4
        assert store.checkpoint["walk"] is None


def test_an_item_that_makes_the_api_fail_is_told_from_an_outage():
    made = items(range(NOW - 90, NOW))
    bad = made[45]["id"].encode()

    def middleware(api):
        def application(environ, start_response):
            environ.pop("HTTP_ACCEPT_ENCODING", None)
            started = []
            body = b"".join(api(environ, lambda *given: started.append(given)))
            if bad in body and b"descriptors_only" not in environ["QUERY_STRING"].encode():
                started, body = [("500 x", [("Content-Type", "application/json")])], b'{"error": {"code": "x"}}'
            start_response(*started[0])
            return [body]

        return application

    with simulated(made, middleware=middleware) as (api, url):
        store, some = Store(), source(url)
        for _ in range(12):
            with suppress(Unavailable):
                store.drain(some)
                break
        assert store.notifications.keys() == ids(made)
        api.faults.append(Fault(times=10**6, status=500, body=b"{}"))
        for _ in range(5):
            with pytest.raises(Unavailable):
                store.drain(some)


@contextmanager
def failing_at(made, *bad):
    """Serves them, with an API that answers 500 to every question whose answer would have one of these in it."""
    wanted = [item["context_attributes"]["notification_id"].encode() for item in bad]

    def middleware(api):
        def application(environ, start_response):
            environ.pop("HTTP_ACCEPT_ENCODING", None)
            started = []
            body = b"".join(api(environ, lambda *given: started.append(given)))
            if any(each in body for each in wanted):
                started, body = [("500 x", [("Content-Type", "application/json")])], b'{"error": {"code": "x"}}'
            start_response(*started[0])
            return [body]

        return application

    with simulated(made, middleware=middleware) as served:
        yield served


def drained_in_spite_of_outages(store, some, tries=12):
    pages = []
    for _ in range(tries):
        try:
            for page in some.pages(store.checkpoint):
                store.append(page)
                pages.append(page)
        except Unavailable:
            continue
        return pages
    raise AssertionError("it is held up")


@pytest.mark.parametrize("victims", [[0], [45], [89], [45, 46], [10, 45, 80], [0, 89]])
def test_an_item_that_not_even_a_descriptor_can_be_had_of_holds_up_nothing(victims):
    made = items(range(NOW - 900, NOW, 10))
    bad = [made[each] for each in victims]
    with failing_at(made, *bad) as (api, url):
        store, some = Store(), source(url)
        pages = drained_in_spite_of_outages(store, some, 12 * len(victims))
        assert store.notifications.keys() == ids(made) - ids(bad)
        unreadable = [each for page in pages for each in page.unreadable]
        assert [each.date for each in unreadable] == sorted(
            item["context_attributes"]["notification_date"] for item in bad
        )
        assert all("fails at something that was raised at" in each.reason for each in unreadable)
        assert store.checkpoint["walk"] is None
        assert len(stream_requests(api)) < 90 * len(victims)
        more = items([NOW - 1], first_id=500)
        api.add(more)
        api.requests.clear()
        assert not [each for page in drained_in_spite_of_outages(store, some) for each in page.unreadable]
        assert ids(more) <= store.notifications.keys()
        # What is known to be at fault is gone around at once.
        assert len(stream_requests(api)) < 12 * len(victims)


def test_of_the_second_of_an_item_that_the_api_fails_at_both_ends_are_read():
    made = items([*range(NOW - 300, NOW - 200), *[NOW - 100] * 30, *range(NOW - 90, NOW)])
    bad = made[112]
    with failing_at(made, bad) as (_, url):
        store = Store()
        pages = drained_in_spite_of_outages(store, source(url))
        assert store.notifications.keys() == ids(made) - ids([bad])
        assert [each.date for page in pages for each in page.unreadable] == [NOW - 100]


def test_an_api_that_fails_at_everything_is_asked_little_and_nothing_is_stepped_over():
    with simulated(items(range(NOW - 90, NOW))) as (api, url):
        api.faults.append(Fault(times=10**6, status=500, body=b'{"error": {"code": "x"}}'))
        store, some = Store(), source(url)
        for _ in range(12):
            with pytest.raises(Unavailable):
                store.drain(some)
        assert len(api.requests) <= 3 * 12


def test_an_api_all_of_whose_answers_are_too_large_is_asked_little():
    with simulated(items(range(NOW - 90, NOW))) as (api, url):
        some = source(url)
        some._api._client._max_body_bytes = 50
        with pytest.raises(Unavailable, match="more than 50 bytes"):
            Store().drain(some)
        assert len(api.requests) <= 4


def test_walks_by_date_that_meet_nothing_new_are_followed_by_a_pause_that_grows(monkeypatch):
    made = items([*range(NOW - 400, NOW - 350), *[NOW - 300] * 200, *range(NOW - 200, NOW - 150)])
    now = [1000.0]
    monkeypatch.setattr("connector.sources.virustotal.source.time.monotonic", lambda: now[0])
    with simulated(made) as (api, url):
        api.faults.append(Fault("/ioc_stream$", with_cursor=True, times=10**6, **REFUSE))
        store, some = Store(), source(url)
        told = [each for page in store.drain(some) for each in page.unreadable]
        assert len(told) == 1
        walks = []
        for _ in range(3600):
            now[0] += 1
            before = len(stream_requests(api))
            assert not [each for page in store.drain(some) for each in page.unreadable]
            if len(stream_requests(api)) > before:
                walks.append(now[0])
        assert [round(b - a) for a, b in itertools.pairwise(walks)][:4] == [60, 120, 240, 300]
        api.add(items([NOW - 1], first_id=5000))
        while len(store.drain(some)) == 0:
            now[0] += 1
        now[0] += 1
        assert store.drain(some), "something new has come, and it is polled as before"


@pytest.mark.parametrize("status", [429, 503])
def test_an_api_that_wants_to_be_left_alone_is_asked_once_a_try(status):
    with simulated(items([NOW - 9])) as (api, url):
        api.faults.append(Fault(times=10**6, status=status, body=b'{"error": {"code": "x"}}'))
        some = source(url)
        for _ in range(12):
            with pytest.raises(Unavailable):
                Store().drain(some)
        assert len(api.requests) == 12


def test_pages_are_whole_again_after_one_was_halved_for_a_fault_that_passed():
    made = items(range(NOW - 390, NOW))
    with simulated(made) as (api, url):
        api.faults.append(
            Fault(times=5, status=500, body=b'{"error": {"code": "x"}}')
        )  # three, and two of what is halved
        store, some = Store(), source(url)
        for _ in range(4):
            with suppress(Unavailable):
                store.drain(some)
                break
        limits = [int(asked.args["limit"]) for asked in stream_requests(api)]
        assert store.notifications.keys() == ids(made)
        assert min(limits) < 40
        assert limits[-3:] == [40, 40, 40]


def test_a_byte_order_mark_is_passed_over():
    with poisoned(items([NOW - 9]), b'{"data"', b'\xef\xbb\xbf{"data"') as (_, url):
        (page,) = source(url).pages(None)
        assert len(page.notifications) == 1


def test_a_page_that_is_too_large_is_halved(monkeypatch):
    monkeypatch.setattr("connector.clients.http.MAX_BODY_BYTES", 64 * 1024)
    made = items(range(NOW - 90, NOW), attributes={"text": "x" * 3000})
    made[45]["attributes"] = {"text": "x" * 100_000}
    with simulated(made) as (_, url):
        some = source(url)
        some._api._client._max_body_bytes = 64 * 1024
        store = Store()
        store.drain(some)
        assert store.notifications.keys() == ids(made)
        assert "attributes" not in store.notifications[made[45]["context_attributes"]["notification_id"]].body


def test_another_address_is_gone_on_with_only_where_it_knows_what_was_read():
    with simulated(items([NOW - 100])) as (_, url):
        store = Store()
        store.drain(source(url))
    with simulated(items(range(NOW - 80_000, NOW - 79_900), first_id=50)) as (_, other):
        with pytest.raises(Misconfigured, match="give the source another name"):
            store.drain(source(other))
        assert len(store.notifications) == 1
        # A checkpoint of before addresses were kept is gone on with.
        store.checkpoint["api_url"] = None
        store.drain(source(other))
        assert store.checkpoint["api_url"] == f"{other}/api/v3"
    with simulated(items([NOW - 100, NOW - 5])) as (_, same):
        store.checkpoint |= {"api_url": "https://gateway.example", "last_id": str(900_000 - 1)}
        store.drain(source(same))
        assert store.checkpoint["api_url"] == f"{same}/api/v3"


def test_where_nothing_was_read_another_address_starts_anew():
    store = Store()
    with simulated() as (_, url):
        store.drain(source(url))
    with simulated(items([NOW - 5])) as (_, other):
        store.drain(source(other))
        assert len(store.notifications) == 1


def test_another_key_looks_back_as_far_as_a_first_run():
    made = items([NOW - 20 * 3600, NOW - 60])
    with simulated(made[1:]) as (api, url):
        store = Store()
        store.drain(source(url))
        store.checkpoint["key"] = "of another"
        api.add(made[:1])
        store.drain(source(url))
        assert store.notifications.keys() == ids(made)


def test_a_changed_filter_starts_its_own_walk_and_loses_nothing_of_a_long_outage():
    clock = Clock(NOW - 5 * DAY)
    with simulated(clock=clock) as (api, url):
        store = Store()
        store.drain(source(url, filter="origin:subscriptions"))
        clock.now = NOW
        made = items([NOW - 5 * DAY + 100, NOW - 50])
        api.add(made)
        store.drain(source(url, filter="origin:hunting", since_hours=1))
        assert store.checkpoint["filter"] == "origin:hunting"
        assert store.notifications.keys() == ids(made)
        assert store.gaps == []


def test_a_changed_filter_looks_back_as_far_as_a_first_run():
    made = items([NOW - 20 * 3600, NOW - 60])
    with simulated(made) as (_, url):
        store = Store()
        store.drain(source(url, filter="source_type:collection"))
        store.drain(source(url, filter=""))
        assert store.notifications.keys() == ids(made)


def test_a_changed_filter_does_not_follow_the_old_ones_cursor():
    with simulated(items(range(NOW - 200, NOW - 100))) as (api, url):
        first = next(source(url).pages(None))
        next(source(url, filter="entity_type:domain").pages(first.checkpoint))
        assert "cursor" not in stream_requests(api)[-1].args


def test_the_gap_that_a_week_of_absence_makes_is_reported_once_with_its_times():
    clock = Clock()
    with simulated(items([NOW - 100]), clock=clock) as (api, url):
        store = Store()
        store.drain(source(url))
        clock.now += 9 * DAY
        made = items(range(clock.now - 200, clock.now - 100), first_id=5)
        api.add(made)
        store.append(next(source(url).pages(store.checkpoint)))
        store.drain(source(url))
        store.drain(source(url))
        assert store.gaps == [Gap(NOW, clock.now - 7 * DAY)]
        assert ids(made) <= store.notifications.keys()


def test_a_gap_is_not_reported_again_by_the_run_that_takes_up_the_walk():
    clock = Clock()
    with simulated(items([NOW - 100]), clock=clock, middleware=newest_first) as (api, url):
        store = Store()
        store.drain(source(url))
        clock.now += 9 * DAY
        api.add(items(range(clock.now - 200, clock.now - 100), first_id=5))
        store.append(next(source(url).pages(store.checkpoint)))
        assert store.checkpoint["watermark"] == NOW - 100
        store.drain(source(url))
        assert len(store.gaps) == 1


def test_a_gap_is_reported_even_when_there_is_nothing_else_to_report():
    clock = Clock()
    with simulated(clock=clock) as (_, url):
        store = Store()
        store.drain(source(url))
        clock.now += 8 * DAY
        (page,) = store.drain(source(url))
        assert page.gap == Gap(NOW, NOW + DAY)


def test_a_quiet_stream_is_no_gap():
    clock = Clock()
    with simulated(items([NOW - 50]), clock=clock) as (_, url):
        store = Store()
        for _ in range(4):
            store.drain(source(url))
            clock.now += 6 * DAY
        assert store.gaps == []


def test_a_first_run_trusts_the_servers_clock_over_its_own():
    # This machine's clock runs two days ahead of the server's.
    clock = Clock(NOW - 2 * DAY)
    made = items([clock.now - 20 * 3600, clock.now - 60])
    with simulated(made, clock=clock) as (_, url):
        store = Store()
        store.drain(source(url, since_hours=24))
        assert store.notifications.keys() == ids(made)
        assert store.checkpoint["seen_until"] == clock.now


def test_pages_that_lead_in_a_circle_are_an_outage():
    with simulated() as (api, url):
        same = {"data": items([NOW - 9]), "meta": {"cursor": "again"}}
        api.faults.append(Fault("/ioc_stream$", times=99, edit=lambda _: same))
        some = source(url)
        waits = []
        for _ in range(3):
            with pytest.raises(Unavailable, match="lead nowhere") as caught:
                list(some.pages(None))
            waits.append(caught.value.retry_after)
        assert waits == [60, 120, 240]
        assert len(api.requests) <= 18


def test_empty_pages_with_ever_new_cursors_end_as_an_outage():
    made = iter(range(10_000))
    with simulated() as (api, url):
        another = Fault("/ioc_stream$", times=9999, edit=lambda _: {"data": [], "meta": {"cursor": str(next(made))}})
        api.faults.append(another)
        with pytest.raises(Unavailable, match="lead nowhere"):
            list(source(url).pages(None))


def test_an_empty_cursor_ends_the_walk():
    with simulated() as (api, url):
        api.faults.append(Fault(edit=lambda _: {"data": [], "meta": {"cursor": ""}}))
        (page,) = source(url).pages(None)
        assert page.checkpoint["walk"] is None


def test_items_that_are_no_notifications_are_kept():
    odd = [None, "text", 7, {}, {"error": {"code": "NotFoundError"}, "id": "x", "type": "file"}, {"type": 5, "id": []}]
    deep = {"id": "deep", "type": "file", "attributes": {}}
    inner = deep["attributes"]
    for _ in range(400):
        inner["a"] = {}
        inner = inner["a"]
    with simulated() as (api, url):
        api.faults.append(Fault("/ioc_stream$", edit=lambda _: {"data": [*odd, deep]}))
        (page,) = source(url).pages(None)
        bodies = [each.body for each in page.notifications]
        assert bodies[:6] == [{"item": None}, {"item": "text"}, {"item": 7}, *odd[3:]]
        assert bodies[6]["id"] == "deep"
        assert len({each.id for each in page.notifications}) == 7
        assert orjson.dumps(bodies)


def test_a_url_known_by_its_digest_alone_is_looked_up_once():
    url_item = {"type": "url", "attributes": {"url": "https://login.example/a?b=1", "title": "kept"}}
    known = items([NOW - 50], **url_item, id="https://login.example/a?b=1")
    with simulated(known) as (api, url):
        digest = next(identifier for _, identifier in api._entities if len(identifier) == 64)
        bare = items([NOW - 40, NOW - 30], first_id=5, type="url", id=digest, attributes=None)
        api.add(bare)
        unknown = items([NOW - 20, NOW - 10], first_id=9, type="url", id="0" * 64)
        for item in unknown:
            del item["attributes"]
        api.add(unknown)
        (page,) = source(url).pages(None)
        values = [view(each)["entity_value"] for each in page.notifications]
        assert values == ["https://login.example/a?b=1"] * 3 + [None, None]
        assert page.notifications[1].body["attributes"]["title"] == "kept"
        assert page.notifications[1].body["context_attributes"] == bare[0]["context_attributes"]
        assert [asked.path for asked in api.requests[1:]] == [f"/urls/{digest}", f"/urls/{'0' * 64}"]


def test_only_so_many_urls_are_remembered(monkeypatch):
    monkeypatch.setattr("connector.sources.virustotal.api.URLS_REMEMBERED", 2)
    order = ["a", "b", "a", "c", "a", "b"]
    made = [
        {**item, "type": "url", "id": letter * 64, "attributes": {}}
        for letter, item in zip(order, items(range(NOW - 60, NOW - 54)), strict=True)
    ]
    with simulated(made) as (api, url):
        list(source(url).pages(None))
        # The one asked for least lately is forgotten.
        assert [asked.path[-1] for asked in api.requests[1:]] == ["a", "b", "c", "b"]


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 429, "body": b"{}"},
        {"status": 503, "body": b"{}"},
        {"status": 403, "body": b"<html>blocked</html>"},
        {"status": 401, "body": b'{"error": {"code": "WrongCredentialsError"}}'},
        {"status": 302, "headers": {"Location": "https://block.example/"}, "body": b""},
        {"body": b"<html>"},
    ],
    ids=lambda answer: str(answer.get("status", 200)),
)
def test_no_look_up_of_a_url_holds_up_its_page(answer):
    made = items([NOW - 30, NOW - 20], type="url", attributes={})
    for item, letter in zip(made, "ab", strict=True):
        item["id"] = letter * 64
    with simulated(made) as (api, url):
        api.faults.append(Fault("/urls/", times=9, **answer))
        (page,) = source(url).pages(None)
        assert len(page.notifications) == 2
        assert [asked.path for asked in api.requests[1:]] == [f"/urls/{'a' * 64}"]  # and then none for a while
        assert subjects(page.notifications[0].body) == [Subject("url", "a" * 64)]
        known = {Subject("url", "a" * 64): {"url": "http://a.example/", "title": "A"}}
        seen = view(page.notifications[0], known)
        assert (seen["entity_value"], seen["entity"]["title"]) == ("http://a.example/", "A")


def test_a_url_that_this_key_may_not_see_stays_as_it_is():
    with simulated(items([NOW - 20], type="url", id="a" * 64, attributes={})) as (api, url):
        api.faults.append(Fault("/urls/", status=403, body=b'{"error": {"code": "ForbiddenError", "message": "no"}}'))
        (page,) = source(url).pages(None)
        assert page.notifications[0].body["attributes"] == {}


@pytest.mark.parametrize("kind", ["file", "url", "domain", "ip_address"])
def test_one_notification_comes_with_its_entity(kind):
    item = next(i for i in notifications(300, now=NOW) if i["type"] == kind and "attributes" in i)
    with simulated([item]) as (_, url):
        found = source(url).get(item["context_attributes"]["notification_id"])
        assert found.date == item["context_attributes"]["notification_date"]
        shown = view(found)
        assert shown["entity"] == item["attributes"]
        assert shown["entity_value"] == item["attributes"].get("url", item["id"])


def test_one_notification_without_its_entity_comes_alone():
    with simulated(items([NOW - 5], type="hash_list")) as (_, url):
        assert "entity" not in source(url).get("899999").body
    with simulated(items([NOW - 5])) as (api, url):
        api.faults.append(Fault("/domains/", status=404, body=b'{"error": {"code": "NotFoundError"}}'))
        assert "entity" not in source(url).get("899999").body


@pytest.mark.parametrize("name", ["1", "../../users/demo", "..", "a/b?c#d", ""])
def test_a_notification_that_virustotal_does_not_know_is_rejected(name):
    with simulated() as (api, url):
        with pytest.raises(Refused, match="deletes them after 7 days") as caught:
            source(url).get(name)
        assert caught.value.by == "notification"
        assert all(asked.path.startswith("/ioc_stream_notifications/") for asked in api.requests)


def test_the_probe_says_what_it_found_in_a_sentence():
    with simulated(items([1_800_000_000]), clock=Clock(1_800_000_060)) as (api, url):
        said = source(url, filter="origin:hunting").check()
        assert "newest notification is of 2027-01-15 08:00 UTC; requests used: hourly 1 of 1000000, daily 1" in said
        assert stream_requests(api)[0].args == {"limit": "1", "filter": "origin:hunting"}
    with simulated() as (api, url):
        api.faults.append(Fault("/me", status=503, body=b"oops"))
        said = source(url).check()
        assert "there is no notification of the last 7 days; its quota is unknown: VirusTotal cannot answer now" in said


def test_a_checkpoint_of_another_kind_of_source_is_refused():
    with simulated() as (_, url), pytest.raises(Misconfigured, match="give the source a name"):
        next(source(url).pages({"files": {}}))


class _Proxy(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


@contextmanager
def proxy(target):
    """A proxy for plain HTTP that sends everything to one server; yields its URL and the first lines it got."""
    lines = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            line = self.rfile.readline()
            lines.append(line.decode())
            headers = b"".join(iter(self.rfile.readline, b"\r\n"))
            host, _, port = target.removeprefix("http://").partition(":")
            with socket.create_connection((host, int(port))) as server:
                method, absolute, version = line.split(b" ")
                path = absolute.split(b"/", 3)[3]
                server.sendall(b"%s /%s %s%s\r\n" % (method, path, version, headers))
                while data := server.recv(65536):
                    self.wfile.write(data)

    with _Proxy(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", lines
        finally:
            server.shutdown()
            thread.join()


def test_a_proxy_is_used_and_learns_no_key_from_the_address():
    with simulated(items([NOW - 10])) as (_, url), proxy(url) as (proxy_url, lines):
        (page,) = source("http://virustotal.example", proxy=proxy_url, allow_http=True).pages(None)
        assert len(page.notifications) == 1
        assert lines[0].startswith("GET http://virustotal.example/api/v3/ioc_stream?")
        assert KEY not in "".join(lines)
        assert urllib.parse.quote("+") in lines[0]


@given(
    steps=st.lists(st.sampled_from([*["store"] * 3, *DISTURBANCES]), max_size=25),
    ages=st.lists(st.integers(1, 4000), min_size=1, max_size=150),
    ordered=st.booleans(),
)
@examples(40)
def test_whatever_breaks_off_a_walk_nothing_is_lost(steps, ages, ordered):
    nothing_is_lost(steps, items(sorted(NOW - age for age in ages)), ordered=ordered)
