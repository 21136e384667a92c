"""When each source and route fetches, delivers or looks up, and how all are stopped.

What each does is a generator, of which `connector.pipeline.pool` takes step after step. A step is a page, a batch or a
look-up, so that all have their turn.
"""

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from connector import telemetry
from connector.model import ConnectorError, Misconfigured, Unavailable
from connector.pipeline.deliver import Delivery
from connector.pipeline.fetch import Walk
from connector.pipeline.look_ups import LookUps
from connector.pipeline.part import Part, State
from connector.pipeline.pool import NOT_AT_ALL, Pause, Pool, Steps
from connector.pipeline.refusal_log import SUM_UP_SECONDS, RefusalLog
from connector.pipeline.reread import reread_asked
from connector.pipeline.retry import Attempts, Stopping
from connector.pipeline.route import Route
from connector.pipeline.send import BatchOutcome
from connector.pipeline.upkeep import KEPT, UPKEEP_SECONDS, Upkeep, restore
from connector.ports import Journal, SharedJournal, Source

PATIENCE_ONCE_SECONDS = 60.0
"""How long `run_once` waits for an outage to end before it leaves the rest for the next run."""
LOOK_UPS_ONCE_SECONDS = 60.0
"""How long `run_once` looks up what notifications name before it leaves the rest for the next run."""
IDLE_SECONDS = 5.0
"""How often one look is taken at the journal, for all routes, at what other processes have stored."""
SHUTDOWN_SECONDS = 30.0
"""How long those at work may go on when asked to stop, unless the configuration says otherwise."""
HANGING_SECONDS = 900.0
"""A part that is in one step for longer is named in the log and by `/readyz`."""
STALLED_SECONDS = 600.0
"""A pool in which a part finds no thread for longer does not work: the process is worth a restart."""
_GLANCE_SECONDS = 0.5
"""How often a sink that waits for its receiver looks whether its time is up, once asked to stop."""
_WATCH = "the journal's news"
"""The name of the task that takes the one look for all routes; no part has a space in its name."""


