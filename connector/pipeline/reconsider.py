"""What a route has delivered on other terms than it has now: looked through once, and taken back where need be."""

from collections.abc import Sequence
from dataclasses import replace

from connector.mapping import Guarding
from connector.model import Entry, Outdated, Redelivery, Refused, Standing
from connector.pipeline.redeliver import revise
from connector.pipeline.route import Route
from connector.pipeline.seen import Seen, Sight
from connector.pipeline.send import BatchOutcome
from connector.pipeline.suppressions import Suppressions
from connector.ports import ObjectFormat, Outbox


def to_reconsider(route: Route, journal: Outbox, most: int) -> Standing | None:
    """What is to be looked at next, of at most so many observables; None when the terms are those of before."""
    return journal.standing(route.name, route.terms, most, route.receiver) if route.terms else None


def begin_reconsidering(route: Route, journal: Outbox) -> None:
    """Note the terms of a route that has told its receiver nothing yet: all that it will tell is told on these."""
    standing = to_reconsider(route, journal, 1)
    if standing is not None and not standing.entries and standing.until.to is None:
        journal.record_redelivery(route.name, _noted(route, standing))


def reconsider(route: Route, journal: Outbox, standing: Standing) -> BatchOutcome:
    """Take back what of this is not let through any more; raises as `revise`. Requires the lease on the route.

    What is let through and is on a known-good list, or names what is, is rendered again. All else is left as it is.
    """
    entries = _concerned(route, journal, standing.entries)
    if not entries:
        journal.record_redelivery(route.name, _noted(route, standing))
        return BatchOutcome(0, 0, (), 0, 0)
    outdated = Outdated(entries, None, standing.refused, standing.withheld)
    outcome = revise(route, journal, outdated, reconsidered=standing.until)
    return replace(outcome, reconsidered=outcome.revised)


def _noted(route: Route, standing: Standing) -> Redelivery:
    return Redelivery((), 0, 0, 0, receiver=route.receiver, reconsidered=standing.until)


def _concerned(route: Route, journal: Outbox, entries: Sequence[Entry]) -> Sequence[Entry]:
    sight = Sight(route, journal)
    return [
        each.entry
        for each in map(sight.see, sight.as_known(entries, in_turn=False))
        if isinstance(each, Seen) and _is_concerned(each, sight)
    ]


def _is_concerned(seen: Seen, sight: Sight) -> bool:
    if seen.claiming is None or seen.is_muted:
        return False
    of_objects = isinstance(seen.claiming.format, ObjectFormat)
    if seen.withheld is not None or (seen.view["guard"] is not None and of_objects):
        return True
    guards = sight.guards(seen.entry.source)
    noted = None if guards is None else Suppressions(guards, seen)
    try:
        with Guarding(noted, sight.claims):
            is_matched = seen.claiming.is_for(seen.view)
            if is_matched and noted is not None and of_objects:
                seen.claiming.rendering(seen.view)
    except Refused:
        return False
    return not is_matched or (noted is not None and bool(noted.suppressed))
