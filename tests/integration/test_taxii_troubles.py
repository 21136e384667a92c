"""The TAXII sink against servers that take everything but one object, or say badly what became of an envelope."""

import contextlib
import json
import random
import uuid

import orjson
import pytest
from werkzeug.wrappers import Request, Response

from connector.model import Message, Misconfigured, Unavailable
from connector.simulator.taxii import MEDIA_TYPE, TaxiiReceiver
from connector.simulator.wsgi_server import serving
from connector.sinks.taxii.sink import TaxiiSettings, TaxiiSink

VERSION = "2026-01-01T00:00:00.000Z"
HTML = "<html><body>Request blocked</body></html>"


def messages(count, dependency_level=1):
    made = [
        {"type": "indicator", "id": f"indicator--{uuid.uuid4()}", "modified": VERSION, "name": f"n{n}"}
        for n in range(count)
    ]
    return [Message(1, each["id"], orjson.dumps(each), 0, VERSION, dependency_level) for each in made]


def said(status, body, **headers):
    """An answer: JSON for an object, HTML for text."""
    if isinstance(body, str):
        return Response(body, status, headers, content_type="text/html")
    return Response(json.dumps(body), status, headers, content_type=MEDIA_TYPE)


class Gate:
    """A TAXII server with a manifest, whose answers to envelopes a test decides.

    Attributes:
        judge: gets the objects of an envelope, gives an answer, or None to let the server take them.
        sent: the names of the objects of each envelope.
    """

    def __init__(self):
        self.server = TaxiiReceiver(username="u", password="p")
        self.judge = self.poll = lambda _: None
        self.sent = []

    def __call__(self, environ, start_response):
        request = Request(environ)
        answer = None
        if request.method == "POST":
            objects = orjson.loads(request.get_data())["objects"]
            self.sent.append([each["name"] for each in objects])
            answer = self.judge(objects)
            if answer is None:
                self.take(objects)
                answer = said(202, status(objects))
        elif request.path.endswith("/manifest/"):
            wanted = request.args["match[id]"].split(",")
            held = [each for each in self.server.objects() if each["id"] in wanted]
            answer = said(200, {"objects": [{"id": e["id"], "version": e["modified"]} for e in held]} if held else {})
        elif "/status/" in request.path:
            answer = self.poll(request)
        return (answer or self.server)(environ, start_response)

    def take(self, objects):
        with self.server._lock:
            self.server._store(objects)

    def names(self):
        return sorted(each["name"] for each in self.server.objects())


def status(objects, **changed):
    """A status resource that says all is well, except for what is changed; None leaves out."""
    counts = {"total_count": len(objects), "success_count": len(objects), "failure_count": 0, "pending_count": 0}
    details = [{"id": each["id"], "version": each["modified"]} for each in objects]
    whole = {"id": str(uuid.uuid4()), "status": "complete", **counts, "successes": details, **changed}
    return {key: value for key, value in whole.items() if value is not None}


@pytest.fixture
def gate():
    return Gate()


@pytest.fixture
def taxii(gate):
    with serving(gate) as url:
        settings = TaxiiSettings(
            collection_url=url + gate.server.path,
            username="u",
            password="p",
            timeout_seconds=1,
            status_timeout_seconds=0.2,
        )
        with contextlib.closing(TaxiiSink(settings, user_agent="iocstream-test/1", sleep=lambda _: None)) as sink:
            yield sink


def until_delivered(taxii, batch, tries=6):
    """Send the same batch until it is delivered, as the pipeline does; the refusals and how often it failed before."""
    for failed in range(tries):
        try:
            return list(taxii.send(batch)), failed
        except (Unavailable, Misconfigured):
            pass
    raise AssertionError("never delivered")


