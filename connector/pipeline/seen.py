"""Entries as a route's mappings and conditions see them: with their source, what guards them, and who makes claims."""

import functools
import heapq
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import orjson

from connector import notification
from connector.mapping import Guarding
from connector.model import Entry, JsonObject, Refused, Withheld
from connector.pipeline.claims import observable
from connector.pipeline.convert import DAMAGED, Rendered
from connector.pipeline.judged_values import JudgedValues
from connector.pipeline.newest import newest, newest_about
from connector.pipeline.route import (
    GUARD,
    JUDGEMENT,
    Route,
    RouteMapping,
    Tenant,
    Withdrawing,
    guarded_view,
    makes_claims,
)
from connector.ports import Guards, Outbox

CLAIMING = 100
"""Of the notifications about a host that others name, how many of the newest are looked at for one that says itself
that the host is bad. If only an older one does, both say so."""


class Seen(NamedTuple):
    """An entry as mappings see it.

    Attributes:
        withheld: why the route does not let it through.
        claiming: the mapping, if it makes claims.
        observable: what these are about.
        author: who makes them.
    """

    entry: Entry
    mapping: RouteMapping
    view: JsonObject
    withheld: Withheld | None
    claiming: Withdrawing | None = None
    observable: int = 0
    author: str = ""

    @property
    def is_muted(self) -> bool:
        """Whether an analyst judged it wrong."""
        return self.withheld is not None and self.withheld.by == JUDGEMENT

    @property
    def is_guarded(self) -> bool:
        """Whether a known-good list suppresses what it is about."""
        return self.withheld is not None and self.withheld.by == GUARD


def _is_newer(known: JsonObject, said: JsonObject) -> bool:
    """Whether what a notification with a later date says of an entity is newer, too."""
    modified, when_said = known.get("last_modification_date"), said.get("last_modification_date")
    return not (isinstance(modified, int) and isinstance(when_said, int)) or modified > when_said


