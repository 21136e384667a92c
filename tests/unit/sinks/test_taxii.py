"""The TAXII sink against every answer that a server might give."""

import base64
import itertools
import urllib.parse
from dataclasses import replace

import orjson
import pydantic
import pytest
import requests

from connector.model import Message, Misconfigured, Unavailable
from connector.sinks.taxii.sink import TaxiiSettings, TaxiiSink

ROOT = "https://taxii.example/api/"
COLLECTION = f"{ROOT}collections/c1/"
OBJECTS = f"{COLLECTION}objects/"
MEDIA_TYPE = "application/taxii+json;version=2.1"
VERSION = "2026-01-01T00:00:00.000Z"


def message(name, dependency_level=1, version=VERSION, padding=0):
    document = {"type": "indicator", "id": f"indicator--{name}"}
    if version:
        document["modified"] = version
    if padding:
        document["name"] = "x" * padding
    return Message(1, document["id"], orjson.dumps(document), 0, version, dependency_level)


def messages(count, **more):
    return [message(f"{n:04}", **more) for n in range(count)]


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self):
        self.now, self.slept = 0.0, []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(round(seconds, 3))
        self.now += seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def make(clock):
    def make(**settings):
        if "discovery_url" not in settings:
            settings.setdefault("collection_url", COLLECTION)
        login = {} if settings.keys() & {"token", "api_key"} else {"username": "user", "password": "hush-hush"}
        options = {**login, **settings}
        return TaxiiSink(TaxiiSettings(**options), user_agent="iocstream/1", sleep=clock.sleep, clock=clock)

    return make


@pytest.fixture
def server(requests_mock):
    """A server whose API root and collection are well; what it answers to envelopes is up to each test."""
    requests_mock.get(ROOT, json={"title": "root", "max_content_length": 10_000})
    requests_mock.get(COLLECTION, json={"id": "c1", "title": "Feed", "can_read": True, "can_write": True})
    requests_mock.get(f"{COLLECTION}manifest/", status_code=404)
    requests_mock.post(OBJECTS, status_code=202, json={"id": "s", "status": "complete", "failure_count": 0})
    return requests_mock


def envelopes(server):
    """The ids in each envelope that was posted."""
    posted = [r for r in server.request_history if r.method == "POST"]
    return [[each["id"].removeprefix("indicator--") for each in orjson.loads(r.body)["objects"]] for r in posted]


def absent(server, *names):
    """The collection does not hold these, as far as is known of it by asking for each."""
    for name in names:
        server.get(f"{OBJECTS}indicator--{name}/versions/", status_code=404)
        server.get(f"{OBJECTS}indicator--{name}/", status_code=404)


def refusing(*names, status=400, **body):
    """A server that refuses an envelope as soon as one of these is in it."""

    def answer(request, context):
        bad = [n for n in names if f'"indicator--{n}"'.encode() in request.body]
        context.status_code = status if bad else 202
        return {"title": "Bad object", "description": bad[0], **body} if bad else {"status": "complete"}

    return answer


class TestWire:
    def test_the_request_is_what_the_strictest_server_wants(self, server, make):
        make().send(messages(2))
        request = server.request_history[-1]
        assert request.url == OBJECTS
        assert request.headers["Accept"] == MEDIA_TYPE
        assert request.headers["Content-Type"] == MEDIA_TYPE
        assert request.headers["Content-Length"] == str(len(request.body))
        assert "Content-Encoding" not in request.headers
        assert "Transfer-Encoding" not in request.headers
        assert request.headers["User-Agent"] == "iocstream/1"

    def test_the_bodies_go_out_byte_for_byte_in_an_envelope(self, server, make):
        odd = Message(1, "indicator--0", b'{ "id":"indicator--0" ,"b":1.0}', 0, VERSION)
        make().send([odd, odd])
        assert server.request_history[-1].body == b'{"objects":[' + odd.body + b"," + odd.body + b"]}"

    @pytest.mark.parametrize(
        ("login", "header", "value"),
        [
            ({}, "Authorization", "Basic " + base64.b64encode(b"user:hush-hush").decode()),
            ({"token": "t0k"}, "Authorization", "Bearer t0k"),
            ({"api_key": "k3y", "api_key_header": "X-Key"}, "X-Key", "k3y"),
        ],
    )
    def test_the_login_goes_out_unasked_with_every_request(self, server, make, login, header, value):
        make(**login).send(messages(1))
        assert [r.headers[header] for r in server.request_history] == [value] * 3

    def test_no_messages_need_no_server(self, requests_mock, make):
        assert list(make().send([])) == []
        assert not requests_mock.called

    def test_the_collection_is_looked_up_once(self, server, make):
        sink = make()
        sink.send(messages(1))
        sink.send(messages(1))
        assert [r.method for r in server.request_history] == ["GET", "GET", "POST", "POST"]

    def test_after_close_it_is_looked_up_again(self, server, make):
        sink = make()
        sink.send(messages(1))
        sink.close()
        sink.send(messages(1))
        assert [r.method for r in server.request_history] == ["GET", "GET", "POST"] * 2


