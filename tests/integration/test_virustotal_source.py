"""The VirusTotal source against a simulated API over HTTP: wherever a walk is interrupted, nothing is left out."""

import socket
import socketserver
import threading
import urllib.parse
from contextlib import contextmanager

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis_profiles import examples
from integration.simulated_virustotal import KEY, NOW, Clock, Store, ids, items, simulated, source, stream_requests

from connector.model import Gap, Misconfigured, Refused, Unavailable
from connector.notification import view
from connector.simulator.api import Fault
from connector.simulator.notifications import notifications

DAY = 86400
OVERLAP = 900


def test_every_notification_is_read_oldest_first_in_pages_of_forty():
    made = notifications(130, now=NOW)
    with simulated(made) as (_, url):
        store = Store()
        pages = store.drain(source(url, since_hours=168))
        assert [len(page.notifications) for page in pages] == [40, 40, 40, 10]
        assert store.notifications.keys() == ids(made)
        dates = [each.date for page in pages for each in page.notifications]
        assert dates == sorted(dates)
        assert store.checkpoint == {"filter": "", "watermark": dates[-1], "seen_until": NOW, "walk": None}
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
        assert page.checkpoint == {"filter": "", "watermark": None, "seen_until": NOW, "walk": None}
        assert page.gap is None


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


def newest_first(api):
    """A server that ignores the order it is asked for."""

    def application(environ, start_response):
        environ["QUERY_STRING"] = environ["QUERY_STRING"].replace("order=date%2B", "order=date-")
        return api(environ, start_response)

    return application


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


@pytest.mark.parametrize("refusal", [400, 404, 410])
def test_a_stored_cursor_that_is_refused_restarts_the_walk_from_the_watermark(refusal):
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
        assert f"date:{NOW - 3961 - OVERLAP}+" in restarted.args["filter"]
        assert store.notifications.keys() == ids(made)


def test_a_cursor_refused_in_mid_walk_restarts_it_once_and_then_it_is_an_outage():
    made = items(range(NOW - 4000, NOW - 3880))
    refuse = {"status": 400, "body": b'{"error": {"code": "BadRequestError", "message": "Invalid cursor"}}'}
    with simulated(made) as (api, url):
        store = Store()
        api.faults.append(Fault("/ioc_stream$", with_cursor=True, **refuse))
        store.drain(source(url))
        assert store.notifications.keys() == ids(made)
        api.faults.append(Fault("/ioc_stream$", with_cursor=True, times=2, **refuse))
        with pytest.raises(Unavailable, match="refuses the cursors that it gives"):
            list(source(url).pages(None))


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
        api.faults.append(Fault("/ioc_stream$", times=9, edit=lambda _: same))
        with pytest.raises(Unavailable, match="lead nowhere"):
            list(source(url).pages(None))
        assert len(api.requests) == 2


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


@pytest.mark.parametrize("status", [429, 503])
def test_an_outage_while_looking_up_a_url_leaves_the_page_for_later(status):
    with simulated(items([NOW - 20], type="url", id="a" * 64, attributes={})) as (api, url):
        api.faults.append(Fault("/urls/", status=status, body=b"{}"))
        some = source(url)
        with pytest.raises(Unavailable):
            list(some.pages(None))
        (page,) = some.pages(None)
        assert len(page.notifications) == 1


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
        api.faults.append(Fault("/domains/", status=404, body=b"{}"))
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
        (page,) = source("http://virustotal.example", proxy=proxy_url).pages(None)
        assert len(page.notifications) == 1
        assert lines[0].startswith("GET http://virustotal.example/api/v3/ioc_stream?")
        assert KEY not in "".join(lines)
        assert urllib.parse.quote("+") in lines[0]


steps = st.lists(
    st.sampled_from(["store", "store", "store", "crash before storing", "crash", "expire", "arrive", "outage", "cut"]),
    max_size=25,
)


@given(
    steps=steps,
    ages=st.lists(st.integers(1, 4000), min_size=1, max_size=150),
    ordered=st.booleans(),
)
@examples(40)
def test_whatever_breaks_off_a_walk_nothing_is_lost(steps, ages, ordered):
    clock = Clock(NOW)
    made = items(sorted(NOW - age for age in ages))
    store = Store()
    with simulated(made, clock=clock, middleware=None if ordered else newest_first) as (api, url):
        walk = source(url).pages(store.checkpoint)
        for step in steps:
            if step == "expire":
                api.expire_cursors()
            elif step == "arrive":
                clock.now += 30
                more = items([clock.now] * 3, first_id=len(made) + 1)
                made += more
                api.add(more)
            elif step == "outage":
                api.faults.append(Fault("/ioc_stream$", status=503, body=b"<html>"))
            elif step == "cut":
                api.faults.append(Fault("/ioc_stream$", cut_at=100))
            elif step == "crash":
                walk = source(url).pages(store.checkpoint)
            else:
                try:
                    page = next(walk, None)
                except Unavailable:
                    page = None
                if page is not None and step == "store":
                    store.append(page)
                else:
                    walk = source(url).pages(store.checkpoint)
        api.faults.clear()
        store.drain(source(url))
        assert store.checkpoint["walk"] is None
        assert store.notifications.keys() == ids(made)
