"""Everything the journal knows of one observable: its matches, what became of them, and what receivers were told."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from connector import app
from connector.configuration import Plan
from connector.model import Claim, Entry, Misconfigured, StoredDeadLetter
from connector.operations.dry_run import RecordingSink
from connector.pipeline.newest import newest_about
from connector.pipeline.seen import Seen, Sight
from connector.ports import Journal
from connector.values import observables
from connector.values.display import printable, shortened

_DEFANGED = ((r"^(?i:hxxp|h\*\*p)(?=s?(\[:\]|:))", "http"), (r"\[\.\]|\(\.\)|\[dot\]", "."), (r"\[:\]", ":"))
"""How reports write values so that they are no links, and what that means."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of the matches at one route.

    Attributes:
        passed, waiting: how many of them the route has dealt with, and has yet to deal with.
        dead_letters: those that were refused.
        claim: what its receiver was told of the observable, last; None: nothing that the journal kept.
        withheld: why the route does not let matches through as it is configured now, the newest first.
    """

    route: str
    receiver: str
    passed: int
    waiting: int
    dead_letters: Sequence[StoredDeadLetter]
    claim: Claim | None
    withheld: Sequence[str]

    @property
    def told(self) -> str:
        """What the receiver was told, in a word or two."""
        if self.claim is None:
            return "nothing"
        word = "reported" if self.claim.stands else "taken back"
        return f"{word}, in doubt" if self.claim.in_doubt else word


@dataclass(frozen=True, slots=True)
class Known:
    """What the journal knows of an observable.

    Attributes:
        value: as the journal has it: of a file the SHA-256, where that is known.
        kind: a hash, url, address or host.
        entries: its matches, the newest first.
        more: whether there are more matches than these.
    """

    value: str
    kind: str
    entries: Sequence[Entry]
    more: bool
    deliveries: Sequence[Delivery]


def known(plan: Plan, value: str, limit: int) -> Known:
    """Everything known of an observable, with its newest matches, at most `limit`.

    The value may be written so that it is no link, as reports have it: hxxps://evil[.]example.

    Raises:
        Misconfigured: the value names nothing that a notification could be about, or there is no journal.
    """
    value = _as_it_is(value)
    found = observables.read(value)
    if found is None:
        raise Misconfigured(
            f"{printable(shortened(value, 100))!r} is no hash (MD5, SHA-1, SHA-256), URL (with its scheme), domain or "
            "address: `iocstream find` takes one of these"
        )
    written = observables.written(value)
    with app.open_journal(plan) as journal:
        if found.kind == "hash":
            written = journal.sha256_of(written) or written
        entries = list(newest_about(journal, written, tuple(plan.settings.sources), limit + 1))
        shown = entries[:limit]
        deliveries = [_delivery(plan, journal, name, shown) for name in plan.settings.routes]
    return Known(written, found.kind, shown, len(entries) > limit, deliveries)


def _as_it_is(value: str) -> str:
    """A value without what reports write into it so that nobody clicks on it."""
    for written, meant in _DEFANGED:
        value = re.sub(written, meant, value)
    return value


def _delivery(plan: Plan, journal: Journal, route: str, entries: Sequence[Entry]) -> Delivery:
    reads = plan.read_by(plan.route(route))
    here = [entry for entry in entries if entry.source in reads]
    first = {source: journal.pending(route, [source], 1) for source in {entry.source for entry in here}}
    waiting = [entry for entry in here if first[entry.source] and first[entry.source][0].seq <= entry.seq]
    seqs = {entry.seq for entry in here}
    refused = [stored for stored in journal.dead_letters(route) if stored.letter.seq in seqs] if seqs else []
    sight = Sight(app.make_route(plan, route, RecordingSink(lambda _: None)), journal)
    seen = [each for each in map(sight.see, here) if isinstance(each, Seen)]
    receiver = plan.route(route).receiver_name()
    told = journal.claims(route, sorted({each.observable for each in seen}), receiver)
    return Delivery(
        route=route,
        receiver=receiver,
        passed=len(here) - len(waiting),
        waiting=len(waiting),
        dead_letters=refused,
        claim=max((each[-1] for each in told.values()), key=lambda claim: claim.seq, default=None),
        withheld=list(dict.fromkeys(each.withheld.reason for each in seen if each.withheld is not None)),
    )