class TestEnvelopes:
    def test_a_lower_dependency_level_is_settled_before_a_higher_one_goes_out(self, server, make):
        server.post(OBJECTS, status_code=202, json={"id": "s", "status": "pending"})
        server.get(f"{ROOT}status/s/", json={"status": "complete"})
        make().send([message("c", 2), message("a", 0), message("d", 2), message("b", 1)])
        assert envelopes(server) == [["a"], ["b"], ["c", "d"]]
        assert [r.method for r in server.request_history[2:]] == ["POST", "GET"] * 3

    def test_every_envelope_stays_strictly_below_the_servers_limit(self, server, make):
        batch = messages(5, padding=200)
        envelope = b'{"objects":[' + b",".join(m.body for m in batch[:3]) + b"]}"
        for limit, expected in [(len(envelope) + 1, [3, 2]), (len(envelope), [2, 2, 1])]:
            server.reset_mock()
            server.get(ROOT, json={"max_content_length": limit})
            make().send(batch)
            assert [len(e) for e in envelopes(server)] == expected
            assert all(len(r.body) < limit for r in server.request_history if r.method == "POST")

    @pytest.mark.parametrize("said", [{}, {"max_content_length": "big"}, {"max_content_length": 10**12}])
    def test_our_own_cap_holds_where_the_server_says_nothing_usable_or_more(self, server, make, said):
        server.get(ROOT, json=said)
        make(max_envelope_bytes=1024).send(messages(60))
        assert max(len(r.body) for r in server.request_history if r.method == "POST") < 1024

    def test_an_envelope_holds_no_more_objects_than_configured(self, server, make):
        make(max_envelope_objects=3).send(messages(7))
        assert [len(e) for e in envelopes(server)] == [3, 3, 1]

    def test_an_object_larger_than_the_limit_is_refused_unsent_and_the_others_arrive(self, server, make):
        large = message("large", padding=10_000)
        (refusal,) = make().send([*messages(1), large, *messages(1)])
        assert refusal.message is large
        assert refusal.reason.endswith(" it is too large: the server's max_content_length is 10000")
        assert envelopes(server) == [["0000"], ["0000"]]

    def test_an_object_alone_stays_strictly_below_the_limit_too_and_the_limit_is_named(self, server, make):
        size = len(b'{"objects":[]}') + len(messages(1, padding=2000)[0].body)
        for limit, refused in [(size + 1, 0), (size, 1)]:
            refusals = make(max_envelope_bytes=limit).send(messages(1, padding=2000))
            assert [r.reason for r in refusals] == [
                f"with {size} bytes it is too large: max_envelope_bytes is {limit}"
            ] * refused
        assert len(envelopes(server)) == 1

    def test_a_server_that_takes_less_than_it_says_gets_smaller_envelopes_from_then_on(self, server, make):
        def answer(request, context):
            context.status_code = 413 if len(request.body) > 500 else 202
            return {"status": "complete"}

        server.post(OBJECTS, json=answer)
        sink = make()
        assert list(sink.send(messages(20))) == []
        assert list(
            itertools.chain(*[e for e, r in zip(envelopes(server), posts(server), strict=True) if small(r)])
        ) == [f"{n:04}" for n in range(20)]
        server.reset_mock()
        sink.send(messages(20))
        assert all(small(r) for r in posts(server))

    def test_a_single_object_that_is_too_large_for_the_server_is_refused(self, server, make):
        server.post(OBJECTS, status_code=413, json={"title": "Too big"})
        (refusal,) = make().send(messages(1))
        assert refusal.reason == "Too big"


def posts(server):
    return [r for r in server.request_history if r.method == "POST"]


def small(request):
    return len(request.body) <= 500


