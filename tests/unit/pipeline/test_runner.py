"""Waiting, stopping and telling: the runner over a real journal, with parts that fail on cue."""

import os
import threading
import time
from collections import Counter
from contextlib import contextmanager

import pytest

from connector import notification
from connector.journals.sql.leases import LEASE_SECONDS
from connector.journals.sql.process import Process
from connector.journals.sqlite.journal import SqliteJournal, SqliteSettings
from connector.model import Gap, Misconfigured, Page, Refusal, Refused, Unavailable
from connector.pipeline.part import REFUSERS, Part
from connector.pipeline.pool import Pause
from connector.pipeline.retry import MAX_RETRY_AFTER_SECONDS, Attempts
from connector.pipeline.route import Route
from connector.pipeline.runner import PolledSource, Runner, sleep_until

pytestmark = pytest.mark.usefixtures("instant_backoff")


@pytest.fixture
def instant_backoff(monkeypatch):
    monkeypatch.setattr("connector.pipeline.retry._backoff", lambda _: 0.0)
    monkeypatch.setattr("connector.pipeline.retry.BLOCKED_WAIT_SECONDS", 0.01)
    monkeypatch.setattr("connector.pipeline.retry.MAX_BLOCKED_WAIT_SECONDS", 0.03)


def page(*numbers, gap=None):
    bodies = [
        {
            "type": "domain",
            "id": f"d{number}.example",
            "context_attributes": {"notification_id": str(number), "notification_date": 1_700_000_000 + number},
        }
        for number in numbers
    ]
    return Page([notification.read(body) for body in bodies], {"at": max(numbers, default=0)}, gap)


class Source:
    """Gives what the script says, a step for each page asked for; an exception in the script is raised."""

    def __init__(self, *script):
        self.script = list(script)
        self.closed = False

    def pages(self, checkpoint):
        while self.script:
            step = self.script.pop(0)
            if isinstance(step, Exception):
                raise step
            yield step

    def quota(self):
        return {"left": 5}


class Events:
    def encode(self, document):
        return document["value"].encode()


class Mapping:
    format = Events()

    def render(self, view):
        return [{"value": view["entity_value"]}]


class Sink:
    def __init__(self, *script):
        self.script = list(script)
        self.sent = []
        self.arrived = threading.Event()

    def send(self, messages):
        if self.script:
            step = self.script.pop(0)
            if isinstance(step, Exception):
                raise step
        self.sent += [message.body.decode() for message in messages]
        self.arrived.set()
        return ()


@pytest.fixture
def journal(tmp_path):
    journal = SqliteJournal(SqliteSettings(path=tmp_path / "journal.db"))
    yield journal
    journal.close()


def runner(journal, sources, sinks, stop=None, **options):
    routes = {name: Route(name, tuple(sources), lambda _: True, Mapping(), sink) for name, sink in sinks.items()}
    fed = {name: PolledSource(source, poll_seconds=0.01) for name, source in sources.items()}
    return Runner(fed, routes, journal, retention_seconds=86400 * 30, stop=stop, **options)


@contextmanager
def running(run):
    """The runner in a thread; ended, and its outcome checked, when the block ends."""
    outcome = []
    thread = threading.Thread(target=lambda: outcome.append(run.run()))
    thread.start()
    try:
        yield
    finally:
        run._stop.set()
        thread.join(20)
    assert outcome, "the runner did not end"


def eventually(holds):
    """Whether something comes true soon."""
    for _ in range(2000):
        if holds():
            return True
        time.sleep(0.01)
    return False


def test_once_fetches_then_delivers_everything_and_says_so(journal):
    sink = Sink()
    source, route = runner(journal, {"vt": Source(page(1, 2), page(3))}, {"out": sink}).run_once()
    assert (source.state, source.fetched, source.new) == ("done", 3, 3)
    assert (route.state, route.delivered) == ("done", 3)
    assert sink.sent == ["d1.example", "d2.example", "d3.example"]


def test_an_outage_is_waited_out_and_nothing_is_lost_or_fetched_twice(journal):
    source = Source(page(1), Unavailable("slow down"), page(2), Unavailable("again"), page(3))
    sink = Sink(Unavailable("no"), Unavailable("no"))
    parts = runner(journal, {"vt": source}, {"out": sink}).run_once()
    assert [part.state for part in parts] == ["done", "done"]
    assert sink.sent == ["d1.example", "d2.example", "d3.example"]