class Sight:
    """How one route sees the entries of one batch."""

    def __init__(self, route: Route, journal: Outbox) -> None:
        self._route = route
        self._journal = journal
        self._claiming_mappings: dict[int, tuple[Withdrawing, str] | None] = {}  # by id(); with who makes the claims
        self._tenants: dict[str, Tenant] = {}  # by source
        self._claimed: dict[str, JsonObject | None] = {}  # by value
        self._pending: dict[str, int | None] = {}  # by source

    def see(self, entry: Entry) -> Seen | Rendered:
        """An entry as mappings see it; what could not be read is the source's matter."""
        if entry.is_unreadable:
            return Rendered(entry, wanted=False)
        if entry.damaged:
            return Rendered(entry, refusal=Refused(DAMAGED, by="notification"))
        tenant = self._tenant(entry.source)
        try:
            view = self.view(entry)
            with self.guarding(entry.source):
                withheld = self._route.withheld(entry, view)
        except Refused as refusal:
            return Rendered(entry, refusal=refusal)
        if (found := self._makes_claims(tenant.mapping)) is None:
            return Seen(entry, tenant.mapping, view, withheld)
        claiming, author = found
        return Seen(entry, claiming, view, withheld, claiming, observable(view, author), author)

    def as_known(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """The entries, where one came late with what is known of its entity from one that is dated later.

        What VirusTotal says of an entity is dated itself (`last_modification_date`); if it is not, the notification's
        date counts.
        """
        late = self._journal.newer_dated([each.seq for each in entries if not each.damaged], self._route.sources)
        return [self._up_to_date(each, late[each.seq]) if each.seq in late else each for each in entries]

    def _up_to_date(self, entry: Entry, dated_later: Sequence[int]) -> Entry:
        if entry.entity is not None:  # looked up since
            return entry
        by_seq = {each.seq: each for each in self._journal.entries(dated_later)}
        try:
            said = self.view(entry)["entity"]
            if not said:
                return entry
            for seq in dated_later:
                known = self.view(by_seq[seq])["entity"] if seq in by_seq else {}
                if known and _is_newer(known, said):
                    return replace(entry, entity=orjson.dumps(known))
        except Refused:
            pass
        return entry

    def view(self, entry: Entry) -> JsonObject:
        """An entry as mappings and conditions see it; or Refused."""
        tenant = self._tenant(entry.source)
        view = notification.view(entry.notification, entry.context, tenant.source, entry.judgement, entry.entity)
        return guarded_view(view, tenant.guards)

    def guards(self, source: str) -> Guards | None:
        """What guards what a source's notifications say, what is judged among it; None: what the mapping itself has."""
        return self._tenant(source).guards

    def guarding(self, source: str) -> Guarding:
        """The same, for as long as a block lasts in which conditions and mappings are evaluated."""
        guards = self.guards(source)
        return Guarding(None if guards is None else guards.derived, self.claims)

    def claims(self, value: str) -> JsonObject | None:
        """What is known of a value, if the route lets a notification about it itself through, which makes a claim."""
        if value not in self._claimed:
            self._claimed[value] = None  # of one that names what it is about
            known: JsonObject | None = None
            unknowing: list[Seen] = []  # the newest, which say nothing of the value
            for each in map(self.see, newest_about(self._journal, value, self._route.sources, CLAIMING)):
                if not isinstance(each, Seen):
                    continue
                known = known or each.view["entity"] or None
                if known is None:
                    unknowing.append(each)
                elif any(self._is_claim(one, known) for one in (*unknowing, each)):
                    self._claimed[value] = known
                    break
                else:
                    unknowing.clear()
        return self._claimed[value]

    def _is_claim(self, seen: Seen, known: JsonObject) -> bool:
        view = {**seen.view, "entity": known}
        try:
            with self.guarding(seen.entry.source):
                if seen.claiming is None or self._route.withheld(seen.entry, view) is not None:
                    return False
                rendering = seen.claiming.rendering(view)
        except Refused:
            return False
        return rendering is not None and bool(rendering.claims and rendering.documents)

    def alike(self, entry: Entry, before: int | None = None) -> Iterator[Entry]:
        """Other entries of the route about the same observable, the newest first, as far as they are looked at.

        Who asks only for those before one says so: later ones may be more than are looked at.
        """
        return newest(functools.partial(self._journal.alike, entry.seq, self._route.sources), before=before)

    def passed_alike(self, entry: Entry) -> Iterator[Entry]:
        """As `alike`, those that the route has dealt with in turn."""
        passed: dict[int | None, list[str]] = {}  # sources by the first that is pending: mostly none is in any
        for source in self._route.sources:
            passed.setdefault(self._first_pending(source), []).append(source)
        found = [
            newest(functools.partial(self._journal.alike, entry.seq, sources), before=before)
            for before, sources in passed.items()
        ]
        return heapq.merge(*found, key=lambda each: -each.seq)

    def is_passed(self, source: str, seq: int) -> bool:
        """Whether the route has dealt with an entry of a source in turn."""
        first = self._first_pending(source)
        return first is None or seq < first

    def _first_pending(self, source: str) -> int | None:
        """The entry of a source that is next for the route; it is asked of the journal once."""
        if source not in self._pending:
            pending = self._journal.pending(self._route.name, (source,), 1)
            self._pending[source] = pending[0].seq if pending else None
        return self._pending[source]

    def _tenant(self, source: str) -> Tenant:
        """Whose notifications a source fetches, what is judged among what guards them."""
        if source not in self._tenants:
            tenant = self._route.tenant(source)
            if tenant.guards is not None:
                tenant = replace(tenant, guards=JudgedValues(tenant.guards, self._journal, source, self._route.sources))
            self._tenants[source] = tenant
        return self._tenants[source]

    def _makes_claims(self, mapping: RouteMapping) -> tuple[Withdrawing, str] | None:
        """A mapping that makes claims, with the author of these: each has objects of its own."""
        key = id(mapping)
        if key not in self._claiming_mappings:
            found = None
            if makes_claims(mapping):
                found = mapping, mapping.format.names.get("producer", {}).get("id", "")
            self._claiming_mappings[key] = found
        return self._claiming_mappings[key]