class TestAcceptance:
    @pytest.mark.parametrize("status", [200, 201, 202])
    @pytest.mark.parametrize("body", ["", "{}", '{"status":"complete"}'])
    def test_a_2xx_without_more_to_say_is_acceptance(self, server, make, status, body):
        server.post(OBJECTS, status_code=status, text=body, headers={"Content-Length": str(len(body))})
        assert list(make().send(messages(2))) == []

    @pytest.mark.parametrize("status", [200, 201, 202, 204])
    @pytest.mark.parametrize("body", ["", "{}", '{"id":7,"status":"pending"}', '{"id":"s","status":"pending"}'])
    @pytest.mark.parametrize("held", [0, 1, 2])
    def test_an_acceptance_that_does_not_say_what_became_of_it_counts_for_what_the_collection_then_has(
        self, server, make, status, body, held
    ):
        server.post(OBJECTS, status_code=status, text=body, headers={"Content-Length": str(len(body))})
        server.get(f"{ROOT}status/s/", status_code=404)
        listed = [{"id": f"indicator--{n:04}", "version": "2026-01-01T00:00:00.000000Z"} for n in range(held)]
        asked = server.get(f"{COLLECTION}manifest/", json={"objects": listed} if listed else {})
        absent(server, "0000", "0001")
        sink = make()
        if held == 2:
            assert list(sink.send(messages(2))) == []
        else:
            with pytest.raises(Unavailable, match="they are not there"):
                sink.send(messages(2))
        assert urllib.parse.unquote(asked.last_request.url) == (
            f"{COLLECTION}manifest/?match[id]=indicator--0000,indicator--0001&match[version]=all"
        )

    @pytest.mark.parametrize("status", [202, 404, 500])
    def test_a_manifest_is_believed_only_where_the_server_says_that_it_is_one(self, server, make, status):
        listed = [{"id": "indicator--0000", "version": VERSION}]
        server.get(f"{COLLECTION}manifest/", status_code=status, json={"objects": listed})
        server.post(OBJECTS, status_code=202, json={"id": 7, "status": "pending"})
        absent(server, "0000")
        with pytest.raises(Unavailable, match="they are not there"):
            make().send(messages(1))

    def test_a_manifest_is_asked_for_some_objects_at_a_time_and_no_other_request_is_needed(self, server, make):
        def answer(request, context):
            ids = request.qs["match[id]"][0].split(",")
            assert len(ids) <= 50
            return {"objects": [{"id": each, "version": VERSION} for each in ids]}

        server.post(OBJECTS, status_code=202, text="{}")
        server.get(f"{COLLECTION}manifest/", json=answer)
        assert list(make().send(messages(120))) == []
        assert [r.method for r in server.request_history] == ["GET", "GET", "POST", "GET", "GET", "GET"]

    def test_an_answer_cut_off_in_its_headers_is_no_acceptance(self, server, make):
        server.post(OBJECTS, status_code=202)
        with pytest.raises(Unavailable, match="before any content"):
            make().send(messages(2))

    def test_a_page_that_is_not_taxii_is_no_acceptance(self, server, make):
        server.post(OBJECTS, status_code=200, text="<html>Please log in</html>")
        with pytest.raises(Unavailable, match="Please log in") as caught:
            make().send(messages(1))
        assert str(caught.value).startswith(f"The collection at {OBJECTS} answers 200 with something that is not TAXII")
        assert "look at any proxy between here and the TAXII server" in str(caught.value)

    @pytest.mark.parametrize(
        "body",
        [{"hello": "world"}, {"title": "No room", "http_status": "507"}, {"error_id": "7", "status": "complete"}],
    )
    def test_json_that_is_no_status_or_an_error_is_no_acceptance(self, server, make, body):
        server.post(OBJECTS, status_code=202, json=body)
        with pytest.raises(Unavailable, match="something that is not TAXII"):
            make().send(messages(1))

    def test_a_page_that_is_not_taxii_and_says_when_to_come_back_is_an_outage_until_then(self, server, make):
        server.post(OBJECTS, status_code=200, text="<html>Maintenance</html>", headers={"Retry-After": "30"})
        with pytest.raises(Unavailable, match="Maintenance") as caught:
            make().send(messages(1))
        assert caught.value.retry_after == 30

    @pytest.mark.parametrize("status", [401, 407])
    def test_a_page_that_wants_a_login_is_an_outage_that_speaks_of_it(self, server, make, status):
        server.post(OBJECTS, status_code=status, text="<html>Log in</html>")
        with pytest.raises(Unavailable, match=r"not TAXII: <html>Log in</html>\. Check the login given under"):
            make().send(messages(1))

    def test_a_pending_status_is_polled_ever_more_slowly_until_it_is_complete(self, server, make, clock):
        server.post(OBJECTS, status_code=202, json={"id": "s", "status": "pending"})
        pending = {"json": {"id": "other", "status": "pending"}}
        polled = server.get(f"{ROOT}status/s/", [pending] * 8 + [{"json": {"status": "complete"}}])
        assert list(make().send(messages(1))) == []
        assert clock.slept == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]
        assert polled.call_count == 9

    def test_a_status_that_stays_pending_is_not_delivered_and_not_refused(self, server, make, clock):
        server.post(OBJECTS, status_code=202, json={"id": "s", "status": "pending"})
        server.get(f"{ROOT}status/s/", json={"status": "pending"})
        absent(server, "0000")
        with pytest.raises(Unavailable, match=r"'Feed'.* in 7 s, .*\. If it is merely slow, raise status_timeout_s"):
            make(status_timeout_seconds=7).send(messages(1))
        assert sum(clock.slept) == pytest.approx(7)

    @pytest.mark.parametrize("gone", [404, 410])
    def test_of_a_status_that_the_server_has_forgotten_the_objects_themselves_tell(self, server, make, gone):
        server.post(OBJECTS, status_code=202, json={"id": "s", "status": "pending"})
        server.get(f"{ROOT}status/s/", status_code=gone)
        absent(server, "0000")
        with pytest.raises(Unavailable, match="they are not there; they are sent again"):
            make().send(messages(1))
        versions = {"versions": [messages(1)[0].version]}
        server.get(f"{OBJECTS}indicator--0000/versions/", json=versions)
        assert list(make().send(messages(1))) == []

    def test_where_nothing_can_be_read_a_status_that_was_forgotten_leaves_the_acceptance_as_it_is(self, server, make):
        server.get(COLLECTION, json={"can_write": True, "can_read": False})
        server.post(OBJECTS, status_code=202, json={"id": "s", "status": "pending"})
        server.get(f"{ROOT}status/s/", status_code=404)
        assert list(make().send(messages(1))) == []

    def test_an_outage_while_polling_is_an_outage(self, server, make):
        server.post(OBJECTS, status_code=202, json={"id": "s", "status": "pending"})
        server.get(f"{ROOT}status/s/", status_code=503)
        absent(server, "0000")
        with pytest.raises(Unavailable):
            make().send(messages(1))

    @pytest.mark.parametrize(
        ("answer", "error", "sentence"),
        [
            ({"status_code": 403}, Misconfigured, "The status of an accepted request at {url} may not be read"),
            (
                {"text": "<html>"},
                Unavailable,
                "The status of an accepted request at {url} answers 200 with something that is not TAXII: <html>",
            ),
            (
                {"json": {"title": "Gone", "http_status": "500"}},
                Unavailable,
                "The status of an accepted request at {url} answers 200 with something that is not TAXII: Gone",
            ),
        ],
    )
    def test_a_status_that_cannot_be_read_is_named_with_its_address(self, server, make, answer, error, sentence):
        server.post(OBJECTS, status_code=202, json={"id": "s", "status": "pending"})
        server.get(f"{ROOT}status/s/", **answer)
        absent(server, "0000")
        with pytest.raises(error) as caught:
            make().send(messages(1))
        assert str(caught.value).startswith(sentence.format(url=f"{ROOT}status/s/"))

    def test_a_status_id_cannot_lead_elsewhere(self, server, make):
        server.post(OBJECTS, status_code=202, json={"id": "../x?y#z/é", "status": "pending"})
        polled = server.get(f"{ROOT}status/..%2Fx%3Fy%23z%2F%C3%A9/", json={"status": "complete"})
        make().send(messages(1))
        assert polled.call_count == 1


