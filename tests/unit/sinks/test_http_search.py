"""What the HTTP sink does where a request fails or is forbidden as a whole: which message is at fault, or none."""

import gzip
import socket

import orjson
import pytest
from peers.http_receivers import Imitation, Response
from unit.sinks.http_sinks import event

from connector.model import Misconfigured, Unavailable
from connector.sinks.http.sink import HttpSink, HttpSinkSettings

FILE = """
description: a list
request: {url: '${{ url }}', framing: array}
batch: {messages: %d}
answers:
- {when: status == `200`, then: delivered}
"""
OUTAGES = {
    "500": lambda: Response("oops", 500),
    "502": lambda: Response("bad gateway", 502),
    "busy": lambda: Response("busy", 503, {"Retry-After": "7"}),
    "slower": lambda: Response("slower", 429),
}


class Lists(Imitation):
    """Takes lists of messages.

    Attributes:
        fails: numbers of messages at which it fails, as a whole request; `forbids`: which a firewall stops.
        outage: what it answers to everything; None while it works.
        after: how many requests it takes before that begins.
        sizes: how many messages each request had.
    """

    def __init__(self):
        super().__init__()
        self.fails, self.forbids, self.outage, self.after = set(), set(), None, 0
        self.sizes = []

    def answer(self, request, body):
        messages = orjson.loads(body)
        numbers = {each["event"]["n"] for each in messages}
        self.sizes.append(len(messages))
        if self.outage is not None:
            if self.after <= 0:
                return self.outage()
            self.after -= 1
        if self.fails & numbers:
            return Response("oops", 500)
        if self.forbids & numbers:
            return Response("<h1>Blocked</h1>", 403)
        self.taken += messages
        return Response("{}", 200)


@pytest.fixture
def lists(open_sink, tmp_path):
    def lists(most=100):
        (tmp_path / "mine.yaml").write_text(FILE % most)
        receiver = Lists()
        return receiver, open_sink(receiver, str(tmp_path / "mine.yaml"))

    return lists


def taken(receiver, twice=0):
    """The numbers of the messages that arrived; so many may have arrived twice, to show that the receiver works."""
    numbers = [each["event"]["n"] for each in receiver.taken]
    assert len(numbers) - len(set(numbers)) <= twice
    return sorted(set(numbers))


def tried(sink, messages, error):
    with pytest.raises(error) as caught:
        sink.send(messages)
    return caught.value


def settled(sink, messages, tries=20):
    """Send the batch until it is dealt with."""
    for _ in range(tries):
        try:
            return sorted(refusal.message.seq for refusal in sink.send(messages))
        except Unavailable:
            continue
    raise AssertionError("it never came to an end")


@pytest.mark.parametrize("outage", OUTAGES)
def test_in_an_outage_few_requests_are_made_and_no_message_is_at_fault(lists, outage):
    receiver, sink = lists(most=10)
    messages = [event(n) for n in range(40)]
    receiver.outage = OUTAGES[outage]
    for attempt in range(8):
        receiver.sizes.clear()
        error = tried(sink, messages, Unavailable)
        assert outage in str(error) or OUTAGES[outage]().get_data(as_text=True) in str(error)
        assert len(receiver.sizes) <= (1 if attempt < 2 or outage in ("busy", "slower") else 2)
    receiver.outage = None
    assert sink.send(messages) == []
    assert taken(receiver) == [*range(40)]