def attempts(patience=None):
    class Open:
        @contextmanager
        def lease(self, name):
            yield

    part = Part("vt", "source")
    return Attempts(part, Open(), threading.Event(), patience, say=lambda *_: None, begin=lambda: None)


def scripted(*script):
    """A step that raises or returns what the script says."""
    left = list(script)

    def step():
        if isinstance(what := left.pop(0), Exception):
            raise what
        return what

    return step


@pytest.mark.parametrize("said", [1e300, 2.5e11, float("inf")])
def test_no_retry_after_however_far_off_ends_the_service_or_waits_for_ever(said):
    step = scripted(Unavailable("come back in the year 9999", retry_after=said), "done")
    assert list(attempts().until_done(step)) == [Pause(MAX_RETRY_AFTER_SECONDS)]


def test_once_does_not_sit_out_a_long_wait_and_still_delivers_what_it_has(journal):
    sink = Sink()
    source = Source(page(1), Unavailable("quota exhausted until midnight", retry_after=3600))
    fed, route = runner(journal, {"vt": source}, {"out": sink}).run_once()
    assert (fed.state, fed.message) == ("waiting", "quota exhausted until midnight")
    assert route.delivered == 1


def test_a_misconfigured_part_is_blocked_and_the_others_go_on(journal):
    good, bad = Sink(), Sink(Misconfigured("401: set the password"))
    parts = {p.name: p for p in runner(journal, {"vt": Source(page(1))}, {"good": good, "bad": bad}).run_once()}
    assert (parts["bad"].state, parts["bad"].message) == ("blocked", "401: set the password")
    assert good.sent == ["d1.example"]
    standing = {route.name: route for route in journal.status({"good": ("vt",), "bad": ("vt",)}).routes}
    assert standing["bad"].backlog == 1
    assert standing["bad"].report["state"] == "blocked"
    assert standing["bad"].report["message"] == "401: set the password"


def test_an_unavailable_sink_holds_up_no_other_route(journal):
    good, bad = Sink(), Sink(*[Unavailable("down", retry_after=3600)] * 9)
    with running(runner(journal, {"vt": Source(page(1))}, {"good": good, "bad": bad})):
        assert good.arrived.wait(20)
    assert bad.sent == []


def test_a_route_wakes_up_when_a_source_stores_something(journal):
    release = threading.Event()

    class Late(Source):
        def pages(self, checkpoint):
            release.wait(20)
            yield from super().pages(checkpoint)

    sink = Sink()
    with running(runner(journal, {"vt": Late(page(1))}, {"out": sink})):
        release.set()
        assert sink.arrived.wait(20)


def test_stopping_does_not_wait_for_an_outage_to_end(journal):
    stop = threading.Event()
    waiting = threading.Event()
    run = runner(journal, {"vt": Source(Unavailable("down", retry_after=3600))}, {"out": Sink()}, stop)
    run._on_progress = lambda part: waiting.set() if part.state == "waiting" else None
    with running(run):
        assert waiting.wait(20)


class Held(Sink):
    """Takes a batch only when told to."""

    def __init__(self):
        super().__init__()
        self.entered, self.released = threading.Event(), threading.Event()

    def send(self, messages):
        self.entered.set()
        assert self.released.wait(20)
        return super().send(messages)


def test_a_receiver_that_hangs_holds_up_no_other_route(journal):
    good, hanging = Sink(), Held()
    with running(runner(journal, {"vt": Source(page(1))}, {"good": good, "hanging": hanging})):
        assert hanging.entered.wait(20)
        assert good.arrived.wait(20)
        hanging.released.set()


def test_stopping_finishes_the_batch_at_hand(journal):
    stop = threading.Event()
    sink = Held()
    with running(runner(journal, {"vt": Source(page(1, 2))}, {"out": sink}, stop)):
        assert sink.entered.wait(20)
        stop.set()
        sink.released.set()
    assert sink.sent == ["d1.example", "d2.example"]
    (route,) = journal.status({"out": ("vt",)}).routes
    assert (route.backlog, route.delivered) == (0, 2)


