"""Delivering one notification on one route now, whether the journal has it yet or not, and what its receiver says."""

import threading
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace

from connector import app, kinds, notification
from connector.configuration import Plan
from connector.model import Entry, Message, Misconfigured, Notification, Page, Refusal, Refused
from connector.operations.route import Interrupted, open_route, until_stopped
from connector.pipeline.deliver import Delivery
from connector.pipeline.redeliver import redeliver
from connector.pipeline.route import Route
from connector.pipeline.send import BatchOutcome, finish, unconfirmed
from connector.ports import Journal, SearchableSource, Sink


@dataclass(frozen=True, slots=True)
class Pushed:
    """What came of a push.

    Attributes:
        entries: the notification in the journal: one entry for each of the route's sources that has it.
        batches: what became of each, in the same order.
        accepted, refused: what was sent for them, and how the receiver answered.
        fetched: whether it was asked of VirusTotal, and stored, because the journal did not have it.
        before: how many notifications the route had to deliver first, because they are before it in the journal.
    """

    entries: Sequence[Entry]
    batches: Sequence[BatchOutcome]
    accepted: Sequence[Message]
    refused: Sequence[Refusal]
    fetched: bool
    before: int


def push(plan: Plan, name: str, notification_id: str, stop: threading.Event | None = None) -> Pushed:
    """Deliver a notification on a route, under the route's lease.

    One that the journal lacks is asked of VirusTotal and stored as a poll would store it, so that every route that
    reads its source delivers it in its turn. One that the route has not come to yet is delivered in order, after all
    that is before it; one that it has dealt with is sent again, in the version given out the first time.

    Raises:
        Unavailable: another process serves the source or route, or the receiver or VirusTotal is away.
        Interrupted: `stop` was set before it was done.
        Refused: neither the journal nor VirusTotal has the notification.
        NotFound: there is no such route.
        Misconfigured: none of its sources can be asked for a notification.
    """
    plan.route(name)
    stop = stop or threading.Event()
    return until_stopped(lambda: _push(plan, name, notification_id, stop), stop, plan.settings.shutdown_seconds)


def _push(plan: Plan, name: str, notification_id: str, stop: threading.Event) -> Pushed:
    with app.open_journal(plan, make=True) as journal:
        sources = plan.reads()[name]
        entries = journal.find(sources, notification_id)
        fetched = not entries
        if fetched:
            entries = _fetched(plan, journal, sources, notification_id)
        observed = ObservedSink(frozenset(entry.seq for entry in entries))
        with open_route(plan, name, journal, stop, observed.wrap) as route, journal.lease(name):
            before = 0
            batches = []
            for entry in entries:
                before += _catch_up(route, journal, entry, stop)
                batches.append(_deliver(route, journal, entry))
    return Pushed(entries, batches, observed.accepted, observed.refused, fetched, before)


def stream_item(source: SearchableSource, notification_id: str) -> Notification:
    """A notification by its id, as a poll would store it: its stream item, which says more than its own object.

    Raises:
        Refused: there is no such notification, or no longer.
    """
    found = source.get(notification_id)
    try:
        said = notification.view(found)["notification"]
    except Refused:
        return found
    if any(c.isspace() for c in said["entity_id"]):  # no term of a filter
        return found
    items, _ = source.search(f"entity_id:{said['entity_id']}", found.date)
    return next((item for item in items if item.id == notification_id), found)


@dataclass(slots=True)
class ObservedSink:
    """A sink that passes everything on to another, and remembers its answers to the messages of some entries."""

    seqs: frozenset[int]
    accepted: list[Message] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    sink: Sink = field(init=False)

    def wrap(self, sink: Sink) -> Sink:
        """Pass everything on to a sink; return this one, to be used in its place."""
        self.sink = sink
        return self

    def send(self, messages: Sequence[Message]) -> Sequence[Refusal]:
        """See `connector.ports.Sink`."""
        refusals = self.sink.send(messages)
        refused = {id(refusal.message) for refusal in refusals}
        self.refused += [refusal for refusal in refusals if refusal.message.seq in self.seqs]
        self.accepted += [each for each in messages if each.seq in self.seqs and id(each) not in refused]
        return refusals

    def unconfirmed(self) -> int:
        """See `connector.ports.Confirmation`."""
        return unconfirmed(self.sink)

    def finish(self) -> None:
        """See `connector.ports.Confirmation`."""
        finish(self.sink)

    def check(self) -> str:
        """See `connector.ports.Sink`."""
        return self.sink.check()

    def close(self) -> None:
        """See `connector.ports.Sink`."""
        self.sink.close()


def _fetched(plan: Plan, journal: Journal, sources: Sequence[str], notification_id: str) -> Sequence[Entry]:
    """Ask the route's sources for the notification, and store it; the checkpoint stays as it is."""
    asked = {name: plan.settings.sources[name] for name in sources}
    if all(settings.upstream() is None for settings in asked.values()):
        raise Misconfigured(
            f"the journal has no notification {notification_id!r} from {', '.join(sources)},"
            " and no source of this route can be asked for one"
        )
    unknown: Refused | None = None
    for name, settings in asked.items():
        if settings.upstream() is None:
            continue
        with journal.lease(name), closing(kinds.make_searchable_source(settings)) as source:
            try:
                found = stream_item(source, notification_id)
            except Refused as error:
                unknown = error
                continue
            journal.append(name, Page([found], journal.checkpoint(name), looks_up=settings.looks_up()))
        entries = journal.find([name], notification_id)
        if not entries:
            raise Misconfigured(
                f"the journal had the notification {notification_id!r} and has pruned it, so it is not delivered again"
                " (journal.retention_days says how long one is kept)"
            )
        return entries
    raise unknown or Refused(f"no source has the notification {notification_id!r}", by="notification")


def _catch_up(route: Route, journal: Journal, entry: Entry, stop: threading.Event) -> int:
    """Deliver what is pending before an entry, so that the entry is next; return how many notifications that was."""
    count = 0
    while _is_pending(route, journal, entry):
        before = sum(each.seq < entry.seq for each in journal.pending(route.name, route.sources, route.batch))
        if not before:
            break
        if stop.is_set():
            raise Interrupted("asked to stop before the notification's turn; what is before it was delivered in part")
        _step(replace(route, batch=before), journal)
        count += before
    return count


def _deliver(route: Route, journal: Journal, entry: Entry) -> BatchOutcome:
    if _is_pending(route, journal, entry):
        return _step(replace(route, batch=1), journal)
    return redeliver(route, journal, [entry], again=True)


def _is_pending(route: Route, journal: Journal, entry: Entry) -> bool:
    first = journal.pending(route.name, [entry.source], 1)
    return bool(first) and first[0].seq <= entry.seq


def _step(route: Route, journal: Journal) -> BatchOutcome:
    delivery = Delivery(route, journal)
    batch = delivery.step()
    if batch is None:
        raise RuntimeError(f"{route.name}: what was pending is gone, though the lease is held")
    delivery.finish()
    return batch