ERROR = {"title": "boom", "description": "cannot be stored", "http_status": "500"}
ANSWERS = {
    "500": lambda: said(500, ERROR),
    "500 html": lambda: said(500, HTML),
    "503": lambda: said(503, ERROR),
    "403": lambda: said(403, {"title": "boom"}),
    "403 html": lambda: said(403, HTML),
    "404 html": lambda: said(404, HTML),
    "400 html": lambda: said(400, HTML),
    "409": lambda: said(409, {"title": "boom"}),
    "451": lambda: said(451, HTML),
    "200 html": lambda: said(200, HTML),
    "200 error": lambda: said(200, ERROR),
    "302": lambda: said(302, HTML, Location="https://blocked.example/"),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("bad", [["n0"], ["n63"], ["n7", "n8", "n40"]])
def test_an_object_at_which_the_server_fails_every_time_is_refused_alone_in_its_words(gate, taxii, answer, bad):
    gate.judge = lambda objects: answer() if any(each["name"] in bad for each in objects) else None
    batch = messages(64)
    refusals, failed = until_delivered(taxii, batch)
    assert sorted(orjson.loads(refusal.message.body)["name"] for refusal in refusals) == sorted(bad)
    assert all("boom" in refusal.reason or "Request blocked" in refusal.reason for refusal in refusals)
    assert gate.names() == sorted({f"n{n}" for n in range(64)} - set(bad))
    # What is forbidden is searched for at once: `run --once` meets it for the first time each time.
    assert failed == 0 if answer is ANSWERS["403"] else 1 <= failed <= 2
    assert len(gate.sent) <= 3 + len(bad) * 20


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_what_comes_in_behind_the_object_at_fault_does_not_begin_the_count_anew(gate, taxii, answer):
    gate.judge = lambda objects: answer() if any(each["name"] == "n2" for each in objects) else None
    batch = messages(20)
    for more in range(3, 20):
        with contextlib.suppress(Unavailable, Misconfigured):
            (refusal,) = taxii.send(batch[:more])
            break
    assert orjson.loads(refusal.message.body)["name"] == "n2"
    assert more <= 5


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_an_object_that_was_found_is_not_searched_again_because_another_is_at_fault_too(gate, taxii, answer):
    """As an observable and its indicator are, which go out one after the other."""
    gate.judge = lambda objects: answer() if any(each["name"] == "n2" for each in objects) else None
    batch = [*messages(8, 0), *messages(8, 1), *messages(8, 2)]
    refusals, failed = until_delivered(taxii, batch, tries=10)
    assert [refusal.message for refusal in refusals] == [batch[2], batch[10], batch[18]]
    assert failed <= 6
    assert len(gate.names()) == 21


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_where_every_object_fails_it_is_an_outage_and_nothing_is_refused(gate, taxii, answer):
    taxii.send(messages(1))
    gate.judge = lambda _: answer()
    batch = messages(64)
    for _ in range(6):
        gate.sent.clear()
        with pytest.raises((Unavailable, Misconfigured)):
            taxii.send(batch)
        assert len(gate.sent) <= 25
    gate.judge = lambda _: None
    assert list(taxii.send(batch)) == []


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_the_only_object_is_refused_when_the_server_takes_the_one_before_it(gate, taxii, answer):
    taxii.send(messages(1))
    gate.judge = lambda objects: answer() if any(each["name"] == "alone" for each in objects) else None
    alone = {"type": "indicator", "id": f"indicator--{uuid.uuid4()}", "modified": VERSION, "name": "alone"}
    refusals, _ = until_delivered(taxii, [Message(1, alone["id"], orjson.dumps(alone), 0, VERSION, 1)])
    assert len(refusals) == 1


@pytest.mark.parametrize(
    "told",
    [
        {"status": "failed"},
        {"status": "pending", "success_count": 0, "pending_count": 1, "successes": None},
        {"success_count": 0, "failure_count": 1, "successes": None},
    ],
    ids=["failed", "pending", "counted"],
)
def test_what_the_server_holds_from_before_does_not_show_that_it_takes_anything_now(gate, taxii, told):
    until_delivered(taxii, messages(2))
    gate.judge = lambda objects: said(202, status(objects, **told))
    gate.poll = lambda _: said(200, status([{"id": "x", "modified": VERSION}], **told))
    batch = messages(1)
    for _ in range(8):
        with pytest.raises(Unavailable):
            taxii.send(batch)
    gate.judge = gate.poll = lambda _: None
    assert until_delivered(taxii, batch)[0] == []


@pytest.mark.parametrize("failures", range(1, 6))
@pytest.mark.parametrize("told", [{"status": "failed"}, {"success_count": 0, "failure_count": 1, "successes": None}])
def test_a_server_that_takes_the_only_object_after_all_has_not_refused_it(gate, taxii, told, failures):
    until_delivered(taxii, messages(2))
    gate.sent.clear()
    gate.judge = lambda objects: said(202, status(objects, **told)) if len(gate.sent) <= failures else None
    assert until_delivered(taxii, messages(1))[0] == []
    assert len(gate.names()) == 3


@pytest.mark.parametrize("failures", range(1, 16))
@pytest.mark.parametrize("code", [400, 413, 422])
def test_a_server_that_begins_to_take_objects_during_the_search_has_refused_none(gate, taxii, code, failures):
    gate.judge = lambda _: said(code, {"title": "no"}) if len(gate.sent) <= failures else None
    batch = messages(8)
    refusals, _ = until_delivered(taxii, batch)
    assert refusals == []
    assert gate.names() == [f"n{n}" for n in range(8)]


def test_an_outage_while_the_object_at_fault_is_searched_refuses_nothing_and_sends_nothing_again(gate, taxii):
    def judge(objects):
        names = [each["name"] for each in objects]
        if len(gate.sent) > 8:
            return said(502, HTML)
        return said(500, ERROR) if "n9" in names else None

    gate.judge = judge
    batch = messages(10)
    for _ in range(4):
        with pytest.raises(Unavailable):
            taxii.send(batch)
    taken = gate.names()
    assert taken
    gate.sent.clear()
    gate.judge = lambda objects: said(500, ERROR) if any(each["name"] == "n9" for each in objects) else None
    refusals, _ = until_delivered(taxii, batch)
    assert [refusal.message for refusal in refusals] == [batch[9]]
    assert not set(taken[:-1]) & {name for names in gate.sent for name in names if len(names) > 1}


def test_what_the_server_has_stored_although_it_fails_each_time_is_delivered(gate, taxii):
    def judge(objects):
        gate.take(objects)
        return said(500, ERROR)

    gate.judge = judge
    assert until_delivered(taxii, messages(10)) == ([], 2)


def test_backends_that_are_asked_in_turn_and_of_which_one_is_down_make_no_object_bad(gate, taxii):
    taxii.send(messages(1))
    gate.judge = lambda _: said(502, HTML) if len(gate.sent) % 2 else None
    for _ in range(8):
        with contextlib.suppress(Unavailable):
            assert list(taxii.send(messages(1))) == []


def test_a_login_is_never_blamed_on_an_object(gate, taxii):
    gate.judge = lambda objects: said(401, {"title": "no"}) if any(each["name"] == "n2" for each in objects) else None
    batch = messages(4)
    for _ in range(5):
        gate.sent.clear()
        with pytest.raises(Misconfigured):
            taxii.send(batch)
        assert len(gate.sent) == 1


PACE = {"429": lambda: said(429, {"title": "boom"}), "503 later": lambda: said(503, HTML, **{"Retry-After": "1"})}


def each_in_its_way(ways):
    """A judge: an envelope gets the answer for the first of its objects that has one."""
    return lambda objects: next((ways[each["name"]]() for each in objects if each["name"] in ways), None)


@pytest.mark.parametrize("answer", PACE.values(), ids=PACE)
@pytest.mark.parametrize("count", [1, 64])
def test_an_object_for_which_the_server_asks_for_time_each_time_is_refused_after_several_searches(
    gate, taxii, answer, count
):
    taxii.send(messages(1))
    gate.judge = each_in_its_way({"n7": answer})
    batch = [*messages(8)[7:], *messages(7), *messages(64)[8:]][:count]
    refusals, failed = until_delivered(taxii, batch)
    assert [refusal.message for refusal in refusals] == batch[:1]
    assert failed == 4
    assert len(gate.names()) == count


@pytest.mark.parametrize("answer", PACE.values(), ids=PACE)
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("seed", range(4))
def test_a_pace_that_the_server_sets_is_blamed_on_no_object(gate, taxii, answer, share, seed):
    taxii.send(messages(1))
    chance = random.Random(seed)
    gate.judge = lambda _: None if chance.random() < share else answer()
    for _ in range(8):
        assert until_delivered(taxii, messages(8), tries=60)[0] == []


@pytest.mark.parametrize("answer", PACE.values(), ids=PACE)
def test_a_server_that_asks_for_time_is_not_asked_often(gate, taxii, answer):
    taxii.send(messages(1))
    gate.judge = lambda _: answer()
    batch = messages(64)
    for _ in range(8):
        gate.sent.clear()
        with pytest.raises(Unavailable):
            taxii.send(batch)
        assert len(gate.sent) <= 3


MIXTURES = [
    ["500", "403"],
    ["403", "500"],
    ["500", "403", "413"],
    ["413", "500", "403"],
    ["500", "429"],
    ["429", "500"],
    ["403", "429", "500"],
    ["503 later", "429", "302", "200 html"],
]
ALL_ANSWERS = {**ANSWERS, **PACE, "413": lambda: said(413, {"title": "boom"})}


@pytest.mark.parametrize("mixture", MIXTURES, ids="+".join)
@pytest.mark.parametrize("bad", [["n7", "n8", "n40", "n63"], ["n0", "n1", "n2", "n3"]])
def test_objects_at_which_the_server_fails_in_different_ways_are_refused_alone(gate, taxii, mixture, bad):
    bad = bad[: len(mixture)]
    gate.judge = each_in_its_way({name: ALL_ANSWERS[kind] for name, kind in zip(bad, mixture, strict=True)})
    batch = messages(64)
    # An object to see with whether the server takes any is drawn by lot, and may be a bad one a few times.
    refusals, failed = until_delivered(taxii, batch, tries=12)
    assert [orjson.loads(refusal.message.body)["name"] for refusal in refusals] == bad
    assert gate.names() == sorted({f"n{n}" for n in range(64)} - set(bad))
    assert len(gate.sent) <= failed * 4 + len(bad) * 40


@pytest.mark.parametrize("mixture", [each for each in MIXTURES if "413" not in each], ids="+".join)
def test_where_every_object_fails_in_one_way_or_another_it_is_an_outage(gate, taxii, mixture):
    until_delivered(taxii, messages(1))
    batch = [*messages(2, 0), *messages(64)]
    ways = {f"n{n}": ALL_ANSWERS[mixture[n % len(mixture)]] for n in range(64)}
    fine = {message.id for message in batch[:2]}
    gate.judge = lambda objects: None if {each["id"] for each in objects} <= fine else each_in_its_way(ways)(objects)
    for _ in range(6):
        gate.sent.clear()
        with pytest.raises((Unavailable, Misconfigured)):
            taxii.send(batch)
        assert len(gate.sent) <= 40
    gate.judge = lambda _: None
    assert list(taxii.send(batch)) == []


@pytest.mark.parametrize("answer", ["429", "500"])
def test_a_search_that_ends_early_each_time_comes_to_its_end_all_the_same(gate, taxii, answer):
    bad = {"n2": "500", "n3": "403", "n17": "409", "n30": "500", "n31": "403"}
    batch = messages(32)
    progressed = []
    for _ in range(30):
        last = len(gate.sent) + 20
        judge = each_in_its_way({name: ANSWERS[kind] for name, kind in bad.items()})
        gate.judge = lambda objects, j=judge, n=last: ALL_ANSWERS[answer]() if len(gate.sent) > n else j(objects)
        try:
            refusals = taxii.send(batch)
            break
        except (Unavailable, Misconfigured) as error:
            progressed.append(error.has_progressed)
    assert [orjson.loads(refusal.message.body)["name"] for refusal in refusals] == list(bad)
    assert len(gate.names()) == 27
    assert progressed[:2] == [False, False]  # before the search
    assert any(progressed)


def test_what_was_taken_is_not_sent_again_because_something_else_fails(gate, taxii):
    gate.judge = lambda objects: said(500, ERROR) if any(each["name"] == "n3" for each in objects) else None
    batch = [*messages(3, 0), *messages(8, 1)[3:]]
    until_delivered(taxii, batch)
    assert sum("n0" in names for names in gate.sent) == 1


def all_failed(objects, **changed):
    failures = [{"id": each["id"], "version": VERSION, "message": "licence exceeded"} for each in objects]
    return status(objects, success_count=0, successes=None, failures=failures, **changed)


NOT_DELIVERED = {
    "failed": lambda o: status(o, status="failed", success_count=0, failure_count=len(o), successes=None),
    "failed, no counts": lambda o: {"id": "s", "status": "failed"},
    "failed, counts all well": lambda o: status(o, status="failed"),
    "Failure": lambda o: status(o, status="Failure", success_count=None, successes=None),
    "successes below total": lambda o: status(o, success_count=0, successes=None),
    "failures without count": lambda o: all_failed(o, failure_count=None),
    "failures with count 0": lambda o: all_failed(o, failure_count=0),
    "counts as text": lambda o: status(o, success_count="0", failure_count=str(len(o)), successes=None),
    "failures of strangers": lambda o: status(
        o, success_count=0, successes=None, failure_count=len(o), failures=[{"id": "indicator--x", "version": VERSION}]
    ),
    "error": lambda o: {"title": "licence exceeded", "http_status": "500"},
    "error without http_status": lambda o: {"title": "licence exceeded", "description": "come back"},
    "pendings left": lambda o: status(o, success_count=0, successes=None, pending_count=len(o)),
    "pendings left, no count": lambda o: status(
        o, success_count=0, successes=None, pending_count=None, pendings=[{"id": e["id"]} for e in o]
    ),
    "queued": lambda o: status(o, status="queued", success_count=0, successes=None),
    "nothing": lambda o: {},
}


@pytest.mark.parametrize("code", [200, 201, 202])
@pytest.mark.parametrize("body", NOT_DELIVERED.values(), ids=NOT_DELIVERED)
def test_nothing_is_delivered_that_the_server_says_in_any_way_it_has_not(gate, taxii, code, body):
    batch = messages(10)
    gate.judge = lambda objects: said(code, body(objects))
    for _ in range(4):
        try:
            refusals = taxii.send(batch)
        except Unavailable:
            continue
        assert [refusal.message for refusal in refusals] == batch
        assert {refusal.reason for refusal in refusals} == {"licence exceeded"}
    gate.judge = lambda _: None
    assert list(taxii.send(batch)) == []
    assert len(gate.names()) == 10


STORED = {
    "pending, counts add up": lambda o: status(o, status="pending"),
    "pending, counts as text add up": lambda o: status(
        o, status="pending", total_count=str(len(o)), success_count=str(len(o)), pending_count="0", successes=None
    ),
    "pending for ever": lambda o: status(o, status="pending", success_count=0, successes=None, pending_count=len(o)),
    "pendings left": lambda o: status(o, success_count=0, successes=None, pending_count=len(o)),
    "queued": lambda o: status(o, status="queued", success_count=None, successes=None),
    "failed": lambda o: status(o, status="failed", success_count=0, failure_count=len(o), successes=None),
    "nothing": lambda o: {},
}


@pytest.mark.parametrize("body", STORED.values(), ids=STORED)
def test_what_the_server_has_stored_is_delivered_and_sent_once_whatever_it_says_of_it(gate, taxii, body):
    def judge(objects):
        gate.take(objects)
        gate.poll = lambda _: said(200, body(objects))
        return said(202, body(objects))

    gate.judge = judge
    batch = messages(60)
    assert list(taxii.send(batch)) == []
    assert len(gate.sent) == 1
    assert len(gate.names()) == 60


def test_what_was_processed_after_the_deadline_is_not_sent_again(gate, taxii):
    late = []

    def judge(objects):
        late.extend(objects)
        pending = status(objects, status="pending", success_count=0, successes=None, pending_count=len(objects))
        gate.poll = lambda _: said(200, pending)
        return said(202, pending)

    gate.judge = judge
    batch = messages(10)
    with pytest.raises(Unavailable, match=r"not processed them in 0\.2 s, and they are not there"):
        taxii.send(batch)
    gate.take(late[:9])
    gate.judge = lambda _: None
    assert list(taxii.send(batch)) == []
    assert [len(names) for names in gate.sent] == [10, 1]


def test_a_status_that_cannot_be_read_is_no_failure_of_what_the_server_has(gate, taxii):
    def judge(objects):
        gate.take(objects)
        return said(202, status(objects, status="pending", success_count=0, successes=None, pending_count=len(objects)))

    gate.judge = judge
    gate.poll = lambda _: said(500, HTML)
    assert list(taxii.send(messages(10))) == []
    assert len(gate.sent) == 1