def test_stopping_waits_no_longer_than_allowed_and_the_rest_is_sent_by_the_next_run(journal):
    stop = threading.Event()
    good, hanging = Sink(), Held()
    run = runner(journal, {"vt": Source(page(1))}, {"good": good, "hanging": hanging}, stop, shutdown_seconds=0.2)
    with running(run):
        assert hanging.entered.wait(20)
        assert good.arrived.wait(20)
        stop.set()
    assert run.left_behind() == ["hanging"]
    known = journal.status({"good": ("vt",), "hanging": ("vt",)}).routes
    assert {route.name: route.backlog for route in known} == {"good": 0, "hanging": 1}
    hanging.released.set()
    assert eventually(lambda: run.left_behind() == [])
    assert eventually(lambda: said(journal, "hanging").served_by is None)


def test_what_the_receiver_has_yet_to_confirm_is_confirmed_before_the_end(journal):
    stop = threading.Event()

    class Windowed(Held):
        finished = False

        def unconfirmed(self):
            return 0 if self.finished else len(self.sent)

        def finish(self):
            self.finished = True

    sink = Windowed()
    with running(runner(journal, {"vt": Source(page(1, 2))}, {"out": sink}, stop)):
        assert sink.entered.wait(20)
        stop.set()
        sink.released.set()
    assert sink.finished
    assert journal.status({"out": ("vt",)}).routes[0].backlog == 0


def test_the_position_follows_when_what_was_sent_is_confirmed_by_time_alone(journal, monkeypatch):
    monkeypatch.setattr("connector.pipeline.runner.IDLE_SECONDS", 0.01)

    class Windowed(Sink):
        in_doubt = True

        def unconfirmed(self):
            return len(self.sent) if self.in_doubt else 0

        def finish(self):
            raise AssertionError("there is time")

    sink = Windowed()
    with running(runner(journal, {"vt": Source(page(1, 2))}, {"out": sink})):
        assert sink.arrived.wait(20)
        assert said(journal, "out").backlog == 2
        sink.in_doubt = False
        assert eventually(lambda: said(journal, "out").backlog == 0)


def test_a_part_that_has_ended_although_nobody_asked_is_told(journal):
    held = Held()
    run = runner(journal, {"vt": Source(page(1))}, {"out": Sink(), "held": held})
    run._deliver_until_stopped = lambda attempts: iter(()) if attempts.name == "out" else until_stopped(attempts)
    until_stopped = Runner._deliver_until_stopped.__get__(run)
    assert run.ended() == [], "none has begun"
    with running(run):
        assert held.entered.wait(20)
        assert eventually(lambda: run.ended() == ["out"])
        held.released.set()
    assert run.ended() == []


def idle(run):
    """Whether every route has looked for work, and waits."""
    return all(part.state == "done" for part in run.parts.values()) and run._pool.at_work() == []


@pytest.fixture
def quick_looks(monkeypatch):
    monkeypatch.setattr("connector.pipeline.runner.IDLE_SECONDS", 0.01)


class Counted:
    """The journal, with a count of what is asked of it."""

    def __init__(self, journal):
        self._journal = journal
        self.asked = Counter()

    def __getattr__(self, name):
        self.asked[name] += 1
        return getattr(self._journal, name)


@pytest.mark.usefixtures("quick_looks")
def test_a_route_delivers_what_another_process_fetches(journal, tmp_path):
    other = SqliteJournal(SqliteSettings(path=tmp_path / "journal.db"))
    sink, elsewhere = Sink(), Sink()
    routes = {
        "out": Route("out", ("vt",), lambda _: True, Mapping(), sink),
        "elsewhere": Route("elsewhere", ("another",), lambda _: True, Mapping(), elsewhere),
    }
    run = Runner({}, routes, journal, retention_seconds=1.0)
    with running(run):
        assert eventually(lambda: idle(run))
        with other.lease("vt"):
            other.append("vt", page(1))
        assert sink.arrived.wait(20)
        assert eventually(lambda: idle(run))
    assert (sink.sent, elsewhere.sent) == (["d1.example"], [])
    other.close()


@pytest.mark.usefixtures("quick_looks")
def test_a_route_retries_what_another_process_asks_it_to(journal):
    sink = Sink()
    send, sink.send = sink.send, lambda messages: [Refusal(message, "no") for message in messages]
    run = runner(journal, {"vt": Source(page(1))}, {"out": sink})
    with running(run):
        assert eventually(lambda: idle(run) and said(journal, "out").refused == 1)
        sink.send = send
        journal.ask_retry([letter.id for letter in journal.dead_letters("out")])
        assert sink.arrived.wait(20)
        assert eventually(lambda: said(journal, "out").dead_letters == 0)


