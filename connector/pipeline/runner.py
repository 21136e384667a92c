"""Threads: one for each source and route, when each fetches, delivers or looks up, and how all are stopped."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from connector import telemetry
from connector.model import ConnectorError, Misconfigured, Unavailable
from connector.pipeline.deliver import Delivery
from connector.pipeline.fetch import Pages
from connector.pipeline.look_ups import LookUps
from connector.pipeline.part import Part, State
from connector.pipeline.refusal_log import RefusalLog
from connector.pipeline.reread import reread_asked
from connector.pipeline.retry import Stopping, Worker
from connector.pipeline.route import Route
from connector.pipeline.send import BatchOutcome
from connector.pipeline.upkeep import KEPT, Upkeep, restore
from connector.ports import Journal, Source

PATIENCE_ONCE_SECONDS = 60.0
"""How long `run_once` waits for an outage to end before it leaves the rest for the next run."""
LOOK_UPS_ONCE_SECONDS = 60.0
"""How long `run_once` looks up what notifications name before it leaves the rest for the next run."""
IDLE_SECONDS = 5.0
"""How often an idle route looks for notifications that another process stored."""
SHUTDOWN_SECONDS = 30.0
"""How long those at work may go on when asked to stop, unless the configuration says otherwise."""
_GLANCE_SECONDS = 0.5
"""How often the runner looks whether it was asked to stop, while its threads work."""


@dataclass(frozen=True, slots=True)
class PolledSource:
    """A source, how long to wait between polls, and how many look-ups a day (UTC) it may make."""

    source: Source
    poll_seconds: float
    look_ups_per_day: int = 0


class Runner:
    """Runs sources and routes over one journal."""

    def __init__(
        self,
        sources: Mapping[str, PolledSource],
        routes: Mapping[str, Route],
        journal: Journal,
        *,
        retention_seconds: float,
        shutdown_seconds: float = SHUTDOWN_SECONDS,
        stop: threading.Event | None = None,
        on_progress: Callable[[Part], None] = lambda _: None,
    ) -> None:
        self._sources = sources
        self._routes = routes
        self._journal = journal
        self._upkeep = Upkeep(
            journal, {name: route.sources for name, route in routes.items()}, retention_seconds=retention_seconds
        )
        self._shutdown_seconds = shutdown_seconds
        self._stop = stop or threading.Event()
        self._on_progress = on_progress
        self._log = telemetry.logger()
        self.parts = {name: Part(name, "source") for name in sources} | {name: Part(name, "route") for name in routes}
        self._deliveries = {name: Delivery(route, journal) for name, route in routes.items()}
        self._refusals = {name: RefusalLog(name) for name in routes}
        self._look_ups = {
            name: LookUps(
                self.parts[name],
                polled.source,
                polled.look_ups_per_day,
                journal=journal,
                on_news=partial(self._wake, self.parts[name]),
            )
            for name, polled in sources.items()
        }
        self._appended = {name: threading.Event() for name in routes}
        self._bugs: list[BaseException] = []
        self._running: Mapping[str, threading.Thread] = {}

    def run(self) -> Sequence[Part]:
        """Run until `stop` is set."""
        self._threads(
            dict.fromkeys(self._sources, self._poll_until_stopped)
            | dict.fromkeys(self._routes, self._deliver_until_stopped)
        )
        return list(self.parts.values())

    def run_once(self) -> Sequence[Part]:
        """Fetch what there is, then deliver what is pending, and return; an outage is tried a few times only.

        Look-ups come after that, and what they say of what was delivered goes out last.
        """
        self._threads(dict.fromkeys(self._sources, self._fetch), PATIENCE_ONCE_SECONDS)
        if not self._stop.is_set():
            self._threads(dict.fromkeys(self._routes, self._deliver), PATIENCE_ONCE_SECONDS)
        if not self._stop.is_set():
            done = [name for name in self._sources if self.parts[name].state == "done"]
            self._threads(dict.fromkeys(done, self._look_up), PATIENCE_ONCE_SECONDS)
        if not self._stop.is_set() and any(self.parts[name].learned for name in self._sources):
            done = [name for name in self._routes if self.parts[name].state == "done"]
            self._threads(dict.fromkeys(done, self._deliver), PATIENCE_ONCE_SECONDS)
        return list(self.parts.values())

    def left_behind(self) -> Sequence[str]:
        """The parts whose threads were still at work when the time to stop was up; they end with the process."""
        return [name for name, thread in self._running.items() if thread.is_alive()]

    def dead(self) -> Sequence[str]:
        """The parts that should be running and have no thread, which only a bug brings about."""
        if self._stop.is_set():
            return []
        return [name for name, thread in self._running.items() if not thread.is_alive()]

    def _threads(self, works: Mapping[str, Callable[[Worker], None]], patience: float | None = None) -> None:
        """Give each part a thread, and wait for all; once asked to stop, not for longer than the time to stop."""

        def guarded(name: str, work: Callable[[Worker], None]) -> None:
            try:
                self._part(name, work, patience)
            except BaseException as bug:  # noqa: BLE001 -- raised again below, in the caller's thread: it ends the program
                self._bugs.append(bug)
                self._stop.set()

        threads = {
            name: threading.Thread(target=guarded, args=(name, work), name=name, daemon=True)
            for name, work in works.items()
        }
        for thread in threads.values():
            thread.start()
        self._running = threads
        for thread in threads.values():
            while thread.is_alive() and not self._stop.is_set():
                thread.join(_GLANCE_SECONDS)
        if self._stop.is_set():
            self._end(threads)
        if self._bugs:
            raise self._bugs[0]

    def _end(self, threads: Mapping[str, threading.Thread]) -> None:
        """Let those at work finish their batches. What takes too long is not lost: it is done again by the next run."""
        if not self._bugs:
            self._log.info("stopping", at_work=self.left_behind(), seconds=self._shutdown_seconds)
        deadline = time.monotonic() + self._shutdown_seconds
        for appended in self._appended.values():
            appended.set()  # wakes idle routes
        for thread in threads.values():
            thread.join(max(0.0, deadline - time.monotonic()))
        for name in self.left_behind():
            self._log.warning("left_behind", part=name, seconds=self._shutdown_seconds)

    def _part(self, name: str, work: Callable[[Worker], None], patience: float | None = None) -> None:
        """Run one source or route, until there is nothing left to do or it is asked to stop."""
        part = self.parts[name]
        worker = Worker(
            part, self._journal, self._stop, patience, say=partial(self._say, part), begin=partial(self._begin, part)
        )
        try:
            work(worker)
        except Misconfigured as error:
            worker.block(error)
        except Unavailable as error:
            self._log.warning("left_for_the_next_run", part=name, reason=str(error))
        except Stopping:
            pass
        finally:
            if part.kind == "route":
                self._refusals[name].sum_up(at_end=True)
            worker.release()

    def _poll_until_stopped(self, worker: Worker) -> None:
        while not self._stop.is_set():
            self._fetch(worker)
            next_poll = time.monotonic() + self._sources[worker.name].poll_seconds
            self._look_up(worker)
            self._stop.wait(max(0.0, next_poll - time.monotonic()))

    def _fetch(self, worker: Worker) -> None:
        """Store all pages that there are now."""
        part = self.parts[worker.name]
        pages = Pages(part.name, self._sources[part.name].source, self._journal)
        while (stored := worker.patiently(pages.next)) is not None:
            part.fetched += stored.notifications
            part.new += stored.new
            for reason in stored.unreadable:
                self._log.error("unreadable", part=part.name, reason=reason)
            if stored.gap:
                part.gaps.append(stored.gap)
                self._log.error("notifications_lost", part=part.name, start=stored.gap.start, end=stored.gap.end)
            if stored.new:
                self._resume(part)
                self._log.info("stored", part=part.name, notifications=stored.notifications, new=stored.new)
                self._wake(part)
            self._on_progress(part)
        if worker.patiently(lambda: reread_asked(part.name, self._sources[part.name].source, self._journal)):
            self._wake(part)
        worker.patiently(lambda: self._upkeep.see_to(part, self._sources[part.name].source))
        self._say(part, "done", "")

    def _look_up(self, worker: Worker) -> None:
        """Look up what notifications name, until the next poll is due or the time for it is up."""
        part, polled = self.parts[worker.name], self._sources[worker.name]
        trouble = part.look_up_trouble
        seconds = LOOK_UPS_ONCE_SECONDS if worker.is_once else polled.poll_seconds
        self._look_ups[part.name].make(worker, seconds, self._stop)
        if part.state != "done" or part.look_up_trouble != trouble:
            self._say(part, "done", "")

    def _wake(self, part: Part) -> None:
        """Have the routes that read a source look for what is new."""
        for name, route in self._routes.items():
            if part.name in route.sources:
                self._appended[name].set()

    def _deliver_until_stopped(self, worker: Worker) -> None:
        with suppress(Stopping):
            while not self._stop.is_set():
                self._appended[worker.name].clear()
                self._deliver(worker)
                if self._appended[worker.name].wait(IDLE_SECONDS) and not self._stop.is_set():
                    self._resume(self.parts[worker.name])
        self._deliveries[worker.name].finish()

    def _deliver(self, worker: Worker) -> None:
        """Deliver all that is pending now."""
        part = self.parts[worker.name]
        delivery, refusals = self._deliveries[part.name], self._refusals[part.name]

        def step() -> BatchOutcome | None:
            batch = delivery.step()
            if batch is None and worker.is_once:
                delivery.finish()
            return batch

        while (batch := worker.patiently(step)) is not None:
            part.count(batch)
            self._resume(part)
            done = {"filtered": batch.filtered, "refused": batch.refused, "messages": batch.messages}
            if batch.made_nothing:
                done["made_nothing"] = batch.made_nothing
            if batch.revised:
                self._log.info("revised", part=part.name, notifications=batch.revised, **done)
            else:
                self._log.info("delivered", part=part.name, notifications=batch.delivered, **done)
            refusals.tell(batch.dead_letters)
            self._on_progress(part)
        refusals.sum_up(at_end=worker.is_once)
        if part.state != "done":
            self._say(part, "done", "")

    def _begin(self, part: Part) -> None:
        """Say that a part is at work; it goes on with what an earlier run has written down of it."""
        report = self._journal.reported(part.name)
        if part.kind == "source":
            restore(part, report)
        else:
            route = self._routes[part.name]
            self._journal.enlist(route.name, route.sources, route.receiver, reads_all=route.reads_all)
            part.made_nothing_ever, part.nothing_passed = report.get("made_nothing", 0), report.get("nothing_passed", 0)
            self._deliveries[part.name].streak.restore(report.get("refused_streak", {}))
        self._say(part, "running", "")

    def _resume(self, part: Part) -> None:
        """Say that a part that was done has found more to do."""
        if part.state == "done":
            self._say(part, "running", "")

    def _say(self, part: Part, state: State, message: str) -> None:
        part.state, part.message = state, message
        self._on_progress(part)
        try:
            if part.kind == "source":
                kept = {key: getattr(part, key) for key in KEPT}
            else:
                kept = {
                    "refused_streak": self._deliveries[part.name].streak.as_json(),
                    "made_nothing": part.made_nothing_ever,
                    "nothing_passed": part.nothing_passed,
                }
            self._journal.report(part.name, {"state": state, "message": message, **kept})
        except ConnectorError as error:
            # The report is a courtesy to `status`; when the journal is what is wrong, the log has it.
            self._log.warning("journal_unavailable", part=part.name, reason=str(error))


def sleep_until(stop: threading.Event, patience: float) -> Callable[[float], None]:
    """A `time.sleep` for parts that wait for a receiver to finish: once asked to stop, it goes on for so many seconds.

    Raises:
        Unavailable: when they are over; what the receiver has not confirmed is sent again by the next run.
    """
    over = float("inf")

    def sleep(seconds: float) -> None:
        nonlocal over
        if not stop.wait(seconds):
            return
        over = min(over, time.monotonic() + patience)
        if time.monotonic() >= over:
            raise Unavailable("asked to stop while the receiver was still at work; the next run sends it again")
        time.sleep(min(seconds, _GLANCE_SECONDS))

    return sleep
