"""What the log says of dead letters: each reason once at once, and how often it came again."""

import pytest
from structlog.testing import capture_logs

from connector.model import DeadLetter
from connector.pipeline import refusal_log
from connector.pipeline.refusal_log import SUM_UP_SECONDS, RefusalLog


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(refusal_log.time, "monotonic", clock)
    return clock


@pytest.fixture
def log(clock):
    return RefusalLog("out")


def letter(reason="full", by="sink", **more):
    return DeadLetter(5, by, reason, **more)


def told(act):
    with capture_logs() as logged:
        act()
    assert {each.pop("log_level") for each in logged} <= {"error"}
    assert {each.pop("part") for each in logged} <= {"out"}
    return logged


def test_the_first_of_a_reason_is_told_with_all_that_is_known_of_it(log):
    known = {"event": "refused", "by": "sink", "reason": "full"}
    whole = letter(object_id="indicator--1", notification_id="7")
    assert told(lambda: log.tell([whole])) == [{**known, "notification": "7", "object": "indicator--1"}]
    assert told(lambda: log.tell([whole])) == []
    assert [each["object"] for each in told(lambda: log.tell([letter(by="mapping")]))] == [None]


def test_repeats_are_counted_and_told_when_it_is_time_for_each_reason(log, clock):
    told(lambda: log.tell([letter("old"), letter("old"), letter("old")]))
    assert log.has_repeats
    clock.now += SUM_UP_SECONDS / 2
    told(lambda: log.tell([letter("young"), letter("young")]))
    assert told(log.sum_up) == []
    clock.now += SUM_UP_SECONDS / 2
    said = {"event": "refused_again", "by": "sink"}
    assert told(log.sum_up) == [{**said, "times": 2, "reason": "old"}]
    clock.now += SUM_UP_SECONDS / 2
    assert told(log.sum_up) == [{**said, "times": 1, "reason": "young"}]
    assert not log.has_repeats


def test_a_reason_that_keeps_coming_is_counted_on_and_one_that_does_not_is_new(log, clock):
    told(lambda: log.tell([letter("often"), letter("often"), letter("once")]))
    clock.now += SUM_UP_SECONDS
    assert [each["event"] for each in told(log.sum_up)] == ["refused_again"]
    assert [each["reason"] for each in told(lambda: log.tell([letter("often"), letter("once")]))] == ["once"]
    clock.now += SUM_UP_SECONDS - 1
    assert told(log.sum_up) == []
    clock.now += 1
    assert [(each["times"], each["reason"]) for each in told(log.sum_up)] == [(1, "often")]


def test_at_the_end_all_repeats_are_told_and_everything_is_new(log):
    told(lambda: log.tell([letter(), letter(), letter(by="mapping")]))
    assert [each["times"] for each in told(lambda: log.sum_up(at_end=True))] == [1]
    assert len(told(lambda: log.tell([letter(), letter(by="mapping")]))) == 2


def test_however_many_reasons_there_are_so_many_are_remembered(log, monkeypatch):
    monkeypatch.setattr(refusal_log, "MAX_REASONS", 2)
    told(lambda: log.tell([letter("a"), letter("b"), letter("b")]))
    assert [(each["event"], each["reason"]) for each in told(lambda: log.tell([letter("c")]))] == [
        ("refused_again", "b"),
        ("refused", "c"),
    ]
    assert not log.has_repeats