@pytest.mark.usefixtures("quick_looks")
def test_idle_routes_ask_nothing_of_the_journal_one_look_is_taken_for_all(journal):
    counted = Counted(journal)
    routes = {str(n): Route(str(n), ("vt",), lambda _: True, Mapping(), Sink()) for n in range(20)}
    run = Runner({}, routes, counted, retention_seconds=1.0)
    with running(run):
        # The first look meets a source that it has not heard of, and wakes its routes.
        assert eventually(lambda: counted.asked["news"] > 20 and idle(run))
        before = counted.asked.copy()
        assert eventually(lambda: counted.asked["news"] > before["news"] + 20)
        assert counted.asked["pending"] == before["pending"]
        assert set(counted.asked) - set(before) == set()


@pytest.mark.usefixtures("quick_looks")
def test_an_idle_route_succeeds_for_as_long_as_the_journal_can_be_read(journal):
    run = Runner({}, {"out": Route("out", ("vt",), lambda _: True, Mapping(), Sink())}, journal, retention_seconds=1.0)
    part = run.parts["out"]
    with running(run):
        assert eventually(lambda: idle(run))
        before = part.succeeded_at
        assert eventually(lambda: part.succeeded_at > before)


@pytest.mark.usefixtures("quick_looks")
def test_an_idle_route_still_sums_up_what_was_refused(journal, log, monkeypatch):
    monkeypatch.setattr("connector.pipeline.runner.SUM_UP_SECONDS", 0.05)
    monkeypatch.setattr("connector.pipeline.refusal_log.SUM_UP_SECONDS", 0.05)
    sink = Sink()
    sink.send = lambda messages: [Refusal(message, "no") for message in messages]
    with running(runner(journal, {"vt": Source(page(1, 2))}, {"out": sink})):
        assert eventually(lambda: "refused_again" in log.events)


@pytest.mark.usefixtures("quick_looks")
def test_leases_are_kept_while_there_is_nothing_to_do_and_a_lost_one_is_noticed(tmp_path):
    now = [1_760_000_000.0]
    elsewhere = Process("elsewhere", "another boot", 7, "1")
    settings = SqliteSettings(path=tmp_path / "journal.db")
    ours = SqliteJournal(settings, process=elsewhere, clock=lambda: now[0])
    other = SqliteJournal(settings, clock=lambda: now[0])
    run = Runner({}, {"out": Route("out", ("vt",), lambda _: True, Mapping(), Sink())}, ours, retention_seconds=1.0)
    with running(run):
        assert eventually(lambda: idle(run))
        now[0] += LEASE_SECONDS - 1
        assert eventually(lambda: lease_ends(other) > now[0] + LEASE_SECONDS / 2)
        with other._database.write() as db:
            db.run("delete_lease", {"name": "out"})
        with other.lease("out"):
            now[0] += LEASE_SECONDS - 1
            assert eventually(lambda: run.parts["out"].state == "waiting")
    ours.close()
    other.close()


def lease_ends(journal):
    with journal._database.read() as db:
        ((*_, expires, _),) = db.run("all_leases", {"now": 0}).fetchall()
    return expires


@pytest.mark.usefixtures("quick_looks")
def test_a_part_that_hangs_is_named_once(journal, log, monkeypatch):
    monkeypatch.setattr("connector.pipeline.runner.HANGING_SECONDS", 0.2)
    held = Held()
    run = runner(journal, {"vt": Source(page(1))}, {"held": held, "out": Sink()})
    with running(run):
        assert eventually(lambda: run.hanging() == ["held"])
        assert eventually(lambda: ("hanging", "held") in log.of_parts)
        looks = Counted(journal)
        run._journal = looks
        assert eventually(lambda: looks.asked["news"] > 5)
        assert (run.stalled(), run.ended()) == ([], [])
        held.released.set()
        assert eventually(lambda: run.hanging() == [])
    assert log.of_parts.count(("hanging", "held")) == 1


def test_a_run_in_which_a_part_finds_no_thread_is_stalled(journal, monkeypatch):
    monkeypatch.setattr("connector.pipeline.runner.STALLED_SECONDS", 0.05)
    for limit in ("THREADS", "EAGER_THREADS"):
        monkeypatch.setattr(f"connector.pipeline.pool.{limit}", 1)
    held, release = Held(), threading.Event()

    class Late(Source):
        def pages(self, checkpoint):
            yield from super().pages(checkpoint) if release.is_set() else ()

    run = runner(journal, {"vt": Late(page(1))}, {"held": held, "out": Sink()})
    with running(run):
        assert eventually(lambda: {part.state for part in run.parts.values()} == {"done"})
        release.set()
        assert held.entered.wait(20)
        assert eventually(lambda: "vt" in run.stalled())
        held.released.set()
        assert eventually(lambda: run.stalled() == [])