class TestFailures:
    def failing(self, server, *names, **status):
        failures = [{"id": f"indicator--{n}", "version": VERSION, "message": f"no {n}"} for n in names]
        answer = {"status": "complete", "failure_count": len(names), "failures": failures, **status}
        server.post(OBJECTS, status_code=202, json=answer)

    def held(self, server, name, status=200, **objects):
        self.listed(server, name, status_code=404)
        return server.get(f"{OBJECTS}indicator--{name}/", status_code=status, json=objects)

    def listed(self, server, name, **answer):
        return server.get(f"{OBJECTS}indicator--{name}/versions/", **answer)

    def test_a_failure_is_refused_in_the_servers_words(self, server, make):
        self.failing(server, "0001")
        self.held(server, "0001", 404)
        batch = messages(3)
        (refusal,) = make().send(batch)
        assert (refusal.message, refusal.reason) == (batch[1], "no 0001")

    def test_a_failure_of_what_the_server_holds_in_this_version_is_a_duplicate_and_delivered(self, server, make):
        self.failing(server, "0001")
        held = {"id": "indicator--0001", "modified": "2026-01-01T00:00:00.000000Z"}
        asked = self.held(server, "0001", objects=[held])
        assert list(make().send(messages(3))) == []
        assert asked.last_request.url.endswith(f"?{urllib.parse.urlencode({'match[version]': VERSION})}")

    def test_an_object_that_has_only_been_created_is_known_by_that_time(self, server, make):
        self.failing(server, "0001")
        self.held(server, "0001", objects=[{"id": "indicator--0001", "created": VERSION}])
        assert list(make().send(messages(3))) == []

    def test_an_id_cannot_lead_elsewhere(self, server, make):
        self.failing(server, "a/b")
        asked = self.held(server, "a%2Fb", objects=[{"id": "indicator--a/b", "modified": VERSION}])
        assert list(make().send([message("a/b")])) == []
        assert asked.call_count == 1

    @pytest.mark.parametrize("version", [VERSION, None])
    def test_a_failure_whose_version_the_server_lists_is_a_duplicate_and_the_object_is_not_asked_for(
        self, server, make, version
    ):
        self.failing(server, "0001")
        asked = self.held(server, "0001", 500)
        self.listed(server, "0001", json={"versions": ["2025-12-31T00:00:00.000Z", "2026-01-01T00:00:00.000000Z"]})
        assert list(make().send(messages(3, version=version))) == []
        assert asked.call_count == 0

    @pytest.mark.parametrize(
        "answer",
        [
            {"json": {"versions": ["2025-12-31T00:00:00.000Z", None, "?"], "more": True}},
            {"json": {"versions": {}}},
            {"json": []},
            {"json": {}},
            {"text": "<html>"},
            {"status_code": 406},
            {"status_code": 500},
            {"status_code": 500, "json": {"versions": [VERSION]}},
        ],
    )
    @pytest.mark.parametrize("is_held", [True, False])
    def test_what_no_list_of_versions_names_is_asked_for_itself(self, server, make, answer, is_held):
        self.failing(server, "0001")
        self.held(server, "0001", objects=[{"id": "indicator--0001", "modified": VERSION}] if is_held else [])
        self.listed(server, "0001", **answer)
        assert len(make().send(messages(3))) == (0 if is_held else 1)

    def test_a_server_that_has_the_list_of_versions_later_is_unavailable(self, server, make):
        self.failing(server, "0001")
        self.held(server, "0001", 404)
        self.listed(server, "0001", status_code=429, headers={"Retry-After": "7"})
        with pytest.raises(Unavailable) as caught:
            make().send(messages(3))
        assert caught.value.retry_after == 7
        assert f"{OBJECTS}indicator--0001/versions/" in str(caught.value)

    def test_a_failure_that_repeats_the_login_is_kept_without_it(self, server, make):
        failure = {"id": "indicator--0001", "version": VERSION, "message": "x" * 290 + " hush-hush said user"}
        server.post(OBJECTS, status_code=202, json={"status": "complete", "failure_count": 1, "failures": [failure]})
        self.held(server, "0001", 404)
        (refusal,) = make(username="user", password="hush-hush").send(messages(3))
        assert "***" in refusal.reason
        assert "hush" not in refusal.reason

    def test_an_object_without_versions_is_a_duplicate_if_it_is_there_at_all(self, server, make):
        self.failing(server, "0001")
        asked = self.held(server, "0001", objects=[{"id": "indicator--0001"}])
        assert list(make().send(messages(3, version=None))) == []
        assert asked.last_request.qs == {}

    @pytest.mark.parametrize(
        "objects",
        [
            [],
            "?",
            [None],
            [{"id": "indicator--0001"}],
            [{"id": "indicator--0001", "modified": "2026-01-01T00:00:00.001Z"}],
            [{"id": "indicator--0002", "modified": VERSION}],
        ],
    )
    def test_another_version_or_another_object_is_no_duplicate(self, server, make, objects):
        self.failing(server, "0001")
        self.held(server, "0001", objects=objects)
        assert [r.message.id for r in make().send(messages(3))] == ["indicator--0001"]

    @pytest.mark.parametrize("status", [401, 403, 404, 406])
    def test_an_object_that_cannot_be_looked_at_is_refused(self, server, make, status):
        self.failing(server, "0001")
        self.held(server, "0001", status, objects=[{"id": "indicator--0001", "modified": VERSION}])
        assert len(make().send(messages(3))) == 1
        server.get(f"{OBJECTS}indicator--0001/", status_code=status, text="<html>")
        assert len(make().send(messages(3))) == 1

    @pytest.mark.parametrize("status", [429, 500, 503])
    def test_a_server_that_cannot_say_now_whether_it_holds_the_object_is_unavailable(self, server, make, status):
        self.failing(server, "0001")
        self.held(server, "0001", status)
        with pytest.raises(Unavailable, match=f"^{OBJECTS}indicator--0001/ "):
            make().send(messages(3))

    def test_what_was_found_before_an_outage_is_not_asked_for_again_until_all_is_delivered(self, server, make):
        def answer(request, context):
            ids = [each["id"] for each in orjson.loads(request.body)["objects"]]
            failures = [{"id": each, "version": VERSION} for each in ids if each != "indicator--0002"]
            return {"status": "complete", "failure_count": len(failures), "failures": failures}

        server.post(OBJECTS, status_code=202, json=answer)
        found = [{"id": f"indicator--{n}", "modified": VERSION} for n in ("0000", "0001")]
        first = self.held(server, "0000", objects=found)
        self.held(server, "0001", 503)
        sink = make()
        with pytest.raises(Unavailable):
            sink.send(messages(3))
        second = self.held(server, "0001", objects=found)
        assert sink.send(messages(3)) == []
        assert (first.call_count, second.call_count) == (1, 1)
        assert sink.send(messages(3)) == []
        assert (first.call_count, second.call_count) == (2, 2)

    def test_a_garbled_answer_to_that_question_refuses_nothing(self, server, make):
        self.failing(server, "0001")
        self.listed(server, "0001", status_code=404)
        server.get(f"{OBJECTS}indicator--0001/", content=b'{"objects": [{"id": "indic\xf0\x01')
        with pytest.raises(Unavailable) as caught:
            make().send(messages(3))
        assert str(caught.value).startswith(
            f"The object at {OBJECTS}indicator--0001/ answers 200 with something that is not TAXII"
        )

    def test_in_a_collection_that_cannot_be_read_nothing_is_looked_at(self, server, make):
        server.get(COLLECTION, json={"id": "c1", "can_read": False, "can_write": True})
        self.failing(server, "0001")
        (refusal,) = make().send(messages(3))
        assert refusal.message == messages(3)[1]
        assert refusal.reason.startswith("no 0001 (the collection cannot be read")

    @pytest.mark.parametrize("bad", [(), ("0000",), ("0003", "0009"), tuple(f"{n:04}" for n in range(9))])
    def test_failures_that_are_only_counted_are_found_by_sending_again(self, server, make, bad):
        def answer(request, context):
            context.status_code = 200
            count = sum(f'"indicator--{n}"'.encode() in request.body for n in bad)
            return {"id": "s", "status": "complete", "failure_count": count, "success_count": None}

        server.post(OBJECTS, json=answer)
        for name in bad:
            self.held(server, name, 404)
        refusals = make().send(messages(10))
        assert sorted(r.message.id.removeprefix("indicator--") for r in refusals) == list(bad)
        assert {r.reason for r in refusals} <= {"the server counts it as failed and does not say why"}
        assert len(envelopes(server)) <= 2 * 10 - 1 + len(bad)

    @pytest.mark.parametrize("count", [1, 64])
    def test_a_count_without_names_that_never_falls_is_an_outage_found_with_few_requests(self, server, make, count):
        server.post(OBJECTS, status_code=202, json={"status": "complete", "failure_count": count})
        server.get(COLLECTION, json={"can_write": True, "can_read": False})
        sink = make()
        for _ in range(4):
            server.reset_mock()
            with pytest.raises(Unavailable, match="none"):
                sink.send(messages(64))
            assert len(envelopes(server)) <= 30


