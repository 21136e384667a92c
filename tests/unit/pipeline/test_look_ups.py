"""When a source is asked about what notifications name: over a real journal, with a clock of the test's own."""

import itertools
import threading
from collections import deque

import pytest

from connector import notification
from connector.journals.sqlite.journal import SqliteJournal, SqliteSettings
from connector.model import LookUp, Misconfigured, Page, Subject, Unavailable
from connector.pipeline import look_ups as module
from connector.pipeline.look_ups import AGAIN_SECONDS, FIRST_PAUSE_SECONDS, PAUSE_SECONDS, LookUps
from connector.pipeline.part import Part
from connector.pipeline.retry import MAX_RETRY_AFTER_SECONDS

NOW = 1_700_000_000  # 22:13:20 UTC
SUBJECTS = [Subject("collection", str(number)) for number in range(4)]


class Attempts:
    """Does each step at once."""

    def until_done(self, step):
        return step()
        yield


class Clock:
    def __init__(self):
        self.now = float(NOW)

    def time(self):
        return self.now

    monotonic = time


class Source:
    """Knows every subject; `error` is raised instead of an answer, and `before` is called first."""

    def __init__(self, clock):
        self.clock = clock
        self.asked = []
        self.error = None
        self.before = lambda subject: None

    def look_up(self, subject):
        self.before(subject)
        self.asked.append(subject)
        if self.error:
            raise self.error
        now = int(self.clock.now)
        return LookUp(subject, "known", now, now + 1000, {"name": "x"}, b"x")


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def journal(tmp_path, clock):
    sources = [{"type": subject.type, "id": subject.id} for subject in SUBJECTS]
    body = {"type": "domain", "id": "d", "context_attributes": {"notification_id": "1", "sources": sources}}
    journal = SqliteJournal(SqliteSettings(path=tmp_path / "journal.db"), clock=clock.time)
    with journal.lease("vt"):
        journal.append("vt", Page([notification.read(body)], None))
        yield journal
    journal.close()


@pytest.fixture
def source(clock):
    return Source(clock)


@pytest.fixture
def part():
    return Part("vt", "source")


@pytest.fixture
def news():
    return []


@pytest.fixture
def made(journal, source, part, news):
    """Makes look-ups: by the same object each time, at most `per_day` a day."""
    by_limit = {}

    def make(per_day=100, seconds=60.0, stop=None):
        if per_day not in by_limit:
            on_news = lambda: news.append(len(source.asked))  # noqa: E731 -- a name would say no more
            by_limit[per_day] = LookUps(part, source, per_day, journal=journal, on_news=on_news)
        deque(by_limit[per_day].make(Attempts(), seconds, stop or threading.Event()))
        asked, source.asked = source.asked, []
        return asked

    return make


def test_what_is_due_is_asked_about_once_and_each_answer_is_stored_before_the_next_question(
    journal, source, part, news, made
):
    def known():
        return journal.status({}).sources[0].look_ups.known

    source.before = lambda _: stored.append(known())
    stored = []
    assert sorted(made()) == SUBJECTS
    assert stored == [0, 1, 2, 3]
    assert news == [1, 2, 3, 4]
    assert (part.looked_up, part.learned, part.look_up_trouble) == (4, 4, "")
    assert made() == []


def test_what_is_asked_about_again_and_says_the_same_is_no_news(clock, part, news, made):
    made()
    clock.now += 1000
    assert sorted(made()) == SUBJECTS
    assert (part.looked_up, part.learned, len(news)) == (8, 4, 4)


def test_no_more_is_asked_in_a_day_than_allowed_and_the_next_day_goes_on(clock, made):
    assert made(per_day=0) == []
    assert len(made(per_day=3)) == 3
    assert made(per_day=3) == []
    clock.now = (NOW // 86400 + 1) * 86400.0
    assert len(made(per_day=3)) == 3  # the fourth, and two that are due again


def test_they_end_when_their_time_is_over_or_the_runner_is_to_stop(clock, source, made):
    stop = threading.Event()
    stop.set()
    assert made(stop=stop) == []
    assert made(seconds=0) == []
    source.before = lambda _: setattr(clock, "now", clock.now + 10)
    assert len(made(seconds=20)) == 2


@pytest.mark.parametrize(
    "outage",
    [
        (Unavailable("busy"), FIRST_PAUSE_SECONDS),
        (Unavailable("busy", retry_after=1), FIRST_PAUSE_SECONDS),
        (Unavailable("busy", retry_after=PAUSE_SECONDS + 100), PAUSE_SECONDS + 100),
        (Unavailable("busy", retry_after=10**9), MAX_RETRY_AFTER_SECONDS),
        (Misconfigured("busy"), FIRST_PAUSE_SECONDS),
    ],
)
def test_after_one_that_cannot_be_answered_nothing_is_asked_for_a_while(clock, source, part, made, outage):
    source.error, pause = outage
    assert len(made()) == 1
    assert (part.looked_up, part.learned, part.look_up_trouble) == (0, 0, "busy")
    source.error = None
    clock.now += pause - 1
    assert made() == []
    clock.now += 1
    assert len(made()) >= 3
    assert part.look_up_trouble == ""


def test_one_that_cannot_be_answered_lets_others_go_first(clock, source, made):
    source.error = Unavailable("busy")
    (failed,) = made()
    source.error = None
    clock.now += FIRST_PAUSE_SECONDS
    *others, last = made()
    assert last == failed
    assert sorted([*others, failed]) == SUBJECTS


def test_the_pause_grows_while_nothing_can_be_answered(clock, source, made):
    source.error = Unavailable("busy")
    asked = []
    while len(asked) < 7:
        asked += [clock.now] * len(made())
        clock.now += 1
    between = [after - before for before, after in itertools.pairwise(asked)]
    assert between == [60, 120, 240, 480, PAUSE_SECONDS, PAUSE_SECONDS]


def test_one_that_fails_again_and_again_is_asked_about_ever_less(clock, source, made):
    def fail(subject):
        source.error = Unavailable("busy") if subject == SUBJECTS[0] else None

    source.before = fail
    asked = []
    while clock.now < NOW + 10 * AGAIN_SECONDS:
        asked += [clock.now for subject in made() if subject == SUBJECTS[0]]
        clock.now += 30
    between = [after - before for before, after in itertools.pairwise(asked)]
    assert between[0] == FIRST_PAUSE_SECONDS
    assert between[-1] == AGAIN_SECONDS


def test_one_that_cannot_be_answered_stays_known(clock, journal, source, made):
    made()
    clock.now += 1000
    source.error = Unavailable("busy")
    assert len(made()) == 1
    assert journal.status({}).sources[0].look_ups.known == 4