def test_what_is_past_the_retention_is_forgotten_once_for_all_sources(journal):
    counted = Counted(journal)
    fed = {name: PolledSource(Source(page(1, 2)), 0.01) for name in ("a", "b", "c")}
    run = Runner(fed, {}, counted, retention_seconds=1.0)
    with running(run):
        assert eventually(lambda: all(part.state == "done" for part in run.parts.values()))
    assert counted.asked["prune"] == 1
    assert {known.name for known in journal.status({}).sources if known.pruned_until} == set()


def test_dead_letters_are_counted_by_who_refused(journal):
    class Picky(Mapping):
        def render(self, view):
            raise Refused("no", by="mapping")

    run = runner(journal, {"vt": Source(page(1, 2))}, {"out": Sink()})
    run._deliveries["out"]._route = Route("out", ("vt",), lambda _: True, Picky(), Sink())
    run.run_once()
    assert run.parts["out"].refused_by == dict.fromkeys(REFUSERS, 0) | {"mapping": 2}


def test_success_is_dated_and_an_outage_is_none(journal, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("connector.pipeline.runner.time.time", lambda: now[0])
    run = runner(journal, {"vt": Source(page(1), Unavailable("down", retry_after=3600))}, {"out": Sink()})
    now[0] = 2000.0
    run.run_once()
    assert run.parts["out"].succeeded_at == 2000.0
    down = runner(journal, {"vt": Source(Unavailable("down", retry_after=3600))}, {"out": Sink()})
    down.parts["vt"].succeeded_at = 1500.0
    down.run_once()
    assert down.parts["vt"].succeeded_at == 1500.0


def test_a_wait_for_a_receiver_goes_on_for_a_while_when_stopping_and_then_ends():
    stop = threading.Event()
    sleep = sleep_until(stop, patience=0.2)
    sleep(0.001)
    stop.set()

    def poll():
        for _ in range(1000):
            sleep(0.01)

    sleep(0.001)
    with pytest.raises(Unavailable, match="asked to stop"):
        poll()
    with pytest.raises(Unavailable):
        sleep(0.01)


@pytest.mark.parametrize("error", [Unavailable("500"), Misconfigured("403")])
def test_a_quota_that_cannot_be_read_holds_nothing_up(journal, error):
    source = Source(page(1))

    def quota():
        raise error

    source.quota = quota
    fed, route = runner(journal, {"vt": source}, {"out": Sink()}).run_once()
    assert (fed.state, fed.quota, route.delivered) == ("done", None, 1)


def test_a_gap_is_told(journal):
    fed, _ = runner(journal, {"vt": Source(page(1, gap=Gap(5, 9)))}, {"out": Sink()}).run_once()
    assert fed.gaps == [Gap(5, 9)]
    assert list(journal.status({}).sources[0].gaps) == [Gap(5, 9)]


def test_a_bug_in_a_part_is_loud_and_stops_everything(journal):
    run = runner(journal, {"vt": Source(page(1))}, {"out": Sink(ZeroDivisionError("bug"))})
    with pytest.raises(ZeroDivisionError):
        run.run()


def test_a_second_process_waits_for_the_lease_of_the_first(journal, tmp_path):
    other = SqliteJournal(SqliteSettings(path=tmp_path / "journal.db"))
    with other.lease("vt"):
        run = runner(journal, {"vt": Source(page(1))}, {"out": Sink()})
        waiting = threading.Event()
        run._on_progress = lambda part: waiting.set() if (part.name, part.state) == ("vt", "waiting") else None
        with running(run):
            assert waiting.wait(20)
            assert "vt" in run.parts["vt"].message
    other.close()
    assert journal.checkpoint("vt") is None


def said(journal, name):
    known = journal.status({"out": ("vt",), "hanging": ("vt",)})
    return next(part for part in (*known.sources, *known.routes) if part.name == name)


def test_a_second_process_that_waits_leaves_the_report_of_the_first_alone(journal, tmp_path):
    other = SqliteJournal(SqliteSettings(path=tmp_path / "journal.db"))
    with other.lease("vt"):
        other.report("vt", {"state": "done", "message": ""})
        run = runner(journal, {"vt": Source(page(1))}, {"out": Sink()})
        reported = threading.Semaphore(0)
        report, run._journal.report = journal.report, lambda *said: (report(*said), reported.release())
        with running(run):
            assert all(reported.acquire(timeout=20) for _ in range(3))
            assert said(other, "vt").report["state"] == "done"
            assert said(other, "vt").served_by is not None
    other.close()


def test_a_first_run_is_running_before_it_has_done_anything(journal):
    sink = Held()
    seen = []

    class Watched(Source):
        def pages(self, checkpoint):
            seen.append(said(journal, "vt"))
            yield from super().pages(checkpoint)

    with running(runner(journal, {"vt": Watched(page(1))}, {"out": sink})):
        assert sink.entered.wait(20)
        assert said(journal, "out").report["state"] == "running"
        assert said(journal, "out").served_by.process == os.getpid()
        sink.released.set()
    assert seen[0].report["state"] == "running"
    assert said(journal, "out").served_by is None


def test_a_part_that_finds_more_to_do_is_done_no_more(journal):
    release, done = threading.Event(), threading.Event()

    class Late(Source):
        def pages(self, checkpoint):
            release.wait(20)
            yield from super().pages(checkpoint)

    sink = Held()
    run = runner(journal, {"vt": Late(page(1))}, {"out": sink})
    run._on_progress = lambda part: done.set() if (part.name, part.state) == ("out", "done") else None
    with running(run):
        assert done.wait(20)
        release.set()
        assert sink.entered.wait(20)
        assert said(journal, "out").report["state"] == "running"
        sink.released.set()


def test_a_part_that_waits_out_an_outage_is_still_served(journal):
    waiting = threading.Event()
    run = runner(journal, {"vt": Source(Unavailable("down", retry_after=3600))}, {"out": Sink()})
    report = journal.report

    def reported(name, said):
        report(name, said)
        if said["state"] == "waiting":
            waiting.set()

    run._journal.report = reported
    with running(run):
        assert waiting.wait(20)
        assert said(journal, "vt").report["message"] == "down"
        assert said(journal, "vt").served_by is not None


def test_a_new_run_does_not_forget_the_quota_that_the_last_one_asked_for(journal):
    runner(journal, {"vt": Source(page(1))}, {"out": Sink()}).run_once()
    seen = []

    class Watched(Source):
        def pages(self, checkpoint):
            seen.append(said(journal, "vt").report)
            yield from super().pages(checkpoint)

    runner(journal, {"vt": Watched()}, {"out": Sink()}).run_once()
    assert (seen[0]["state"], seen[0]["quota"]) == ("running", {"left": 5})


def test_a_run_that_is_stopped_while_it_fetches_says_so_once(journal, capsys):
    stop = threading.Event()
    run = runner(journal, {"vt": Source(page(1))}, {"out": Sink()}, stop)
    run._on_progress = lambda part: stop.set()
    run._log = RecordingLog()
    run.run_once()
    assert run._log.events.count("stopping") == 1


class RecordingLog:
    def __init__(self):
        self.events, self.of_parts = [], []

    def info(self, event, part="", **_):
        self.events.append(event)
        self.of_parts.append((event, part))

    warning = error = info


@pytest.fixture
def log(monkeypatch):
    log = RecordingLog()
    monkeypatch.setattr("connector.telemetry.logger", lambda: log)
    return log


def test_what_needs_a_person_is_tried_again_said_once_and_goes_on_without_a_restart(journal, log):
    refused = [Misconfigured("401: set the key")] * 5
    source = Source(page(1), *refused, page(2), *refused, page(3))
    sink = Sink(*[Misconfigured("403: set the password")] * 5)
    arrived = threading.Event()
    run = runner(journal, {"vt": source}, {"out": sink})
    seen = set()

    def progress(part):
        seen.add((part.name, part.state))
        if run.parts["out"].delivered == 3:
            arrived.set()

    run._on_progress = progress
    with running(run):
        assert arrived.wait(20)
        deadline = time.monotonic() + 20  # what the last page has delivered may be there before its source is done
        while any(part.state != "done" for part in run.parts.values()) and time.monotonic() < deadline:
            time.sleep(0.01)
    assert sink.sent == ["d1.example", "d2.example", "d3.example"]
    assert {("vt", "blocked"), ("out", "blocked")} < seen
    assert [(part.state, part.message) for part in run.parts.values()] == [("done", "")] * 2
    assert (log.events.count("blocked"), log.events.count("unblocked")) == (3, 3)


def test_a_blocked_part_is_said_again_when_the_reason_is_another(journal, log):
    said = [Misconfigured("401"), Misconfigured("401"), Unavailable("down"), Misconfigured("401"), Misconfigured("404")]
    sink = Sink(*said)
    with running(runner(journal, {"vt": Source(page(1))}, {"out": sink})):
        assert sink.arrived.wait(20)
    assert log.events.count("blocked") == 2


def test_a_blocked_part_leaves_its_lease_to_others_and_is_still_shown_as_served(journal, tmp_path):
    other = SqliteJournal(SqliteSettings(path=tmp_path / "journal.db"))
    blocked = threading.Event()
    sink = Sink(*[Misconfigured("401")] * 10_000)
    run = runner(journal, {"vt": Source(page(1))}, {"out": sink})
    report = journal.report

    def reported(name, said):
        report(name, said)
        if said["state"] == "blocked":
            blocked.set()

    run._journal.report = reported
    with running(run):
        assert blocked.wait(20)
        assert said(other, "out").report.items() >= {"state": "blocked", "message": "401"}.items()
        assert said(other, "out").served_by.process == os.getpid()
        with other.lease("out"):
            pass
    other.close()


def test_what_needs_a_person_is_tried_more_and_more_seldom(monkeypatch):
    monkeypatch.setattr("connector.pipeline.retry.BLOCKED_WAIT_SECONDS", 60.0)
    monkeypatch.setattr("connector.pipeline.retry.MAX_BLOCKED_WAIT_SECONDS", 900.0)
    step = scripted(*[Misconfigured("401")] * 6, "done", Misconfigured("401"), "done")
    tried = attempts()
    assert [pause.seconds for pause in tried.until_done(step)] == [60, 120, 240, 480, 900, 900]
    assert [pause.seconds for pause in tried.until_done(step)] == [60]


@pytest.mark.parametrize("is_replaced", [False, True])
def test_a_journal_that_is_deleted_while_it_is_in_use_blocks_everything(journal, tmp_path, monkeypatch, is_replaced):
    monkeypatch.setattr("connector.pipeline.runner.IDLE_SECONDS", 0.01)
    sink = Sink()
    run = runner(journal, {"vt": Source(page(1))}, {"out": sink})
    outcome = []
    thread = threading.Thread(target=lambda: outcome.extend(run.run()))
    thread.start()
    try:
        assert sink.arrived.wait(20)
        (tmp_path / "journal.db").rename(tmp_path / "moved.db")
        if is_replaced:
            (tmp_path / "journal.db").touch()
        for _ in range(2000):
            if all(part.state == "blocked" for part in run.parts.values()):
                break
            run._stop.wait(0.01)
    finally:
        run._stop.set()
        thread.join(20)
    assert [part.state for part in outcome] == ["blocked", "blocked"]
    assert [part.message for part in outcome if "deleted, moved or replaced" not in part.message] == []


class Barren(Mapping):
    """Makes nothing, as one whose paths are misspelt, until it is told to."""

    makes = False

    def render(self, view):
        return super().render(view) if self.makes else []


def test_what_a_mapping_makes_nothing_of_is_counted_apart_over_runs(journal):
    mapping = Barren()

    def ran(source, wants=lambda _: True):
        run = runner(journal, {"vt": source}, {"out": Sink()})
        run._deliveries["out"]._route = Route("out", ("vt",), wants, mapping, Sink())
        return run.run_once()[1]

    part = ran(Source(page(1, 2)))
    assert (part.made_nothing, part.delivered, part.filtered, part.nothing_passed) == (2, 0, 0, 2)
    part = ran(Source(page(3)), wants=lambda _: False)
    assert (part.made_nothing, part.made_nothing_ever, part.filtered, part.nothing_passed) == (0, 2, 1, 3)
    report = said(journal, "out").report
    assert (report["made_nothing"], report["nothing_passed"]) == (2, 3)
    mapping.makes = True
    part = ran(Source(page(4)))
    assert (part.made_nothing, part.made_nothing_ever, part.delivered, part.nothing_passed) == (0, 2, 1, 0)