class TestRefusedEnvelopes:
    @pytest.mark.parametrize("status", [400, 422])
    @pytest.mark.parametrize("bad", [("0000",), ("0099",), ("0050",), ("0010", "0011", "0090")])
    def test_the_objects_at_fault_are_found_and_the_others_delivered(self, server, make, status, bad):
        server.post(OBJECTS, json=refusing(*bad, status=status))
        refusals = make().send(messages(100))
        assert [r.message.id.removeprefix("indicator--") for r in refusals] == list(bad)
        assert [r.reason for r in refusals] == [f"Bad object: {name}" for name in bad]
        delivered = [e for e in envelopes(server) if not set(e) & set(bad)]
        assert list(itertools.chain(*delivered)) == [f"{n:04}" for n in range(100) if f"{n:04}" not in bad]
        assert len(envelopes(server)) <= 1 + len(bad) * (2 * 7 + 1)

    @pytest.mark.parametrize("count", [12, 40, 79, 99])
    def test_many_objects_at_fault_in_front_do_not_pass_for_an_outage(self, server, make, count):
        bad = [f"{n:04}" for n in range(count)]
        server.post(OBJECTS, json=refusing(*bad))
        refusals = make().send(messages(100))
        assert [r.message.id.removeprefix("indicator--") for r in refusals] == bad
        delivered = {name for e in envelopes(server) if not set(e) & set(bad) for name in e}
        assert delivered == {f"{n:04}" for n in range(count, 100)}

    def test_the_only_object_is_refused_while_the_server_still_takes_the_one_before_it(self, server, make):
        sink = make()
        sink.send(messages(1))
        server.post(OBJECTS, json=refusing("bad"))
        (refusal,) = sink.send([message("bad")])
        assert refusal.reason == "Bad object: bad"
        server.post(OBJECTS, status_code=400, json={"title": "Nothing today"})
        with pytest.raises(Misconfigured, match="Nothing today"):
            sink.send([message("other")])

    def test_what_is_forbidden_is_found_at_once_where_the_server_has_taken_others(self, server, make):
        # `run --once` has a sink of its own each time, for which it would be the first failure each time.
        server.post(OBJECTS, json=refusing("bad", status=403))
        for name in ("0001", "0002", "bad"):
            absent(server, name)
        sink = make()
        assert list(sink.send(messages(1))) == []
        (refusal,) = sink.send([*messages(3)[1:], message("bad")])
        assert refusal.message.id == "indicator--bad"

    @pytest.mark.parametrize("place", [0, 7, 19])
    def test_what_is_forbidden_is_found_in_the_first_request_too(self, server, make, place):
        server.post(OBJECTS, json=refusing(f"{place:04}", status=403))
        for number in range(20):
            absent(server, f"{number:04}")
        (refusal,) = make().send(messages(20))
        assert refusal.message.id == f"indicator--{place:04}"
        assert "each time answers to this one: 403 Bad object" in refusal.reason

    def test_what_is_forbidden_alone_in_the_first_request_is_told_apart_by_the_next_one(self, server, make):
        server.post(OBJECTS, json=refusing("bad", status=403))
        for name in ("bad", "0000", "0001"):
            absent(server, name)
        later = [replace(each, dependency_level=2) for each in messages(2)]
        (refusal,) = make().send([message("bad"), *later])
        assert refusal.message.id == "indicator--bad"
        delivered = {name for envelope in envelopes(server) if "bad" not in envelope for name in envelope}
        assert delivered == {"0000", "0001"}

    def test_where_all_is_forbidden_no_object_is_at_fault_and_it_is_found_with_few_requests(self, server, make):
        server.post(OBJECTS, status_code=403, json={"title": "Read only"})
        for number in range(64):
            absent(server, f"{number:04}")
        later = [replace(each, dependency_level=2) for each in messages(64)[32:]]
        with pytest.raises(Misconfigured, match="Read only"):
            make().send([*messages(32), *later])
        assert len(envelopes(server)) <= 60

    def test_an_object_at_fault_makes_later_envelopes_no_smaller(self, server, make):
        server.post(OBJECTS, json=refusing("0000"))
        sink = make()
        assert len(sink.send(messages(20))) == 1
        server.reset_mock()
        sink.send(messages(20)[1:])
        assert len(envelopes(server)) == 1

    def test_an_outage_in_the_middle_of_the_search_is_an_outage_and_no_refusal(self, server, make):
        bad = {"status_code": 400, "json": {"title": "bad"}}
        answered = server.post(OBJECTS, [bad, bad, bad, {"status_code": 503}])
        with pytest.raises(Unavailable):
            make().send(messages(8))
        assert answered.call_count <= 2 * 8 - 1

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            ({"text": ""}, "an answer without text"),
            ({"json": {"title": "T", "description": "D", "http_status": "400"}}, "T: D"),
            ({"json": {"code": 400, "name": "validation error", "description": ["a", "b"]}}, "validation error: a; b"),
            ({"json": {"name": "validation error", "description": {"a": 1}}}, 'validation error: {"a":1}'),
            ({"json": {"title": {"a": 1}}}, '{"a":1}'),
        ],
    )
    def test_the_servers_words_are_found_in_whatever_it_answers(self, server, make, body, words):
        server.post(OBJECTS, status_code=400, **body)
        (refusal,) = make().send(messages(1))
        assert refusal.reason == words

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            ({"text": "<h1>Bad\n  Request</h1>"}, "<h1>Bad Request</h1>"),
            ({"json": ["x"]}, '["x"]'),
            ({"json": {"other": 1}}, '{"other": 1}'),
            ({"json": {"title": "Bad"}, "headers": {"Content-Type": "text/html"}}, '{"title": "Bad"}'),
        ],
    )
    @pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
    def test_what_no_taxii_server_says_is_an_outage_in_its_words(self, server, make, status, body, words):
        server.post(OBJECTS, status_code=status, **body)
        absent(server, "0000")
        sink = make()
        for _ in range(4):
            with pytest.raises(Unavailable) as caught:
                sink.send(messages(1))
            assert f"answers {status} with something that is not TAXII: {words}" in str(caught.value)

    @pytest.mark.parametrize("status", [400, 413, 422])
    def test_where_every_object_is_refused_none_is_and_it_is_found_with_few_requests(self, server, make, status):
        server.post(OBJECTS, status_code=status, json={"title": "Nothing today"})
        with pytest.raises(Misconfigured, match="Nothing today"):
            make().send(messages(64))
        assert len(envelopes(server)) <= 30


