"""The simulated TAXII receiver is as strict as real servers, and readable by a client that others wrote."""

import orjson
import pytest
import requests
import taxii2client.v21
from werkzeug.test import Client

from connector.simulator.taxii import MEDIA_TYPE, TaxiiReceiver
from connector.simulator.wsgi_server import serving

OBJECTS = f"{TaxiiReceiver.path}objects/"


@pytest.fixture
def receiver():
    return TaxiiReceiver(username="u", password="p", max_content_length=1000)


@pytest.fixture
def call(receiver):
    client = Client(receiver)

    def call(method, path, objects=None, **headers):
        login = None if headers.pop("anonymous", False) else ("u", "p")
        named = {"Accept": MEDIA_TYPE, **{key.replace("_", "-"): value for key, value in headers.items()}}
        if objects is not None:
            named.setdefault("Content-Type", MEDIA_TYPE)
        body = objects if isinstance(objects, bytes | None) else orjson.dumps({"objects": objects})
        return client.open(path, method=method, data=body, headers=named, auth=login)

    return call


def indicator(name, modified="2026-01-01T00:00:00.000Z"):
    return {"type": "indicator", "id": f"indicator--{name}", "modified": modified}


def test_a_reader_that_others_wrote_finds_and_reads_what_was_pushed(receiver, call):
    call("POST", OBJECTS, [indicator(n) for n in range(5)])
    with serving(receiver) as url:
        server = taxii2client.v21.Server(f"{url}/taxii2/", user="u", password="p")
        (collection,) = server.default.collections
        assert (collection.title, collection.can_write) == ("IoC-Stream", True)
        pages = list(taxii2client.v21.as_pages(collection.get_objects, per_request=2))
        server.close()
        collection.close()
    assert [each["id"][-1] for page in pages for each in page["objects"]] == list("01234")


@pytest.mark.parametrize(
    ("status", "request_"),
    [
        (401, ("POST", OBJECTS, [indicator(1)], {"anonymous": True})),
        (401, ("GET", "/taxii2/", None, {"anonymous": True})),
        (406, ("GET", "/taxii2/", None, {"Accept": "application/json"})),
        (404, ("GET", "/taxii2", None, {})),
        (404, ("GET", "/api/collections/other/", None, {})),
        (404, ("GET", "/api/status/other/", None, {})),
        (404, ("GET", f"{OBJECTS}indicator--1/", None, {})),
        (400, ("GET", f"{OBJECTS}?limit=x", None, {})),
        (405, ("DELETE", f"{OBJECTS}indicator--1/", None, {})),
        (415, ("POST", OBJECTS, [indicator(1)], {"Content_Type": "application/taxii+json; version=2.1"})),
        (400, ("POST", OBJECTS, [indicator(1)], {"Content_Encoding": "gzip"})),
        (400, ("POST", OBJECTS, b"{", {})),
        (413, ("POST", OBJECTS, [indicator("x" * 1000)], {})),
        (422, ("POST", OBJECTS, [], {})),
        (422, ("POST", OBJECTS, [{"id": "indicator--1"}], {})),
        (422, ("POST", OBJECTS, b'{"type":"bundle","objects":[]}', {})),
    ],
)
def test_what_real_servers_refuse_it_refuses(receiver, call, status, request_):
    method, path, objects, headers = request_
    answer = call(method, path, objects, **headers)
    assert answer.status_code == status
    assert orjson.loads(answer.data)["http_status"] == str(status)
    assert receiver.objects() == []


def test_a_duplicate_succeeds_and_is_stored_once(receiver, call):
    for _ in range(2):
        status = orjson.loads(call("POST", OBJECTS, [indicator(1)]).data)
        assert (status["status"], status["success_count"], status["failure_count"]) == ("complete", 1, 0)
    assert receiver.objects() == [indicator(1)]


def test_an_object_comes_in_its_last_version_unless_asked_otherwise(call):
    newer = indicator(1, "2026-01-02T00:00:00.000Z")
    call("POST", OBJECTS, [newer, indicator(1)])
    path = f"{OBJECTS}indicator--1/"
    assert orjson.loads(call("GET", path).data)["objects"] == [newer]
    assert orjson.loads(call("GET", f"{path}?match[version]=all").data)["objects"] == [newer, indicator(1)]
    asked = f"{path}?match[version]={indicator(1)['modified']}"
    assert orjson.loads(call("GET", asked).data)["objects"] == [indicator(1)]


def test_it_fails_on_cue_and_then_no_more(receiver, call):
    receiver.fail_next(429, times=2, Retry_After="3")
    receiver.fail_next(500, store=True)
    answers = [call("POST", OBJECTS, [indicator(n)]) for n in range(4)]
    assert [a.status_code for a in answers] == [429, 429, 500, 202]
    assert answers[0].headers["Retry-After"] == "3"
    assert [each["id"] for each in receiver.objects()] == ["indicator--2", "indicator--3"]


def test_a_status_is_pending_as_often_as_asked(receiver, call):
    receiver.pending_polls = 2
    receiver.refuse = {"indicator--2"}
    status = orjson.loads(call("POST", OBJECTS, [indicator(1), indicator(2)]).data)
    said = [status] + [orjson.loads(call("GET", f"/api/status/{status['id']}/").data) for _ in range(2)]
    assert [(s["status"], s["pending_count"], s["failure_count"]) for s in said] == [
        ("pending", 2, 0),
        ("pending", 2, 0),
        ("complete", 0, 1),
    ]


def test_a_body_too_large_is_answered_before_it_is_read(receiver):
    with serving(receiver) as url:
        answer = requests.post(
            url + OBJECTS,
            data=b"x" * 100_000,
            headers={"Accept": MEDIA_TYPE, "Content-Type": MEDIA_TYPE},
            auth=("u", "p"),
            timeout=10,
        )
    assert answer.status_code == 413
