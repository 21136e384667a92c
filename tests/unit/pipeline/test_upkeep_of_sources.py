"""What is seen to once an hour: the quota of each source, and what is past the retention of all."""

import pytest

from connector.model import JournalStatus, Misconfigured, SourceStatus, Unavailable
from connector.pipeline import upkeep as module
from connector.pipeline.part import Part
from connector.pipeline.upkeep import UPKEEP_SECONDS, Upkeep, restore

NOW = 1_700_000_000.0
RETENTION = 1000.0


class Clock:
    now = NOW

    def time(self):
        return self.now

    def monotonic(self):
        return self.now - NOW + 5.0


class Journal:
    """Keeps reports, and what it was told to prune; `newest` are the dates of its sources."""

    def __init__(self, *newest):
        self.newest = newest
        self.reports = {}
        self.pruned = []
        self.error = None

    def reported(self, name):
        return self.reports.get(name, {})

    def status(self, routes):
        assert routes == {}
        sources = [SourceStatus(str(n), None, 0, newest, [], {}) for n, newest in enumerate(self.newest)]
        return JournalStatus(0, sources)

    def prune(self, before, routes):
        if self.error:
            raise self.error
        self.pruned.append((before, routes))
        return 7


class Source:
    def __init__(self, *quotas):
        self.quotas = list(quotas)

    def quota(self):
        if isinstance(said := self.quotas.pop(0), Exception):
            raise said
        return said


class Log:
    def __init__(self):
        self.said = []

    def info(self, event, **more):
        self.said.append((event, more))

    warning = info


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def log(monkeypatch):
    log = Log()
    monkeypatch.setattr("connector.telemetry.logger", lambda: log)
    return log


def seen_to(upkeep, journal, part, source):
    """See to it, and report it as the runner does."""
    upkeep.see_to(part, source)
    journal.reports[part.name] = {"quota": part.quota, "upkept_at": part.upkept_at}


def made(journal):
    return Upkeep(journal, {"out": ["vt"]}, retention_seconds=RETENTION)


def test_the_quota_is_asked_for_once_an_hour_over_runs(clock, log):
    journal, source = Journal(), Source({"left": 2}, {"left": 1})
    seen_to(made(journal), journal, Part("vt", "source"), source)
    clock.now += UPKEEP_SECONDS - 1
    part = Part("vt", "source")
    seen_to(made(journal), journal, part, source)
    assert (part.quota, part.upkept_at) == ({"left": 2}, int(NOW))
    clock.now += 1
    seen_to(made(journal), journal, part, source)
    assert (part.quota, part.upkept_at) == ({"left": 1}, int(NOW + UPKEEP_SECONDS))


def test_a_clock_that_was_set_back_does_not_put_it_off(clock, log):
    journal, source, part = Journal(), Source({"left": 2}, {"left": 1}), Part("vt", "source")
    seen_to(made(journal), journal, part, source)
    clock.now -= 1000
    seen_to(made(journal), journal, part, source)
    assert part.quota == {"left": 1}


@pytest.mark.parametrize("error", [Unavailable("503"), Misconfigured("403")])
def test_a_quota_that_cannot_be_read_is_unknown_and_said_so(clock, log, error):
    journal, part = Journal(), Part("vt", "source")
    part.quota = {"left": 9}
    made(journal).see_to(part, Source(error))
    assert part.quota is None
    assert log.said == [("quota_unknown", {"part": "vt", "reason": str(error)})]


@pytest.mark.parametrize(
    ("newest", "before"),
    [
        ([NOW - 100, NOW - 500, None], NOW - 100 - RETENTION),
        ([NOW + 10**9], NOW - RETENTION),
    ],
)
def test_what_is_past_the_retention_is_pruned_by_the_newest_date_or_the_clock(clock, log, newest, before):
    journal = Journal(*newest)
    made(journal).see_to(Part("vt", "source"), Source(None))
    assert journal.pruned == [(int(before), {"out": ["vt"]})]
    assert log.said == [("pruned", {"part": "vt", "notifications": 7})]


def test_nothing_is_pruned_while_nothing_has_a_date(clock, log):
    journal = Journal(None)
    made(journal).see_to(Part("vt", "source"), Source(None))
    assert (journal.pruned, log.said) == ([], [])


def test_pruning_nothing_is_not_worth_a_line(clock, log):
    journal = Journal(NOW)
    journal.prune = lambda before, routes: 0
    made(journal).see_to(Part("vt", "source"), Source(None))
    assert log.said == []


def test_all_sources_are_pruned_at_once_by_the_first_whose_hour_is_over(clock, log):
    journal, quotas = Journal(NOW), Source(*[None] * 9)
    upkeep, parts = made(journal), [Part(name, "source") for name in "abc"]
    for hour in range(2):
        clock.now = NOW + hour * UPKEEP_SECONDS
        for part in parts:
            seen_to(upkeep, journal, part, quotas)
            clock.now += 1
        assert len(journal.pruned) == hour + 1


def test_what_failed_is_tried_again_with_the_next_step(clock, log):
    journal, part = Journal(NOW), Part("vt", "source")
    upkeep = made(journal)
    journal.error = Unavailable("the disk is full")
    with pytest.raises(Unavailable):
        upkeep.see_to(part, Source(None))
    journal.error = None
    upkeep.see_to(part, Source(None))
    assert len(journal.pruned) == 1


def test_while_one_prunes_the_others_go_on(clock, log):
    journal = Journal(NOW)
    upkeep = made(journal)
    prune = journal.prune

    def prune_while_another_comes(before, routes):
        upkeep.see_to(Part("other", "source"), Source(None))
        return prune(before, routes)

    journal.prune = prune_while_another_comes
    upkeep.see_to(Part("vt", "source"), Source(None))
    assert len(journal.pruned) == 1


def test_what_was_reported_is_taken_over_and_a_first_run_knows_nothing():
    part = Part("vt", "source")
    restore(part, {"quota": {"left": 1}, "upkept_at": 5, "look_up_trouble": "down"})
    assert (part.quota, part.upkept_at, part.look_up_trouble) == ({"left": 1}, 5, "down")
    restore(part, {})
    assert (part.quota, part.upkept_at, part.look_up_trouble) == (None, 0, "")
