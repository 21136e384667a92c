"""Attempts of one part: what is repeated, how long is waited, who has the lease, and what is said."""

import threading
import time
from contextlib import contextmanager

import pytest

from connector.model import Misconfigured, Unavailable
from connector.pipeline import retry as module
from connector.pipeline.part import Part
from connector.pipeline.retry import Attempts, Stopping

LONGEST = {1: 1.0, 2: 2.0, 3: 4.0, 9: 256.0, 10: 300.0, 10_000: 300.0}
"""Try → the most seconds that are waited after it."""


class Journal:
    """Tells who took the lease and with which error it was let go."""

    def __init__(self):
        self.leases = []
        self.error = None

    @contextmanager
    def lease(self, name):
        if self.error:
            raise self.error
        self.leases.append(f"{name} taken")
        try:
            yield
        except Exception as error:
            self.leases.append(f"let go: {error}")
            raise
        else:
            self.leases.append("released")


class Log:
    def __init__(self):
        self.said = []

    def info(self, event, **more):
        self.said.append((event, more))

    warning = error = info


class World:
    """Attempts with all that they touch; the wait after each try is the longest there can be."""

    def __init__(self, patience=None):
        self.part, self.journal, self.stop = Part("vt", "source"), Journal(), threading.Event()
        self.states, self.begun = [], 0
        self.attempts = Attempts(self.part, self.journal, self.stop, patience, say=self.say, begin=self.begin)

    def say(self, state, message):
        self.part.state, self.part.message = state, message
        self.states.append((state, message))

    def begin(self):
        self.begun += 1

    def does(self, *script):
        """The result of a step that does what the script says, and the seconds that were waited before each repeat."""
        left, waits = list(script), []

        def step():
            if isinstance(what := left.pop(0), Exception):
                raise what
            return what

        steps = self.attempts.until_done(step)
        while True:
            try:
                waits.append(next(steps).seconds)
            except StopIteration as end:
                assert not left
                return end.value, waits


@pytest.fixture(autouse=True)
def longest_waits(monkeypatch):
    monkeypatch.setattr("connector.pipeline.retry.random.uniform", lambda least, most: most)


@pytest.fixture
def log(monkeypatch):
    log = Log()
    monkeypatch.setattr("connector.telemetry.logger", lambda: log)
    return log


def test_what_succeeds_is_done_once_under_the_lease_which_is_kept():
    world = World()
    assert [world.does("a"), world.does("b")] == [("a", []), ("b", [])]
    assert (world.journal.leases, world.begun, world.states) == (["vt taken"], 1, [])
    world.attempts.release()
    world.attempts.release()
    assert world.journal.leases == ["vt taken", "released"]
    assert world.does("c") == ("c", [])
    assert world.journal.leases == ["vt taken", "released", "vt taken"], "nothing is done without it"
    assert world.attempts.name == "vt"


def test_without_a_retry_after_chance_may_have_it_tried_again_at_once(log, monkeypatch):
    monkeypatch.setattr(module.random, "uniform", lambda least, most: least)
    assert World().does(Unavailable("down"), "up") == ("up", [0.0])


def test_the_log_has_the_seconds_to_a_tenth(log):
    assert World().does(Unavailable("down", retry_after=7.26), "up") == ("up", [7.26])
    assert log.said[0][1]["seconds"] == 7.3


def test_an_outage_is_waited_out_twice_as_long_each_time(log):
    world = World()
    assert world.does(*[Unavailable("down")] * 4, "up") == ("up", [1.0, 2.0, 4.0, 8.0])
    assert world.states == [*[("waiting", "down")] * 4, ("running", "")]
    assert log.said[0] == ("waiting", {"part": "vt", "seconds": 1.0, "attempt": 1, "reason": "down"})
    assert [more["attempt"] for _, more in log.said] == [1, 2, 3, 4]
    assert world.does(Unavailable("down"), "up") == ("up", [1.0]), "each step begins anew"


@pytest.mark.parametrize(("tries", "longest"), LONGEST.items())
def test_backoff_is_random_up_to_a_limit(monkeypatch, tries, longest):
    asked = []
    monkeypatch.setattr("connector.pipeline.retry.random.uniform", lambda *span: asked.append(span) or 0.5)
    assert module._backoff(tries) == 0.5
    assert asked == [(0.0, longest)]


@pytest.mark.parametrize(("said", "waited"), [(None, 1.0), (0.1, 1.0), (77.0, 77.0), (10**9, 3600.0)])
def test_a_retry_after_is_respected_for_an_hour_at_most(log, said, waited):
    assert World().does(Unavailable("busy", retry_after=said), "ok") == ("ok", [waited])


def test_when_it_tries_again_is_known_while_it_waits_and_no_longer(log, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 1000.0)
    world, seen = World(), []
    world.attempts._say = lambda state, message: seen.append((state, world.part.retry_at)) or world.say(state, message)
    world.does(Unavailable("busy", retry_after=77), Misconfigured("401"), "ok")
    assert seen == [("waiting", 1077.0), ("blocked", 1060.0), ("running", None)]


