"""Delivering again what was delivered, from a time on, from the start, or one notification; and dry runs of that."""

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress

from connector import app
from connector.configuration import Plan
from connector.model import Entry, Misconfigured
from connector.operations.dry_run import RecordingSink, dry_run_outbox
from connector.operations.route import Interrupted, open_route, until_stopped
from connector.pipeline.deliver import Delivery
from connector.pipeline.part import Part
from connector.pipeline.redeliver import redeliver, rewind
from connector.pipeline.route import Route
from connector.ports import Journal, Outbox
from connector.values.timestamps import timestamp


def replay(
    plan: Plan,
    name: str,
    since: int | None,
    *,
    stop: threading.Event | None = None,
    on_start: Callable[[int], None] = lambda _: None,
    on_progress: Callable[[Part], None] = lambda _: None,
) -> Part:
    """Set a route back to before what was raised at `since` (Unix seconds; None: to the start), and deliver from there.

    While the mapping is the same, the same bytes go out as the first time, with all objects that they refer to. When
    this is cut off, the route goes on from there when it runs next.

    `on_start` is called with the number of notifications that are then to be delivered, `on_progress` after each batch.

    Raises:
        Unavailable: another process serves the route; nothing has changed.
        Misconfigured: there is no such route, or no journal.
    """
    stop = stop or threading.Event()
    with ExitStack() as stack:
        journal = stack.enter_context(app.open_journal(plan))
        route = stack.enter_context(open_route(plan, name, journal, stop))
        with journal.lease(name):
            rewound = rewind(route, journal, journal.positions_since(name, route.sources, since))
            on_start(rewound.pending)
        runner = app.make_runner(plan, {}, {name: route}, journal, stop=stop, on_progress=on_progress)
        (part,) = runner.run_once()
        part.messages += rewound.messages
        if runner.left_behind():
            stack.pop_all()  # it still uses what would be closed here; the process ends next
        return part


def resend(plan: Plan, name: str, notification_id: str, *, stop: threading.Event | None = None) -> Part:
    """Send all that one notification makes again; the route's position stays.

    Once `stop` is set it ends soon; its part is still `running` when it was cut short.

    Raises:
        Unavailable: another process serves the route, or the receiver is away; nothing has changed.
        Misconfigured: there is no such route, notification or journal.
    """
    stop = stop or threading.Event()
    part = Part(name, "route")
    with suppress(Interrupted):
        until_stopped(lambda: _resend(plan, part, notification_id, stop), stop, plan.settings.shutdown_seconds)
    return part


def _resend(plan: Plan, part: Part, notification_id: str, stop: threading.Event) -> None:
    with (
        app.open_journal(plan) as journal,
        open_route(plan, part.name, journal, stop) as route,
        journal.lease(part.name),
    ):
        _redeliver(route, journal, _found(plan, journal, route, notification_id), part)


def dry_run(plan: Plan, name: str, since: int | None, *, tell: Callable[[str], None] = lambda _: None) -> Part:
    """What `replay` would send now. Nothing is changed; another process may serve the route.

    Args:
        plan: the configuration.
        name: the route.
        since: see `replay`.
        tell: is called with what would be sent, in order: the ids of objects; for events, of their notifications.

    Returns:
        Counts; `reasons` has what mapping and format would refuse. What the receiver would refuse is not known.

    Raises:
        Misconfigured: there is no such route, or no journal.
    """
    plan.route(name)
    with app.open_journal(plan) as journal, dry_run_outbox(journal, name) as outbox:
        route = app.make_route(plan, name, RecordingSink(tell))
        rewound = rewind(route, outbox, journal.positions_since(name, route.sources, since))
        delivery, part = Delivery(route, outbox), Part(name, "route", "done", messages=rewound.messages)
        while (batch := delivery.step()) is not None:
            part.count(batch)
    return part


def dry_run_one(plan: Plan, name: str, notification_id: str, *, tell: Callable[[str], None] = lambda _: None) -> Part:
    """What `resend` would send now; see `dry_run`."""
    plan.route(name)
    with app.open_journal(plan) as journal, dry_run_outbox(journal, name) as outbox:
        route = app.make_route(plan, name, RecordingSink(tell))
        part = Part(name, "route")
        _redeliver(route, outbox, _found(plan, journal, route, notification_id), part)
    return part


def pruned_until(plan: Plan, name: str) -> int | None:
    """Until when (Unix seconds) the journal has only a part of what the route delivered; None: it has all.

    Raises:
        Misconfigured: there is no such route, or no journal.
    """
    plan.route(name)
    with app.open_journal(plan) as journal:
        return _pruned_until(plan, journal, name)


def _pruned_until(plan: Plan, journal: Journal, name: str) -> int | None:
    sources = plan.reads()[name]
    known = journal.status({name: sources}).sources
    times = [source.pruned_until for source in known if source.name in sources and source.pruned_until is not None]
    return max(times, default=None)


def _found(plan: Plan, journal: Journal, route: Route, notification_id: str) -> Sequence[Entry]:
    entries = journal.find(route.sources, notification_id)
    if not entries:
        sources = ", ".join(route.sources)
        pruned = _pruned_until(plan, journal, route.name)
        raise Misconfigured(
            f"the journal has no notification {notification_id!r} from {sources}"
            + ("" if pruned is None else f"; what was raised until {timestamp(pruned)} was pruned")
        )
    return entries


def _redeliver(route: Route, outbox: Outbox, entries: Sequence[Entry], part: Part) -> None:
    part.count(redeliver(route, outbox, entries, again=True))
    part.state = "done"