def test_where_nobody_listens_it_is_asked_once(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
    asked = []
    sink = HttpSink(HttpSinkSettings(url=url), user_agent="x")
    client = sink._exchange._client
    request = client.request
    monkeypatch.setattr(client, "request", lambda *given, **more: asked.append(given) or request(*given, **more))
    for attempt in range(1, 6):
        tried(sink, [event(1), event(2)], Unavailable)
        assert len(asked) == attempt


@pytest.mark.parametrize("most", [1, 7, 100])
@pytest.mark.parametrize("at", [0, 13, 39])
@pytest.mark.parametrize("kind", ["fails", "forbids"])
def test_the_message_at_fault_is_found_and_refused_alone(lists, most, at, kind):
    receiver, sink = lists(most)
    messages = [event(n) for n in range(41)]
    setattr(receiver, kind, {at})
    assert settled(sink, messages) == [at]
    assert taken(receiver, twice=4) == [n for n in range(41) if n != at]


def test_what_is_forbidden_is_found_without_waiting(lists):
    receiver, sink = lists()
    receiver.forbids = {5}
    (refusal,) = sink.send([event(n) for n in range(30)])
    assert refusal.message == event(5)
    assert "403" in refusal.reason
    assert taken(receiver) == [n for n in range(30) if n != 5]


@pytest.mark.parametrize("kind", ["fails", "forbids"])
def test_several_at_fault_are_all_found(lists, kind):
    receiver, sink = lists(most=16)
    setattr(receiver, kind, {0, 1, 8, 31})
    refused = []
    for _ in range(40):
        try:
            refused = sorted(refusal.message.seq for refusal in sink.send([event(n) for n in range(32)]))
            break
        except (Unavailable, Misconfigured):
            continue
    assert refused == [0, 1, 8, 31]
    assert taken(receiver, twice=12) == [n for n in range(32) if n not in refused]


def test_where_all_is_forbidden_a_person_is_needed_and_nothing_is_refused(lists):
    receiver, sink = lists(most=10)
    messages = [event(n) for n in range(30)]
    receiver.forbids = set(range(30))
    for _ in range(4):
        receiver.sizes.clear()
        assert "403" in str(tried(sink, messages, Misconfigured))
        assert len(receiver.sizes) <= 4
    receiver.forbids = set()
    assert sink.send(messages) == []
    assert taken(receiver) == [*range(30)]


@pytest.mark.parametrize("outage", OUTAGES)
@pytest.mark.parametrize("after", range(12))
def test_an_outage_within_the_search_ends_it_and_keeps_what_was_delivered(lists, outage, after):
    receiver, sink = lists()
    messages = [event(n) for n in range(20)]
    receiver.forbids = {6}
    receiver.outage, receiver.after = OUTAGES[outage], after
    before = len(receiver.sizes)
    try:
        refused = sink.send(messages)
    except Unavailable:
        assert len(receiver.sizes) - before <= after + (3 if outage in ("500", "502") else 2)
        receiver.outage = None
        refused = sink.send(messages)
    assert [refusal.message.seq for refusal in refused] == [6]
    assert taken(receiver, twice=4) == [n for n in range(20) if n != 6]


@pytest.mark.parametrize("outage", ["busy", "slower"])
def test_a_receiver_that_asks_for_time_is_asked_no_more(lists, outage):
    receiver, sink = lists(most=1)
    sink.send([event(99)])
    receiver.forbids, receiver.outage, receiver.after = {0}, OUTAGES[outage], 1
    assert outage in str(tried(sink, [event(n) for n in range(4)], Unavailable))
    assert len(receiver.sizes) == 3


def test_one_that_fails_while_nothing_else_is_to_be_sent_waits_for_something_else(lists):
    receiver, sink = lists()
    receiver.fails = {0}
    for _ in range(6):
        tried(sink, [event(0)], Unavailable)
    for n in (1, 2, 3):
        try:
            refused = sink.send([event(each) for each in range(n + 1)])
            break
        except Unavailable:
            continue
    assert [refusal.message.seq for refusal in refused] == [0]
    assert taken(receiver) == [*range(1, n + 1)]


def test_a_limit_that_is_learnt_holds_for_the_rest_of_the_batch(lists):
    receiver, sink = lists(most=8)
    large = 8 * len(event(10, text="x" * 2000).body)

    def answer(request, body):
        if len(body) >= large:
            receiver.sizes.append(-1)
            return Response(status=413)
        return Lists.answer(receiver, request, body)

    receiver.answer = answer
    assert sink.send([event(n, text="x" * 2000) for n in range(10, 50)]) == []
    assert receiver.sizes.count(-1) == 1
    assert set(receiver.sizes) == {-1, 4}
    assert taken(receiver) == [*range(10, 50)]


LARGE = b"[" + b"1" * (9 * 1024 * 1024) + b"]"


@pytest.mark.parametrize("body", [LARGE, gzip.compress(LARGE)])
class TestAnAnswerThatIsTooLarge:
    def receiver(self, body, status=200):
        class Chatty(Lists):
            def answer(self, request, asked):
                self.sizes.append(1)
                if status == 200:
                    self.taken += orjson.loads(asked)
                more = {"Content-Encoding": "gzip"} if body[:1] != b"[" else {}
                return Response(body, status, more, mimetype="application/json")

        return Chatty()

    def sink(self, open_sink, tmp_path, receiver, *answers):
        head = "description: a\nrequest: {url: '${{ url }}', framing: array}\nanswers:\n"
        (tmp_path / "mine.yaml").write_text(head + "".join(f"- {each}\n" for each in answers))
        return open_sink(receiver, str(tmp_path / "mine.yaml"))

    def test_is_for_a_person_where_the_table_needs_it_and_is_not_caused_again(self, open_sink, tmp_path, body):
        receiver = self.receiver(body)
        sink = self.sink(open_sink, tmp_path, receiver, "{when: 'length(body.errors || `[]`) == `0`', then: delivered}")
        for _ in range(5):
            error = tried(sink, [event(1), event(2)], Misconfigured)
        assert "answered 200 with more than can be read (8 MiB)" in str(error)
        assert "mine.yaml" in str(error)
        assert taken(receiver) == [1, 2]

    def test_is_a_delivery_where_the_table_says_so_of_the_status_alone(self, open_sink, tmp_path, body):
        receiver = self.receiver(body)
        refused = "{when: status == `200`, then: delivered, refused: body.errors}"
        sink = self.sink(open_sink, tmp_path, receiver, refused, "{when: status == `200`, then: delivered}")
        assert sink.send([event(1), event(2)]) == []
        assert taken(receiver) == [1, 2]

    def test_means_by_a_status_of_failure_what_that_always_means(self, open_sink, tmp_path, body):
        sink = self.sink(open_sink, tmp_path, self.receiver(body, 422), "{when: status == `200`, then: delivered}")
        (refusal,) = sink.send([event(1)])
        assert refusal.reason.startswith("it answered 422")
