"""Following the journal: notifications as they are stored, and what a route makes of each."""

import threading
from collections.abc import Iterator, Sequence

from connector import app
from connector.configuration import Plan
from connector.model import Entry, Message
from connector.operations.dry_run import RecordingSink
from connector.pipeline.convert import convert
from connector.pipeline.seen import Seen, Sight
from connector.ports import Journal

_AT_ONCE = 100
"""Entries that are read at once, at most."""
_SECONDS = 1.0
"""Between two looks into the journal."""


def stored(plan: Plan, route: str | None, last: int, stop: threading.Event | None) -> Iterator[tuple[Entry, Journal]]:
    """The entries that a route reads, or all: the `last` ones, and then, until `stop` is set, each as it is stored.

    Without `stop` it ends with the last. Nothing is sent, and no position moves.

    Raises:
        NotFound: there is no such route.
        Misconfigured: there is no journal.
    """
    sources = tuple(plan.settings.sources) if route is None else plan.read_by(plan.route(route))
    with app.open_journal(plan) as journal:
        newest = journal.latest(sources, max(last, 1))
        shown = [*reversed(newest)][-last:] if last else []
        for entry in shown:
            yield entry, journal
        after = max((entry.seq for entry in newest), default=0)
        while stop is not None and not stop.is_set():
            entries = journal.history(dict.fromkeys(sources, 0), _AT_ONCE, after)
            for entry in entries:
                yield entry, journal
                after = entry.seq
            if not entries:
                stop.wait(_SECONDS)


def made(plan: Plan, route: str, entry: Entry, journal: Journal) -> tuple[Sequence[Message], str]:
    """What a route makes of an entry by itself; and why that is nothing, where it is nothing."""
    sight = Sight(app.make_route(plan, route, RecordingSink(lambda _: None)), journal)
    seen = sight.see(entry)
    if not isinstance(seen, Seen):
        return (), str(seen.refusal or "it could not be read")
    if seen.withheld is not None:
        return (), seen.withheld.reason
    (conversion,) = convert(
        [entry.notification],
        plan.mapping(route, entry.source),
        plan.said_of(entry.source),
        plan.guards.of(route, entry.source),
    )
    if conversion.refusal is not None:
        return (), str(conversion.refusal)
    return conversion.messages, "" if conversion.messages else "the mapping made nothing of it"
