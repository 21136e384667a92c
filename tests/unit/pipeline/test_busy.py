"""What a receiver had no time for is a dead letter that is retried without anybody asking, after growing pauses."""

from types import SimpleNamespace

import pytest
from pipeline_receivers import START, Sink, deliver, route_into

from connector.model import BUSY, Refusal
from connector.pipeline import busy
from connector.pipeline.deliver import Delivery


class Busy(Sink):
    """Has no time for some, and counts what it is sent."""

    def __init__(self):
        super().__init__()
        self.tried = 0

    def send(self, messages):
        self.tried += len(messages)
        return [Refusal(each.message, f"{BUSY}: 429") for each in super().send(messages)]


@pytest.fixture
def sink():
    return Busy()


@pytest.fixture
def now(clock, monkeypatch):
    """A clock for the pauses, which is the journal's too: `now(seconds)` lets time pass."""
    monkeypatch.setattr(busy, "time", SimpleNamespace(monotonic=clock, time=clock))

    def passes(seconds):
        clock.now += seconds

    return passes


def match(number):
    return {
        "type": "domain",
        "id": f"bad{number}.example",
        "attributes": {"gti_assessment": {"verdict": {"value": "VERDICT_MALICIOUS"}}},
        "context_attributes": {
            "notification_id": str(number),
            "notification_date": START + number,
            "origin": "hunting",
            "sources": [],
        },
    }


def is_of(number):
    return lambda message: message.id == str(number)


def steps(delivery):
    while delivery.step() is not None:
        pass


def letters(journal):
    return [each.letter.seq for each in journal.dead_letters("out")]


def test_it_is_retried_by_itself_after_pauses_that_grow(journal, sink, cef, now):
    sink.refuse = is_of(1)
    delivery = Delivery(cef, journal)
    deliver(cef, journal, match(1), match(2))
    assert letters(journal) == [1]
    steps(delivery)
    tried = sink.tried
    for pause in (600, 1200, 2400):
        now(pause - 1)
        steps(delivery)
        assert sink.tried == tried
        assert 0 < delivery.busy.seconds_left <= 1
        now(2)
        steps(delivery)
        assert sink.tried == tried + 1
        tried = sink.tried
    sink.refuse = lambda _: False
    now(busy.LONGEST_PAUSE_SECONDS)
    steps(delivery)
    assert letters(journal) == []
    assert sorted(message.id for message in sink.sent) == ["1", "2"]
    assert delivery.busy.seconds_left == float("inf")


def test_what_an_earlier_run_left_is_retried_by_the_next(journal, sink, cef, now):
    sink.refuse = is_of(1)
    deliver(cef, journal, match(1))
    sink.refuse = lambda _: False
    deliver(cef, journal)
    assert letters(journal) == [1]
    now(600)
    deliver(cef, journal)
    assert letters(journal) == []


def test_what_is_refused_for_another_reason_waits_for_a_person(journal, now):
    sink = Sink()
    sink.refuse = is_of(1)
    route = route_into(sink, "cef")
    deliver(route, journal, match(1))
    sink.refuse = lambda _: False
    now(100_000)
    deliver(route, journal)
    assert letters(journal) == [1]


def test_however_many_there_are_the_receiver_does_not_refuse_everything(journal, sink, cef, now):
    sink.refuse = lambda _: True
    for number in range(1, 90):
        deliver(cef, journal, match(number))
    assert len(letters(journal)) == 89