class TestOutagesAndMistakes:
    @pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
    def test_what_passes_is_unavailable_with_the_time_to_wait(self, server, make, status):
        server.post(OBJECTS, status_code=status, headers={"Retry-After": "17"})
        with pytest.raises(Unavailable, match=str(status)) as caught:
            make().send(messages(3))
        assert caught.value.retry_after == 17
        assert len(envelopes(server)) == 1

    def test_failures_before_a_delivery_do_not_count_after_it(self, server, make):
        failing = {"status_code": 500, "json": {"title": "boom"}}
        taken = {"status_code": 202, "json": {"status": "complete"}}
        server.post(OBJECTS, [failing, failing, taken, failing, failing])
        absent(server, "0000")
        sink = make()
        for _ in range(2):
            with pytest.raises(Unavailable):
                sink.send(messages(1))
        assert list(sink.send(messages(1))) == []
        for _ in range(2):
            with pytest.raises(Unavailable):
                sink.send(messages(1))
        assert [r.method for r in server.request_history] == ["GET", "GET", *["POST"] * 5]

    def test_a_page_in_the_place_of_the_api_root_is_an_outage_that_names_it(self, server, make):
        server.get(ROOT, text="<html>Welcome</html>")
        with pytest.raises(Unavailable) as caught:
            make().send(messages(1))
        assert str(caught.value).startswith(
            f"The API root at {ROOT} answers 200 with something that is not TAXII: <html>Welcome</html>"
        )

    @pytest.mark.parametrize("error", [requests.ConnectionError, requests.ReadTimeout, requests.ConnectTimeout])
    def test_a_lost_connection_is_unavailable(self, server, make, error):
        server.post(OBJECTS, exc=error)
        with pytest.raises(Unavailable):
            make().send(messages(3))

    @pytest.mark.parametrize(
        ("status", "remedy"),
        [
            (401, "Check the login given under"),
            (403, "Ask .* for the right to write to this collection; if this login has it, a web application firewall"),
            (404, r"TAXII servers answer both alike\. Check the address, the login and its rights"),
            (405, "Check the address"),
            (406, r"does not speak application/taxii\+json;version=2.1"),
            (415, r"not supported; if the server does speak 2\.1, a proxy may have changed the headers\. The server"),
            (418, r" refuses the request\. Check the address\. The server"),
        ],
    )
    def test_what_a_person_must_mend_is_said_with_its_remedy(self, server, make, status, remedy):
        server.post(OBJECTS, status_code=status, json={"title": "Server says so"})
        absent(server, "0000", "0001", "0002")
        with pytest.raises(Misconfigured, match=remedy) as caught:
            make().send(messages(3))
        assert f"{status} Server says so" in str(caught.value)
        assert str(caught.value).startswith(f"The collection at {OBJECTS} ")

    def test_a_login_that_is_refused_in_plain_text_is_a_matter_for_a_person_when_a_challenge_comes_along(
        self, server, make
    ):
        # As medallion answers; without the challenge it may be a log-in page of something in between.
        challenge = {"WWW-Authenticate": 'Basic realm="Authentication Required"'}
        server.post(OBJECTS, status_code=401, text="Unauthorized Access", headers=challenge)
        with pytest.raises(Misconfigured, match=r"does not accept the login\. Check .*: 401 Unauthorized Access$"):
            make().send(messages(1))
        server.post(OBJECTS, status_code=407, text="Unauthorized Access", headers=challenge)
        with pytest.raises(Unavailable, match="something that is not TAXII"):
            make().send(messages(1))

    def test_after_it_was_mended_the_collection_is_looked_up_afresh(self, server, make):
        server.post(OBJECTS, [{"status_code": 404}, {"status_code": 202, "json": {"status": "complete"}}])
        sink = make()
        with pytest.raises(Misconfigured):
            sink.send(messages(1))
        assert list(sink.send(messages(1))) == []
        assert [r.method for r in server.request_history] == ["GET", "GET", "POST"] * 2

    @pytest.mark.parametrize("status", [300, 301, 302, 307, 308])
    def test_a_redirect_is_not_followed_and_its_target_is_named(self, server, make, status):
        server.post(OBJECTS, status_code=status, headers={"Location": "https://elsewhere.example/"})
        with pytest.raises(Misconfigured, match=r" to https://elsewhere\.example/\. .* put it into the configuration$"):
            make().send(messages(1))
        assert {r.hostname for r in server.request_history} == {"taxii.example"}

    def test_a_redirect_to_nowhere_is_said_to_be_one(self, server, make):
        server.post(OBJECTS, status_code=302)
        with pytest.raises(Misconfigured, match=r"redirects .* to somewhere it does not name"):
            make().send(messages(1))

    def test_a_secret_within_a_secret_leaves_nothing_of_either(self, server, make):
        server.post(OBJECTS, status_code=400, json={"title": "no login prefix sesame here"})
        (refusal,) = make(api_key="prefix sesame", api_key_header="X-Key").send(messages(1))
        assert refusal.reason == "no login *** here"

    def test_an_empty_password_takes_nothing_out_of_what_a_server_says(self, server, make):
        server.post(OBJECTS, status_code=400, json={"title": "bad"})
        (refusal,) = make(password="").send(messages(1))
        assert refusal.reason == "bad"

    def test_secrets_that_a_server_echoes_stand_in_no_error(self, server, make):
        basic = base64.b64encode(b"user:hush-hush").decode()
        server.post(OBJECTS, status_code=500, text=f"Authorization: Basic {basic} password hush-hush")
        sink = make()
        with pytest.raises(Unavailable) as caught:
            sink.send(messages(1))
        for text in (str(caught.value), repr(sink), repr(vars(sink)), repr(sink._client)):
            assert basic not in text
            assert "hush-hush" not in text

    def test_a_login_that_no_header_can_carry_is_refused_at_once(self, make):
        with pytest.raises(pydantic.ValidationError, match="token") as caught:
            make(token="t0k\n")
        assert "t0k" not in str(caught.value)