@dataclass(frozen=True, slots=True)
class PolledSource:
    """A source, how long to wait between polls, and how many look-ups a day (UTC) it may make.

    Attributes:
        waits_for: see `connector.settings.parts.SourceSettings.waits_for`.
    """

    source: Source
    poll_seconds: float
    look_ups_per_day: int = 0
    waits_for: str = ""


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
        self._shared = journal if isinstance(journal, SharedJournal) else None
        self._allotted: Collection[str] = self.parts.keys()
        self._has_share = self._shared is None
        self._deliveries = {name: self._delivery(name) for name in routes}
        self._refusals = {name: RefusalLog(name) for name in routes}
        self._look_ups = {
            name: LookUps(
                self.parts[name],
                polled.source,
                polled.look_ups_per_day,
                journal=journal,
                on_news=partial(self._wake_readers, self.parts[name]),
            )
            for name, polled in sources.items()
        }
        self._readers: dict[str, list[str]] = {}
        for name, route in routes.items():
            for source in route.sources:
                self._readers.setdefault(source, []).append(name)
        self._pool = Pool({}, self._stop)
        self._begun: Sequence[str] = ()
        self._is_once = False

    def run(self) -> Sequence[Part]:
        """Run until `stop` is set. Of a journal that others share, only what is allotted to this process."""
        if self._shared is not None:
            self._allotted = frozenset()
        self._take_turns(
            dict.fromkeys(self._sources, self._poll_until_stopped)
            | dict.fromkeys(self._routes, self._deliver_until_stopped),
            {_WATCH: (self._watch_journal(), _WATCH)},
        )
        return list(self.parts.values())

    def run_once(self) -> Sequence[Part]:
        """Fetch what there is, then deliver what is pending, and return; an outage is tried a few times only.

        Look-ups come after that, and what they say of what was delivered goes out last.
        """
        self._is_once = True
        with suppress(ConnectorError):  # each part finds out for itself, and says so
            self._journal.end_judgements()
        self._take_turns(dict.fromkeys(self._sources, self._fetch))
        if not self._stop.is_set():
            self._take_turns(dict.fromkeys(self._routes, self._deliver))
        if not self._stop.is_set():
            done = [name for name in self._sources if self.parts[name].state == "done"]
            self._take_turns(dict.fromkeys(done, self._look_up))
        if not self._stop.is_set() and any(self.parts[name].learned for name in self._sources):
            done = [name for name in self._routes if self.parts[name].state == "done"]
            self._take_turns(dict.fromkeys(done, self._deliver))
        return list(self.parts.values())

    def left_behind(self) -> Sequence[str]:
        """The parts that had not ended when the time to stop was up; they go on, and end with the process."""
        return self._parts_of(self._pool.unfinished())

    def ended(self) -> Sequence[str]:
        """The parts that should be running and have ended, which only a bug brings about."""
        if self._stop.is_set() or self._is_once:
            return []
        unfinished = set(self._pool.unfinished())
        return [name for name in self._begun if name not in unfinished]

    def hanging(self) -> Sequence[str]:
        """The parts that have been in one step for very long, such as one whose receiver takes hours to answer."""
        return self._parts_of(self._pool.at_work(HANGING_SECONDS))

    def stalled(self) -> Sequence[str]:
        """The parts that have something to do and found no thread for very long, although they keep none for long."""
        return [] if self._stop.is_set() else self._parts_of(self._pool.kept_waiting(STALLED_SECONDS))

    def _parts_of(self, tasks: Sequence[str]) -> Sequence[str]:
        return [name for name in tasks if name in self.parts]

    def _take_turns(
        self,
        works: Mapping[str, Callable[[Attempts], Steps[None]]],
        others: Mapping[str, tuple[Steps[None], str]] = MappingProxyType({}),
    ) -> None:
        """Run parts until they have ended; once asked to stop, not for longer than the time to stop."""
        tasks = {name: (self._serve(name, work), self._waits_for(name)) for name, work in works.items()}
        self._pool = Pool({**others, **tasks}, self._stop)
        self._begun = list(tasks)
        self._pool.run()
        if not self._stop.is_set():
            return
        if not self._pool.has_failed():
            self._log.info("stopping", at_work=self._parts_of(self._pool.at_work()), seconds=self._shutdown_seconds)
        try:
            self._pool.end(self._shutdown_seconds)
        finally:
            for name in self.left_behind():
                self._log.warning("left_behind", part=name, seconds=self._shutdown_seconds)

    def _waits_for(self, name: str) -> str:
        waits_for = self._routes[name].waits_for if name in self._routes else self._sources[name].waits_for
        return waits_for or name

    def _serve(self, name: str, work: Callable[[Attempts], Steps[None]]) -> Steps[None]:
        """What one source or route does, until there is nothing left to do or it is asked to stop."""
        part = self.parts[name]
        patience = PATIENCE_ONCE_SECONDS if self._is_once else None
        is_ours = partial(self._is_ours, name)
        attempts = Attempts(
            part,
            self._journal,
            self._stop,
            patience,
            say=partial(self._say, part),
            begin=partial(self._begin, part),
            is_ours=is_ours,
        )
        try:
            yield from self._until_ours(part)
            yield from self._work(attempts, work)
            while not is_ours() and not self._stop.is_set():
                self._let_go(part, attempts)
                yield from self._until_ours(part)
                yield from self._work(attempts, work)
        except Misconfigured as error:
            attempts.block(error)
        except Unavailable as error:
            self._log.warning("left_for_the_next_run", part=name, reason=str(error))
        finally:
            if part.kind == "route":
                self._refusals[name].sum_up(at_end=True)
            attempts.release()

    def _work(self, attempts: Attempts, work: Callable[[Attempts], Steps[None]]) -> Steps[None]:
        """Work until the part is to do nothing more."""
        try:
            with suppress(Stopping):
                yield from work(attempts)
        except ConnectorError as error:
            if self._is_ours(attempts.name) or self._stop.is_set():
                raise
            self._log.warning("left_for_another_process", part=attempts.name, reason=str(error))

    def _is_ours(self, name: str) -> bool:
        return name in self._allotted

    def _until_ours(self, part: Part) -> Steps[None]:
        """Wait until a part is allotted to this process. What it did before, another may have gone on with."""
        while not self._is_ours(part.name) and not self._stop.is_set():
            part.state, part.message, part.retry_at = "elsewhere", "", None
            yield Pause(IDLE_SECONDS)

    def _let_go(self, part: Part, attempts: Attempts) -> None:
        """Have another process serve a part, which may want the file or the connection."""
        if part.kind == "route":
            self._routes[part.name].sink.close()
            self._deliveries[part.name] = self._delivery(part.name)
        attempts.release()

    def _delivery(self, name: str) -> Delivery:
        return Delivery(self._routes[name], self._journal, partial(self._go_on, self.parts[name]))

    def _share(self) -> None:
        """Learn which parts are this process's, and have those begin or end that were others' or are now."""
        if self._shared is None or self._stop.is_set():
            return
        fetched = sum(part.fetched for part in self.parts.values())
        delivered = sum(part.delivered for part in self.parts.values())
        before = self._allotted
        self._allotted = self._shared.allot([list(self._sources), list(self._routes)], fetched, delivered)
        self._has_share = True
        if set(before) != set(self._allotted):
            self._log.info("share", parts=sorted(self._allotted), of=len(self.parts))
        self._pool.hurry(
            name for name, part in self.parts.items() if self._is_ours(name) is (part.state == "elsewhere")
        )

    def _have_all_find_out(self) -> None:
        """The journal cannot be reached: each part finds out for itself, and says so."""
        if self._has_share:
            self._pool.wake(self._routes)
        else:
            self._allotted = self.parts.keys()
            self._pool.hurry(self.parts)

    def _watch_journal(self) -> Steps[None]:
        """Have routes look for what other processes have stored, and keep the leases: one look for all of them."""
        seen: Mapping[str, object] = {}
        hanging: Sequence[str] = ()
        while not self._stop.is_set():
            try:
                self._pool.wake(self._journal.renew_leases())
                self._share()
                self._journal.end_judgements()
                news = self._journal.news()
            except ConnectorError:
                self._have_all_find_out()
            else:
                self._pool.wake(news.to_retry)
                for source, mark in news.sources.items():
                    if seen.get(source) != mark:
                        self._pool.wake(self._readers.get(source, ()))
                seen = news.sources
                for name in self._routes:
                    if self.parts[name].state == "done":  # and it would have been woken if there were more
                        self.parts[name].succeeded_at = time.time()
            before, hanging = hanging, self.hanging()
            for name in hanging:
                if name not in before:
                    self._log.error("hanging", part=name, seconds=HANGING_SECONDS)
            yield Pause(IDLE_SECONDS)

    def _poll_until_stopped(self, attempts: Attempts) -> Steps[None]:
        while not self._stop.is_set() and self._is_ours(attempts.name):
            yield from self._fetch(attempts)
            next_poll = time.monotonic() + self._sources[attempts.name].poll_seconds
            yield from self._look_up(attempts)
            yield Pause(next_poll - time.monotonic())

    def _fetch(self, attempts: Attempts) -> Steps[None]:
        """Store all pages that there are now."""
        part = self.parts[attempts.name]
        source = self._sources[part.name].source
        walk = Walk(part.name, source, self._journal)
        while (stored := (yield from attempts.until_done(walk.next))) is not None:
            part.fetched += stored.notifications
            part.new += stored.new
            for reason in stored.unreadable:
                part.count_unreadable(reason)
                self._log.error("unreadable", part=part.name, reason=reason)
            if stored.gap:
                part.gaps.append(stored.gap)
                self._log.error("notifications_lost", part=part.name, start=stored.gap.start, end=stored.gap.end)
            if stored.new:
                self._go_on(part)
                self._log.info("stored", part=part.name, notifications=stored.notifications, new=stored.new)
                self._wake_readers(part)
            self._on_progress(part)
            yield NOT_AT_ALL
        rereading = reread_asked(part.name, source, self._journal)
        while (read := (yield from attempts.until_done(lambda: next(rereading, None)))) is not None:
            if read:
                self._wake_readers(part)
            yield NOT_AT_ALL
        yield from attempts.until_done(lambda: self._upkeep.see_to(part, source))
        self._say(part, "done", "")

    def _look_up(self, attempts: Attempts) -> Steps[None]:
        """Look up what notifications name, until the next poll is due or the time for it is up."""
        part, polled = self.parts[attempts.name], self._sources[attempts.name]
        trouble = part.look_up_trouble
        seconds = LOOK_UPS_ONCE_SECONDS if attempts.is_once else polled.poll_seconds
        yield from self._look_ups[part.name].make(attempts, seconds, self._stop)
        if part.state != "done" or part.look_up_trouble != trouble:
            self._say(part, "done", "")

    def _wake_readers(self, part: Part) -> None:
        """Have the routes that read a source look for what is new."""
        self._pool.wake(self._readers.get(part.name, ()))

    def _deliver_until_stopped(self, attempts: Attempts) -> Steps[None]:
        with suppress(Stopping):
            while not self._stop.is_set() and self._is_ours(attempts.name):
                yield from self._deliver(attempts)
                yield self._until_woken(attempts.name)
        self._deliveries[attempts.name].finish()

    def _until_woken(self, name: str) -> Pause:
        """How long a route waits that has nothing to deliver: at most until it is time for something else."""
        seconds = min(UPKEEP_SECONDS, self._deliveries[name].busy.seconds_left)
        if self._refusals[name].has_repeats:
            seconds = SUM_UP_SECONDS
        if self._deliveries[name].is_held:
            seconds = IDLE_SECONDS
        return Pause(seconds, until_woken=True)

    def _deliver(self, attempts: Attempts) -> Steps[None]:
        """Deliver all that is pending now."""
        part = self.parts[attempts.name]
        delivery, refusals = self._deliveries[part.name], self._refusals[part.name]

        def step() -> BatchOutcome | None:
            batch = delivery.step()
            if batch is None and attempts.is_once:
                delivery.finish()
            if batch is None:
                self._upkeep.see_to_route(self._routes[part.name])
            return batch

        while (batch := (yield from attempts.until_done(step))) is not None:
            part.count(batch)
            done = {"filtered": batch.filtered, "refused": batch.refused, "messages": batch.messages}
            rarer = ("made_nothing", "withdrawn", "muted", "guarded", "judged", "reconsidered")
            done |= {name: count for name in rarer if (count := getattr(batch, name))}
            if batch.is_nothing:
                yield NOT_AT_ALL
                continue
            if batch.revised:
                self._log.info("revised", part=part.name, notifications=batch.revised, **done)
            else:
                self._log.info("delivered", part=part.name, notifications=batch.delivered, **done)
            refusals.tell(batch.dead_letters)
            self._on_progress(part)
            yield NOT_AT_ALL
        refusals.sum_up(at_end=attempts.is_once)
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

    def _go_on(self, part: Part) -> None:
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
            self._journal.report(part.name, {"state": state, "message": message, "retry_at": part.retry_at, **kept})
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