@pytest.mark.parametrize(("asked", "until"), [(None, None), (77.0, 1077.0), (10**9, 4600.0)])
def test_with_a_patience_what_is_left_says_until_when_it_is_not_to_be_asked(log, monkeypatch, asked, until):
    monkeypatch.setattr(time, "time", lambda: 1000.0)
    world = World(patience=1.0)
    with pytest.raises(Unavailable):
        world.does(Unavailable("busy", retry_after=asked))
    assert world.states == [("waiting", "busy")]
    assert world.part.retry_at == until


def test_with_a_patience_nothing_is_said_of_a_part_that_another_process_serves(log):
    world = World(patience=1.0)
    world.journal.error = Unavailable("served by process 7")
    with pytest.raises(Unavailable):
        world.does(Unavailable("busy"))
    assert world.states == []


def test_the_lease_is_given_up_while_something_is_wrong_and_the_journal_knows_why(log):
    world = World()
    world.does(
        "a",
    )
    world.does(Unavailable("down"), Misconfigured("401"), "up")
    assert world.journal.leases == ["vt taken", "let go: down", "vt taken", "let go: 401", "vt taken"]
    assert world.begun == 1


def test_a_lease_that_another_process_holds_is_waited_for(log):
    world = World()
    world.journal.error = Unavailable("served by process 7")
    steps = world.attempts.until_done(lambda: "done")
    assert next(steps).seconds == 1.0
    assert (world.part.state, world.part.message, world.begun) == ("waiting", "served by process 7", 0)
    world.journal.error = None
    with pytest.raises(StopIteration):
        next(steps)
    assert world.begun == 1


def test_what_needs_a_person_is_blocked_and_logged_once_for_each_reason(log):
    world = World()
    _, waits = world.does(*[Misconfigured("401")] * 3, Misconfigured("404"), "ok")
    assert waits == [60.0, 120.0, 240.0, 480.0]
    assert world.states == [*[("blocked", "401")] * 3, ("blocked", "404"), ("running", "")]
    assert log.said == [
        ("blocked", {"part": "vt", "reason": "401"}),
        ("blocked", {"part": "vt", "reason": "404"}),
        ("unblocked", {"part": "vt"}),
    ]
    assert world.does(Misconfigured("401"), "ok") == ("ok", [60.0]), "success makes the waits short again"
    assert [event for event, _ in log.said[3:]] == ["blocked", "unblocked"]


def test_the_wait_of_what_is_blocked_grows_no_further_however_long_it_takes(log):
    assert World().does(*[Misconfigured("401")] * 2000, "ok")[1][-1] == 900.0


def test_an_outage_meanwhile_makes_the_wait_of_what_is_blocked_no_shorter(log):
    _, waits = World().does(Misconfigured("401"), Unavailable("down"), Misconfigured("401"), "ok")
    assert (waits[0], waits[2]) == (60.0, 120.0)


def test_success_is_dated(monkeypatch):
    world = World()
    monkeypatch.setattr(time, "time", lambda: 5.0)
    world.does("ok")
    assert world.part.succeeded_at == 5.0


def test_with_a_patience_an_outage_is_given_up_when_the_next_wait_would_use_it_up(log):
    world = World(patience=4.0)
    assert world.attempts.is_once
    steps = world.attempts.until_done(_raises(Unavailable("down")))
    assert [next(steps).seconds, next(steps).seconds] == [1.0, 2.0]
    with pytest.raises(Unavailable, match="down"):
        next(steps)
    assert (world.part.state, world.part.message) == ("waiting", "down")


def test_with_a_patience_the_time_that_has_passed_counts(log, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("connector.pipeline.retry.time.monotonic", lambda: now[0])
    steps = World(patience=10.0).attempts.until_done(_raises(Unavailable("down")))
    next(steps)
    now[0] += 8.0  # and then two more
    with pytest.raises(Unavailable):
        next(steps)


def test_with_a_patience_what_needs_a_person_is_not_tried_again(log):
    world = World(patience=1000.0)
    with pytest.raises(Misconfigured, match="401"):
        world.does(Misconfigured("401"))


def test_without_a_patience_nothing_is_given_up(log):
    world = World()
    assert not world.attempts.is_once
    assert world.does(*[Unavailable("down")] * 100, "up")[0] == "up"


def test_once_asked_to_stop_nothing_more_is_tried(log):
    world = World()
    world.stop.set()
    with pytest.raises(Stopping):
        world.does("never")
    assert world.journal.leases == []


@pytest.mark.parametrize("error", [Unavailable("down"), Misconfigured("401")])
def test_what_fails_while_it_is_asked_to_stop_is_not_waited_for(log, error):
    world = World()

    def step():
        world.stop.set()
        raise error

    with pytest.raises(type(error)):
        next(world.attempts.until_done(step))
    assert world.states == []


def test_a_bug_is_neither_repeated_nor_hidden():
    world = World()
    with pytest.raises(ZeroDivisionError):
        next(world.attempts.until_done(_raises(ZeroDivisionError())))


def _raises(error):
    def step():
        raise error

    return step


@pytest.mark.parametrize(("kind", "longest"), [(Unavailable, [1, 2, 1, 2]), (Misconfigured, [60, 120, 60, 120])])
def test_progress_begins_the_waits_anew(kind, longest):
    errors = [kind("no") for _ in longest]
    errors[2].has_progressed = True
    assert World().does(*errors, "done") == ("done", longest)