class TestABatchThatHadToStop:
    def test_goes_on_where_it_stopped(self, server, make):
        sink = make(max_envelope_objects=2)
        batch = messages(6)
        taken = {"status_code": 202, "json": {"id": "s", "status": "complete", "failure_count": 0}}
        server.post(OBJECTS, [taken, taken, {"status_code": 503, "headers": {"Retry-After": "9"}}, taken])
        with pytest.raises(Unavailable):
            sink.send(batch)
        assert sink.dealt_with(batch) == 4
        asked = len(server.request_history)
        assert sink.send(batch[:4]) == []
        assert len(server.request_history) == asked
        assert sink.send(batch[4:]) == []
        assert envelopes(server)[3:] == [["0004", "0005"]]

    def test_tells_what_was_refused_before(self, server, make):
        sink = make(max_envelope_objects=1)
        batch = messages(4)
        answer = refusing("0001")

        def answering(request, context):
            if b"--0003" in request.body:
                context.status_code = 503
                return {}
            return answer(request, context)

        server.post(OBJECTS, json=answering)
        absent(server, "0001", "0003")
        with pytest.raises(Unavailable):
            sink.send(batch)
        assert sink.dealt_with(batch) == 3
        assert [refusal.message for refusal in sink.send(batch[:3])] == [batch[1]]

    def test_is_sent_as_a_whole_again_when_a_person_may_have_changed_the_collection(self, server, make):
        sink = make(max_envelope_objects=2)
        taken = {"status_code": 202, "json": {"id": "s", "status": "complete", "failure_count": 0}}
        server.post(OBJECTS, [taken, {"status_code": 404}])
        absent(server, "0002", "0003")
        with pytest.raises(Misconfigured):
            sink.send(messages(4))
        assert sink.dealt_with(messages(4)) == 0
        server.post(OBJECTS, [taken])
        sink.send(messages(4))
        assert envelopes(server)[-2:] == [["0000", "0001"], ["0002", "0003"]]
